"""What is on disk of an npm package: its scripts, what it asks for, what is installed, and by which tool."""

from __future__ import annotations

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from procman.config.npm_lock import left_out
from procman.core.package_managers import MANAGERS, MODULES, NPM, PackageManager, manager_of
from procman.engine.node import document
from procman.engine.node import package as read_package


class Package:
    """The npm package that a folder belongs to; read when it is asked."""

    def __init__(self, folder: Path) -> None:
        """Look for it from `folder` upwards, as npm does."""
        above = (folder, *folder.parents)
        self.folder = next((each for each in above if os.path.isfile(each / "package.json")), folder)
        self.document: dict[str, Any] = read_package(self.folder)

    @property
    def path(self) -> Path:
        """Where its package.json is, or should be."""
        return self.folder / "package.json"

    @cached_property
    def root(self) -> Path:
        """Where its packages are installed: the folder of the workspace that it belongs to, or its own."""
        if any(os.path.isfile(self.folder / lock) for each in MANAGERS for lock in each.locks):
            return self.folder
        for each in self.folder.parents:
            if os.path.isfile(each / "pnpm-workspace.yaml") or read_package(each).get("workspaces"):
                return each
        return self.folder

    @cached_property
    def manager(self) -> PackageManager:
        """What installs its packages."""
        declared = self.document.get("packageManager") or read_package(self.root).get("packageManager")
        return manager_of(declared, lambda name: os.path.isfile(self.root / name))

    @property
    def lock(self) -> Path | None:
        """Its lock file, if there is one."""
        places = (self.root / name for name in self.manager.locks)
        return next((each for each in places if os.path.isfile(each)), None)

    @cached_property
    def left_out(self) -> str | None:
        """What is missing in npm's lock file, so that `npm ci` refuses it, or None."""
        return left_out(document(self.lock)) if self.lock is not None and self.manager is NPM else None

    @property
    def install(self) -> str:
        """The command for a folder without packages; `npm ci` wants a lock file, and all of it."""
        if self.lock is None:
            return self.manager.fresh
        return self.manager.install if self.left_out is None else self.manager.renew

    @property
    def scripts(self) -> tuple[str, ...]:
        """The names of its scripts."""
        found = self.document.get("scripts")
        return tuple(found) if isinstance(found, dict) else ()

    @property
    def dependencies(self) -> frozenset[str]:
        """The packages that it asks for."""
        asked = [
            self.document.get(key) for key in ("dependencies", "devDependencies", "optionalDependencies")
        ]
        return frozenset(name for each in asked if isinstance(each, dict) for name in each)

    @property
    def lacks_everything(self) -> bool:
        """Whether it asks for packages and none was ever installed."""
        places = (MODULES, ".pnp.cjs")
        there = any(os.path.exists(folder / name) for folder in self._folders() for name in places)
        return bool(self.dependencies) and not there

    def installed(self, name: str) -> Path | None:
        """Return where a package, or a command as `.bin/vite`, is: node looks in all folders above, too."""
        places = (each / MODULES / name for each in (self.folder, *self.folder.parents))
        return next((each for each in places if os.path.exists(each)), None)

    def places(self, name: str) -> tuple[str, ...]:
        """Return where an install may put a package, or a command as `.bin/vite`."""
        return tuple(str(each / MODULES / name) for each in self._folders())

    @property
    def written(self) -> tuple[str, ...]:
        """The files that any install writes, when it is done; and the folder that comes with the first."""
        names = (*self.manager.written, MODULES)
        return tuple(str(each / name) for each in self._folders() for name in names)

    @property
    def lock_paths(self) -> tuple[str, ...]:
        """Where its lock file is, or would be."""
        return tuple(str(self.root / name) for name in self.manager.locks)

    def _folders(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((self.folder, self.root)))


def package_name(specifier: str) -> str:
    """Return the package of `express/lib/router`, or of `@scope/package/file.js`."""
    return "/".join(specifier.split("/")[: 2 if specifier.startswith("@") else 1])


def broken_json(path: Path) -> str | None:
    """Return where and why a file is no JSON, or None if it is, or is not there."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (OSError, ValueError, RecursionError):
        return None
    return None
