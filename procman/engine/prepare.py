"""When an app's `prepare` is due: before its first start, with other inputs, when what it made is gone."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from procman.core.config import AppConfig
from procman.core.package_managers import MANAGERS
from procman.engine.packages import Package

LOCKFILES = (
    *(lock for manager in MANAGERS for lock in manager.locks),
    "requirements.txt",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "Gemfile.lock",
    "composer.lock",
)
# What an install makes; a `prepare` that has left one of these is due again when that is gone.
OUTPUTS = ("node_modules", ".pnp.cjs", ".venv", "venv", "vendor")
MANIFESTS = ("package.json", "pyproject.toml", "Pipfile", "Gemfile", "composer.json")


class Prepared:
    """What was prepared, by app: the fingerprint of the inputs after each success, and what that has left.

    Kept in a small JSON file. A lost or damaged one costs a `prepare` that was not needed, never a start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            kept = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            kept = {}
        self._done: dict[str, list[str]] = {}  # by app: the fingerprint, then the paths
        for name, done in (kept if isinstance(kept, dict) else {}).items():
            if isinstance(done, str):  # by a version that kept no paths
                self._done[name] = [done]
            elif isinstance(done, list):
                self._done[name] = list(map(str, done))

    def is_due(self, config: AppConfig) -> bool:
        """Return whether `prepare` has to run before the app starts."""
        if config.prepare is None:
            return False
        known, *left = self._done.get(config.name) or [""]
        return known != fingerprint(config) or not all(map(os.path.exists, left))

    def rename(self, old: str, new: str) -> None:
        """Let what is known of an app be that of its new name; kept with the next success."""
        if old in self._done:
            self._done[new] = self._done.pop(old)

    def succeed(self, config: AppConfig) -> None:
        """Remember that `prepare` succeeded, with its inputs as they are now: `npm install` writes lockfiles.

        Raises:
            OSError: it could not be kept, and will run again after a restart of the manager.
        """
        self._done[config.name] = [fingerprint(config), *outputs(config)]
        fresh = self._path.with_suffix(".new")
        fresh.unlink(missing_ok=True)  # also where it is a link to something that is not ours
        with open(fresh, "x", encoding="utf-8") as file:
            file.write(json.dumps(self._done, indent=1))
        os.replace(fresh, self._path)


def inputs(config: AppConfig) -> tuple[str, ...]:
    """Return the files whose change makes a new `prepare` due: as declared, else the lockfiles in `cwd`.

    Where there is no lockfile, the manifests count.
    """
    if config.prepare_inputs:
        return config.prepare_inputs
    here = [os.path.join(config.cwd, name) for name in LOCKFILES]
    locks = tuple(path for path in here if os.path.exists(path))
    return locks or tuple(os.path.join(config.cwd, name) for name in MANIFESTS)


def outputs(config: AppConfig) -> tuple[str, ...]:
    """Return what of an install is there now: in `cwd`, and where its workspace keeps packages."""
    folders = dict.fromkeys((config.cwd, str(Package(Path(config.cwd)).root)))
    paths = (os.path.join(folder, name) for folder in folders for name in OUTPUTS)
    return tuple(path for path in paths if os.path.exists(path))


def fingerprint(config: AppConfig) -> str:
    """Return a digest of the `prepare` command and its inputs; a missing file counts as empty."""
    digest = hashlib.sha256(repr((config.prepare, config.cwd)).encode())
    for path in inputs(config):
        try:
            content = Path(path).read_bytes()
        except OSError:
            content = b""
        digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()
