"""Where this procman is installed, and by which path it will still be found after its next upgrade."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def passing(prefix: str) -> str | None:
    """Return what kind of folder it is if a cleaner may empty it, as it does for `uvx` and `pipx run`."""
    path = Path(os.path.realpath(prefix))
    if ".cache" in path.parts:
        return "a cache"
    return "a temporary folder" if path.is_relative_to(os.path.realpath(tempfile.gettempdir())) else None


def beside(executable: str = sys.executable) -> str:
    """Return where the installation that runs here has its script."""
    return os.path.join(os.path.dirname(executable), "procman")


def stable_path(
    environment: Mapping[str, str], script: str | None = None, before: Sequence[str] = ()
) -> str | None:
    """Return the path that stays when procman is upgraded, or None if there is no script.

    pipx, uv and a careful administrator put a link to the script onto PATH. The link stays where it is; what
    it leads to moves, when pipx changes its place for environments, or one is made anew for another Python.
    So a link to our script is taken, on PATH or in a usual place, and the script itself only without one.

    Args:
        environment: with `PATH` and `HOME`.
        script: of this installation; tests have another.
        before: paths that were taken before, and are kept if they still lead to it.
    """
    ours = beside() if script is None else script
    if not os.access(ours, os.X_OK):
        return None
    for path in before:
        if _leads_to(path, ours):
            return path
    home = environment.get("HOME", "")
    folders = [*environment.get("PATH", "").split(os.pathsep), f"{home}/.local/bin", "/usr/local/bin"]
    for folder in folders:
        link = os.path.join(folder, "procman")
        if os.path.isabs(folder) and os.path.islink(link) and _leads_to(link, ours):
            return link
    return ours


def _leads_to(link: str, script: str) -> bool:
    try:
        return os.path.samefile(link, script)
    except OSError:
        return False
