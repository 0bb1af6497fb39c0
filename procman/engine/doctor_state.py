"""What `procman doctor` checks of the state folder: that it can be used, and whether a manager died in it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from procman.core.config import Config
from procman.engine.findings import Finding, fail, ok, warn
from procman.host.claim import holder_of
from procman.host.files import user
from procman.host.outputs import fifo

LEAST_SPACE = 50_000_000  # bytes: with less, an app that builds something fills the disk in a moment
ELSEWHERE = "`PROCMAN_HOME=/another/folder` keeps the state there"


def check_state(home: Path, config: Config | None) -> Iterator[Finding]:
    """Yield what is found about the folder.

    Args:
        home: the state folder.
        config: the file, if it is valid: how much its logs may take.
    """
    if not home.exists():
        parent = next(each for each in home.parents if each.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield ok("state folder", f"`{home}` is made by the first `procman up`")
            yield _space(parent, config)
        else:
            yield fail("state folder", f"`{home}` can't be made: `{parent}` is not writable", ELSEWHERE)
        return
    use = _use(home)
    yield use if use is not None else ok("state folder", f"`{home}` is writable, and holds named pipes")
    yield from _privacy(home)
    yield _space(home, config)


def _use(home: Path) -> Finding | None:
    """Return what keeps a manager from using the folder, or None."""
    fifos = fifo.RunFifos.of(home, f".doctor-{os.getpid()}", 0)
    try:
        fifos.create()
    except NotADirectoryError:
        return fail("state folder", f"`{home}` is not a folder", f"remove it, or: {ELSEWHERE}")
    except OSError as error:
        reason = error.strerror or error
        return fail("state folder", f"no named pipe can be made in `{home}`: {reason}", ELSEWHERE)
    fifos.remove()
    return None


def _privacy(home: Path) -> Iterator[Finding]:
    status = home.stat()
    if user() not in (None, status.st_uid):
        whose = "the owner of the folder, not you, can talk to its manager"
        yield warn("permissions", f"`{home}` belongs to another user: {whose}", ELSEWHERE)
    elif stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield warn("permissions", f"`{home}` has mode {mode}, expected 0700", f"`chmod 700 {home}`")
    else:
        yield ok("permissions", "only its owner can open the state folder")


def _space(folder: Path, config: Config | None) -> Finding:
    free = shutil.disk_usage(folder).free
    apps = config.enabled_apps().values() if config is not None else ()
    wanted = sum(app.logs.max_size * (app.logs.keep + 1) for app in apps)
    text = f"{_megabytes(free)} are free"
    if free < LEAST_SPACE:
        return fail("disk", text, f"make room on the disk of `{folder}`")
    if free < wanted:
        hint = "lower `logs = { max_size, keep }`, or make room"
        return warn("disk", f"{text}, and the logs may take {_megabytes(wanted)}", hint)
    return ok("disk", f"{text}; the logs take {_megabytes(wanted)} at most")


def check_silent(home: Path, socket: Path, silence: str | None) -> Finding:
    """Return what became of a manager that does not answer.

    Args:
        home: the state folder.
        socket: where it would answer.
        silence: why it did not, if it is there.
    """
    holder = holder_of(str(home))
    if holder is not None:
        who = f"pid {holder}" if holder else "a manager"
        text = f"{who} holds the state folder and does not answer{f': {silence}' if silence else ''}"
        hint = f"`{home / 'manager.log'}` says what it does"
        if holder:
            hint += f"; `kill -9 {holder}` leaves its apps running"
        return fail("manager", text, hint)
    if silence is not None:
        return fail("manager", silence)
    if socket.exists():
        text = "one has died here: its socket is stale, and the next one replaces it"
        return warn("manager", text, "`procman up` goes on where it stopped")
    return ok("manager", "none runs; `procman up` starts it")


def _megabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1_000_000_000 else f"{count // 1_000_000} MB"
