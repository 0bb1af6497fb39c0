"""Where a project's manager is reached: its state folder, and the socket in it; on Windows a named pipe.

Every command needs this before anything else, so nothing but `os` and `socket` is imported.
"""

from __future__ import annotations

import os
import socket
import sys

TYPE_CHECKING = False  # `typing` takes 8 ms: see `ask`
if TYPE_CHECKING:
    from collections.abc import Callable

SOCKET = "control.sock"
LOG = "manager.log"  # what the manager writes to its own stdout and stderr
LONGEST_ADDRESS = 103  # bytes: `sun_path` holds 108 on Linux and 104 on macOS, a final NUL included


def home_of(file: str | os.PathLike[str]) -> str:
    """Return the folder that holds everything procman keeps for the project of `file`.

    It is `.procman` beside the file, or a folder of its own for each file under `PROCMAN_HOME`.
    """
    path = os.path.abspath(os.fspath(file))
    folder = os.path.dirname(path)
    base = os.environ.get("PROCMAN_HOME")
    if not base:
        return os.path.join(folder, ".procman")
    from hashlib import sha256

    digest = sha256(os.fsencode(path)).hexdigest()[:8]
    return os.path.join(os.path.abspath(base), f"{os.path.basename(folder) or 'root'}-{digest}")


def prepare_home(home: str) -> None:
    """Make the state folder: for its owner only, and ignored by git.

    Raises:
        OSError: it can't be made, or belongs to somebody else.
    """
    os.makedirs(home, mode=0o700, exist_ok=True)
    if os.stat(home).st_mode & 0o077:
        os.chmod(home, 0o700)
    ignore = os.path.join(home, ".gitignore")
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="utf-8") as file:
            file.write("*\n")


def with_address(home: str, use: Callable[[str], object]) -> None:
    """Call `use` with a path of the socket that is short enough for a socket address.

    The kernel takes 108 bytes, and projects lie deeper than that. Linux resolves an open folder's entry
    under `/proc/self/fd`; elsewhere a short stay in the folder makes the path relative.
    """
    path = os.path.join(home, SOCKET)
    if len(os.fsencode(path)) <= LONGEST_ADDRESS:
        use(path)
        return
    if sys.platform == "win32":
        raise AssertionError("a pipe has no path")
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if os.path.isdir("/proc/self/fd"):
            use(f"/proc/self/fd/{folder}/{SOCKET}")
        else:
            _from_inside(folder, use)
    finally:
        os.close(folder)


def _from_inside(folder: int, use: Callable[[str], object]) -> None:
    if sys.platform == "win32":
        raise AssertionError("a pipe has no path")
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fchdir(folder)
        use(SOCKET)
    finally:
        os.fchdir(before)
        os.close(before)


def listen(home: str) -> socket.socket:
    """Return the socket that clients connect to, open to its owner only.

    The caller holds the lock in `home`, so a socket that lies there is a dead manager's.
    """
    if sys.platform == "win32":
        raise AssertionError("a pipe is served, and not listened to")
    path = os.path.join(home, SOCKET)
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with_address(home, listener.bind)
        os.chmod(path, 0o600)  # until now the folder alone kept others out
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(home: str, timeout: float) -> socket.socket:
    """Return a connection to the manager of `home`.

    Raises:
        OSError: nobody listens: no socket, no folder, or the socket of a manager that died.
    """
    if sys.platform == "win32":
        from procman.control import pipes, pipes_win32

        bridged = pipes.bridge(pipes_win32.connect(pipes.name_of(home)))
        bridged.settimeout(timeout)
        return bridged
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        with_address(home, connection.connect)
    except BaseException:
        connection.close()
        raise
    return connection
