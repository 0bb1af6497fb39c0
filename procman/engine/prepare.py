"""When an app's `prepare` is due: before its first start, and again when its inputs have changed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from procman.core.config import AppConfig

LOCKFILES = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    "requirements.txt",
    "poetry.lock",
    "uv.lock",
    "Pipfile.lock",
    "Gemfile.lock",
    "composer.lock",
)
MANIFESTS = ("package.json", "pyproject.toml", "Pipfile", "Gemfile", "composer.json")


class Prepared:
    """What was prepared, by app: the fingerprint of its inputs after each successful `prepare`.

    Kept in a small JSON file. A lost or damaged one costs a `prepare` that was not needed, never a start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            kept = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            kept = {}
        self._done: dict[str, str] = kept if isinstance(kept, dict) else {}

    def is_due(self, config: AppConfig) -> bool:
        """Return whether `prepare` has to run before the app starts."""
        return config.prepare is not None and self._done.get(config.name) != fingerprint(config)

    def rename(self, old: str, new: str) -> None:
        """Let what is known of an app be that of its new name; kept with the next success."""
        if old in self._done:
            self._done[new] = self._done.pop(old)

    def succeed(self, config: AppConfig) -> None:
        """Remember that `prepare` succeeded, with its inputs as they are now: `npm install` writes lockfiles.

        Raises:
            OSError: it could not be kept, and will run again after a restart of the manager.
        """
        self._done[config.name] = fingerprint(config)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._done, indent=1), "utf-8")
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
