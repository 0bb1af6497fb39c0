"""Where a project's manager is reached: its state folder, and the socket in it; on Windows a named pipe.

Every command needs this before anything else, so nothing but `os` and `socket` is imported.

Where others may write, as in `/tmp`, somebody else may have made the state folder, or have put a link or a
socket of their own in its place. What is not ours is neither written to nor talked to.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys

TYPE_CHECKING = False  # `typing` takes 8 ms: see `ask`
if TYPE_CHECKING:
    from collections.abc import Callable

SOCKET = "control.sock"
LOG = "manager.log"  # what the manager writes to its own stdout and stderr
UNLINKED = ("lock", "run", LOG)  # what must be no link, also not one of ours: all of it is written to
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
    """Make the state folder: for its owner only, ignored by git, and with nothing of anybody else in it.

    Raises:
        OSError: it can't be made, or somebody else has a hand in it.
    """
    os.makedirs(home, mode=0o700, exist_ok=True)
    _demand_own(home)
    mode = os.stat(home).st_mode
    if mode & 0o077:
        os.chmod(home, 0o700)
    _demand_own_content(home, deep=bool(mode & 0o022))
    try:
        with open(os.path.join(home, ".gitignore"), "x", encoding="utf-8") as file:  # it follows no link
            file.write("*\n")
    except FileExistsError:
        pass


def _demand_own(home: str) -> None:
    """Raise OSError unless the folder is ours, and the link that leads to it, if it is one."""
    if not hasattr(os, "geteuid"):
        return
    for status in (os.lstat(home), os.stat(home)):
        if status.st_uid != os.geteuid():
            who = _user(status.st_uid)
            raise PermissionError(errno.EPERM, f"it belongs to {who}, who could change what is kept in it")


def _demand_own_content(home: str, *, deep: bool) -> None:
    """Raise OSError for what somebody else has put into the folder, or a link in the place of a file.

    Args:
        home: the folder.
        deep: whether to look into the folders in it: others could write to it until now. 2 us for each entry.
    """
    if not hasattr(os, "geteuid"):
        return
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:  # a manager that runs here has just ended a run
                continue
            if status.st_uid not in (0, os.geteuid()):
                who = _user(status.st_uid)
                raise PermissionError(errno.EPERM, f"`{path}` in it belongs to {who}; remove it")
            if folder == home and name in UNLINKED and stat.S_ISLNK(status.st_mode):
                raise OSError(errno.ELOOP, f"`{path}` in it is a link; remove it")
        if not deep:
            return


def _user(number: int) -> str:
    if sys.platform != "win32":
        import pwd  # only somebody who is in the way is named

        try:
            return f"the user `{pwd.getpwuid(number).pw_name}`"
        except KeyError:
            pass
    return f"the user with the number {number}"


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
        OSError: nobody listens: no socket, no folder, or the socket of a manager that died. Or somebody else
            does, who would be told what is typed after `attach`.
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
        user = peer(connection)
        if user and os.geteuid() not in (0, user):
            raise PermissionError(errno.EPERM, f"{_user(user)} listens there, and no manager of yours")
    except BaseException:
        connection.close()
        raise
    return connection


def peer(connection: socket.socket) -> int | None:
    """Return the user at the other end, or None where the kernel does not tell.

    Where it does not, the modes of the folder (0700) and of the socket (0600) keep others out alone.
    """
    credentials = getattr(socket, "SO_PEERCRED", None)
    if credentials is None:
        return None
    told = connection.getsockopt(socket.SOL_SOCKET, credentials, 12)  # struct ucred: pid, uid, gid
    return int.from_bytes(told[4:8], sys.byteorder, signed=True)
