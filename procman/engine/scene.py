"""What a recognised cause is judged by: the app's folder, its environment, and how paths are shown."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from procman.core.causes import Cause, Kind
from procman.core.config import AppConfig
from procman.core.frozen import Frozen
from procman.engine.packages import Package
from procman.host.base import Host


class Scene(Frozen):
    """One app, where it runs, and the machine."""

    config: AppConfig
    project: Path  # the folder of the file
    environment: Mapping[str, str]  # of the app
    host: Host

    @property
    def cwd(self) -> Path:
        """The folder in which the app runs."""
        return Path(self.config.cwd)

    def shown(self, path: Path | str) -> str:
        """Return a path for people: from the project's folder where it is in there."""
        path = Path(path)
        for project in (self.project, Path(os.path.realpath(self.project))):  # node has followed every link
            if path.is_relative_to(project):
                return str(path.relative_to(project))
        return str(path)

    def inside(self, folder: Path) -> str:
        """Return ` in web`, and nothing for the project's own folder, which goes without saying."""
        shown = self.shown(folder)
        return "" if shown == "." else f" in {shown}"

    def which(self, command: str) -> tuple[str, ...]:
        """Return where a command of the PATH would be."""
        path = self.environment.get("PATH", os.defpath)
        return tuple(os.path.join(self.cwd, each, command) for each in path.split(os.pathsep))

    def run(self, command: str, package: Package) -> str:
        """Return the advice to run something where the packages of a package are installed."""
        return f"run `{command}`{self.inside(package.root)}"

    def of_node(self, package: Package) -> tuple[Path | str, ...]:
        """Return the files that say which node the app runs with, and which it wants."""
        node = tuple(each for each in self.which("node") if os.path.exists(each))[:1]
        wishes = (package.folder / name for name in (".nvmrc", ".node-version"))
        return (*node, package.path, *wishes, *package.written)


def cause(
    kind: Kind,
    sentence: str,
    remedy: str | None = None,
    *,
    hopeless: bool = True,
    files: Iterable[Path | str] = (),
) -> Cause:
    """Return a cause; without files to wait for it is not hopeless, or nothing would bring the app back."""
    paths = tuple(dict.fromkeys(map(str, files)))
    return Cause(kind.value, sentence, remedy, hopeless and bool(paths), paths)
