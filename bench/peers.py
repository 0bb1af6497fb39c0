"""Other programs that keep the output of apps, installed where no project and no system sees them.

They go into `~/.cache/procman-bench` (or below `$XDG_CACHE_HOME`), once. What can't be had here is said, and
left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SUPERVISOR = "4.3.0"
PM2 = "7.0.4"
PATIENCE = 300.0  # s for one download


class Missing(Exception):
    """A peer can't be had here, and why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that was found or installed."""

    version: str
    command: str
    environment: dict[str, str]


def supervisord() -> Peer:
    """Return supervisord, in an environment of its own."""
    folder = _cache() / f"supervisor-{SUPERVISOR}"
    command = folder / "bin" / "supervisord"
    if not command.exists():
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "pip"), "install", "--quiet", f"supervisor=={SUPERVISOR}")
    return Peer(SUPERVISOR, str(command), {})


def pm2() -> Peer:
    """Return pm2, for the node that is installed."""
    if shutil.which("npm") is None:
        raise Missing("npm is not installed")
    folder = _cache() / f"pm2-{PM2}"
    command = folder / "node_modules" / ".bin" / "pm2"
    if not command.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run("npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", f"pm2@{PM2}")
    return Peer(PM2, str(command), {})


def s6_log() -> Peer:
    """Return s6-log: the installed one, else the one of the distribution, unpacked beside the other peers."""
    installed = shutil.which("s6-log")
    if installed is not None:
        return Peer("installed", installed, {})
    folder = _cache() / "s6"
    command = folder / "usr" / "bin" / "s6-log"
    if not command.exists():
        _unpack_s6(folder)
    libraries = [str(path.parent) for path in (folder / "usr" / "lib").glob("*/libskarnet.so.*")]
    version = (folder / "version").read_text()
    return Peer(version, str(command), {"LD_LIBRARY_PATH": os.pathsep.join(libraries)})


def _unpack_s6(folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Missing("it is not installed, and there is no apt to get it with")
    folder.mkdir(parents=True, exist_ok=True)
    depends = _run("apt-cache", "depends", "--recurse", "--important", "s6")
    names = {
        line for line in depends.splitlines() if line.startswith(("s6", "libs6", "libskarnet", "libexecline"))
    }
    _run("apt-get", "download", *sorted(names), cwd=folder)
    for package in folder.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(folder))
        if package.name.startswith("s6_"):
            (folder / "version").write_text(package.name.split("_")[1])


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "procman-bench"


def _run(*words: str, cwd: Path | None = None) -> str:
    """Return what a command prints.

    Raises:
        Missing: it failed.
    """
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise Missing(f"`{words[0]}` failed: {said[-1] if said else error}") from error
    return done.stdout
