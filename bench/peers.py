"""Other programs that keep apps running, installed where no project and no system sees them.

They go into `~/.cache/procman-bench` (or below `$XDG_CACHE_HOME`), once. What can't be had here is said, and
left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

SUPERVISOR = "4.3.0"
SUPERLANCE = "2.0.0"
CIRCUS = "0.19.0"
HONCHO = "2.0.0"
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
    return _from_pypi("supervisor", SUPERVISOR, "supervisord")


def httpok() -> Peer:
    """Return superlance's httpok, which restarts what supervisord runs when it does not answer."""
    return _from_pypi("superlance", SUPERLANCE, "httpok")


def circus() -> Peer:
    """Return circusd."""
    return _from_pypi("circus", CIRCUS, "circusd")


def honcho() -> Peer:
    """Return honcho."""
    return _from_pypi("honcho", HONCHO, "honcho")


def _from_pypi(package: str, version: str, command: str) -> Peer:
    ours = metadata.version("pip")  # older ones make slower scripts of commands: none is to have those alone
    folder = _cache() / f"{package}-{version}-by-pip-{ours}"
    found = folder / "bin" / command
    if not found.exists():
        python = str(folder / "bin" / "python")
        _run(sys.executable, "-m", "venv", str(folder))
        _run(python, "-m", "pip", "install", "--quiet", "--upgrade", f"pip=={ours}")
        _run(python, "-m", "pip", "install", "--quiet", f"{package}=={version}")
    return Peer(version, str(found), {})


def pm2() -> Peer:
    """Return pm2, for the node that is installed."""
    if shutil.which("npm") is None:
        raise Missing("npm is not installed")
    folder = _cache() / f"pm2-{PM2}"
    command = folder / "node_modules" / ".bin" / "pm2"
    if not command.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run("npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent", f"pm2@{PM2}")
    return Peer(f"{PM2} on node {_run('node', '--version').strip()}", str(command), {})


def s6() -> Peer:
    """Return s6-svscan, installed if need be and by root: it runs `/usr/bin/s6-supervise` and no other."""
    if shutil.which("s6-svscan") is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        _run("apt-get", "install", "--yes", "--no-install-recommends", "s6")
    installed = shutil.which("s6-svscan")
    if installed is None:
        raise Missing("its package is not installed, and it does not run from another folder")
    return Peer(_installed_version("s6"), installed, {})


def runit() -> Peer:
    """Return runsvdir: the installed one, else that of the distribution, unpacked beside the other peers."""
    return _from_debian("runit", "runsvdir")


def monit() -> Peer:
    """Return monit, from where runit is."""
    return _from_debian("monit", "monit")


def _from_debian(package: str, command: str) -> Peer:
    installed = shutil.which(command)
    if installed is not None:
        return Peer(_installed_version(package), installed, {})
    folder = _cache() / package
    found = folder / "usr" / "bin" / command
    if not found.exists():
        _unpack(package, folder)
    environment = {"PATH": f"{found.parent}{os.pathsep}{os.environ['PATH']}"}
    return Peer((folder / "version").read_text(), str(found), environment)


def _installed_version(package: str) -> str:
    """Return the version of an installed package, as far as the distribution knows."""
    try:
        return _run("dpkg-query", "-W", "-f", "${Version}", package)
    except Missing:
        return "installed"


def _unpack(package: str, folder: Path) -> None:
    """Get a package and unpack it, without what it depends on: these need no more than a system has."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Missing("it is not installed, and there is no apt to get it with")
    folder.mkdir(parents=True, exist_ok=True)
    _run("apt-get", "download", package, cwd=folder)
    (archive,) = folder.glob(f"{package}_*.deb")
    _run("dpkg-deb", "-x", str(archive), str(folder))
    (folder / "version").write_text(archive.name.split("_")[1].replace("%3a", ":"))


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
