"""What differs between an app that runs and what lies on disk by now, for `status`.

It is looked for only when somebody asks, and `status` has to be quick: with 100 apps there are 4 ms for all
of this. So files are read again only when their times or sizes have changed, and those of packages are asked
for these once in 10 s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from procman.config.diagnostics import InvalidConfig
from procman.config.environment import complete_path
from procman.config.source import read_text
from procman.core.config import AppConfig
from procman.core.package_managers import MANAGERS, MODULES
from procman.core.plan import AppChange, Plan, Verb
from procman.engine import node
from procman.engine.supervised import Supervised

KEPT_FOR = 10.0  # seconds
# What an install writes last into `node_modules`, by the lock file that it is made from; bun writes nothing.
INSTALLED = {
    lock: markers
    for manager in MANAGERS
    if (markers := tuple(each for each in manager.written if each.startswith(MODULES)))
    for lock in manager.locks
}
_IN_PATH = re.compile(r"[/\\]v?(\d+)\.\d+\.\d+[/\\]")  # nvm, fnm, volta and asdf have it in the path
_IN_HEADER = re.compile(r"^#define NODE_MAJOR_VERSION (\d+)", re.MULTILINE)

Digests = tuple[tuple[str, str], ...]  # of env files, by path


def digests_of(config: AppConfig) -> Digests:
    """Return what tells whether the env files of an app are still what they were; nothing of their values."""
    return tuple((path, _digest(path)) for path in config.env_file)


@dataclass(slots=True)
class _Packages:
    """What was found out about the packages of one app."""

    config: AppConfig
    files: tuple[str, ...]
    at: float = float("-inf")  # monotonic seconds of the last look
    stamps: tuple[object, ...] = ()
    found: tuple[str, ...] = ()


class Staleness:
    """Looks for what is stale, and remembers it for a while; owned by the event loop's thread."""

    def __init__(self, folder: str, environment: Mapping[str, str]) -> None:
        self._folder = Path(folder)
        self._environment = environment
        self._env_files: dict[str, tuple[object, str]] = {}  # by path: a stamp, and the digest of then
        self._packages: dict[str, _Packages] = {}  # by app
        self._nodes: dict[str | None, tuple[float, int | None]] = {}  # by PATH: when, and the major version

    def of(self, supervised: Supervised, waiting: Plan | None, now: float) -> list[str]:
        """Return what is stale of an app.

        Args:
            supervised: the app.
            waiting: what an edit would do that is not applied.
            now: monotonic seconds.
        """
        changes = () if waiting is None else waiting.changes
        found = [_waits(change) for change in changes if change.name == supervised.name]
        if supervised.run is not None:
            found += self._changed_env_files(supervised)
            found += self._of_packages(supervised.config, now)
        return found

    def _changed_env_files(self, supervised: Supervised) -> Iterator[str]:
        for path, digest in supervised.env_files:
            if self._digest(path) != digest:
                yield f"`{os.path.basename(path)}` has changed since it was started"

    def _digest(self, path: str) -> str:
        stamp = _stamp(path)
        known = self._env_files.get(path)
        if known is None or known[0] != stamp:
            known = self._env_files[path] = stamp, _digest(path)
        return known[1]

    def _of_packages(self, config: AppConfig, now: float) -> tuple[str, ...]:
        known = self._packages.get(config.name)
        if known is None or known.config is not config:
            files = tuple(_files(config.cwd, str(self._folder)))
            known = self._packages[config.name] = _Packages(config, files)
        if now - known.at >= KEPT_FOR:
            known.at, major = now, self._major(config, now)
            package = _stamp(known.files[0])
            concerned = package is not None or _runs_node(config)
            stamps = (major, package, *(map(_stamp, known.files[1:]) if concerned else ()))
            if stamps != known.stamps:
                known.stamps = stamps
                known.found = (*self._old_modules(config), *self._other_node(config, major))
        return known.found

    def _old_modules(self, config: AppConfig) -> Iterator[str]:
        """Yield the lock file that is newer than what was installed: the nearest one, up to the project."""
        cwd = Path(config.cwd)
        if not (cwd / "package.json").exists():
            return
        for place in (cwd, *(each for each in cwd.parents if each.is_relative_to(self._folder))):
            for lock, markers in INSTALLED.items():
                written = _time(place / lock)
                if written is None:
                    continue
                installed = [_time(place / marker) for marker in markers]
                if any(installed) and written > max(time or 0 for time in installed):
                    yield f"`{lock}` is newer than `node_modules`"
                return

    def _other_node(self, config: AppConfig, major: int | None) -> Iterator[str]:
        """Yield what asks for another node than that of the app's PATH, where its version can be told."""
        if not _runs_node(config):
            return
        for where, range_ in node.wishes(Path(config.cwd), self._folder):
            if major is not None and not node.accepts(range_, major):
                yield f"{where} asks for node `{range_}`, and it has {major}"

    def _major(self, config: AppConfig, now: float) -> int | None:
        inherited, _ = complete_path(self._environment, config.cwd)
        path = dict(config.env).get("PATH", inherited.get("PATH"))
        known = self._nodes.get(path)
        if known is None or now - known[0] >= KEPT_FOR:
            import shutil  # 0.15 MB, with every compression there is

            program = shutil.which("node", path=path)
            known = self._nodes[path] = now, None if program is None else _major_of(os.path.realpath(program))
        return known[1]


def _runs_node(config: AppConfig) -> bool:
    return not config.command.shell and os.path.basename(config.command.words[0]) in node.TOOLS


def _files(cwd: str, folder: str) -> Iterator[str]:
    """Yield the files that say how the packages and the node of an app should be, and how they are."""
    yield os.path.join(cwd, "package.json")
    for name in (".nvmrc", ".node-version"):
        yield from dict.fromkeys((os.path.join(cwd, name), os.path.join(folder, name)))
    for place in (Path(cwd), *(each for each in Path(cwd).parents if each.is_relative_to(folder))):
        for lock, markers in INSTALLED.items():
            yield str(place / lock)
            yield from (str(place / marker) for marker in markers)


def _waits(change: AppChange) -> str:
    """Return how a change that is not applied makes an app stale."""
    if change.verb is Verb.REMOVE:
        return "the edited file takes it out"
    return f"{change.keys} differs in the edited file"


def _major_of(program: str) -> int | None:
    """Return the major version of a node without running it: from its path, or from the header beside it."""
    match = _IN_PATH.search(program)
    if match is None:
        header = Path(program).parent.parent / "include" / "node" / "node_version.h"
        try:
            match = _IN_HEADER.search(header.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            return None
    return int(match[1]) if match else None


def _stamp(path: str) -> object:
    """Return what tells whether a file has changed."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _time(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _digest(path: str) -> str:
    """Return a digest of an env file, empty where there is none that can be read: a FIFO is none."""
    try:
        _, digest = read_text(path, path)
    except InvalidConfig:
        return ""
    return digest
