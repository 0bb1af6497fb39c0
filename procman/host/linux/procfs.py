"""What `/proc` says about processes: read without a lock, so every answer may be about one that ends.

Raw descriptors and `bytes`: a look costs 6 us a file so, against 14 us through `open()` (measured with 3.11),
and a tree of node processes is some 60 files.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar

T = TypeVar("T")

assert sys.platform != "win32"

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
EXITING = 0x4  # PF_EXITING of linux/sched.h: its memory is gone, its descriptors go next
COMMAND_SHOWN = 80  # characters of a command line in a message
COMMAND_READ = 1024  # bytes of one, where its first words are enough
LONGEST_LINE = 4096  # bytes of `/proc/PID/stat`: 52 numbers and a name of 64 characters at most
# Errors that say something of what is looked at. Any other, EMFILE above all, is about us and says nothing.
TELLING = frozenset(
    {
        errno.ENOENT,
        errno.ESRCH,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EINVAL,
        errno.EOPNOTSUPP,
    }
)

_room: list[int] = []  # the descriptor that is kept for a look
_blind = 0


class Stat(NamedTuple):
    """One line of `/proc/PID/stat`, as far as anyone here asks for it."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    flags: int
    threads: int
    started: int  # ticks since boot
    cpu: int  # ticks, user and system
    pages: int  # in memory

    @property
    def is_alive(self) -> bool:
        """Whether any thread of it still runs: a process whose main thread has ended shows `Z` too."""
        return self.state not in "ZX" or self.threads > 1

    @property
    def goes_on_headless(self) -> bool:
        """Whether its main thread has ended, or is ending, while others run on or have not ended yet.

        A node that is killed is in between for as long as its main thread has no processor: it has let go of
        the descriptors and is no zombie yet, while the others still hold the listener (seen with Nest).
        """
        return self.threads > 1 and (self.state == "Z" or bool(self.flags & EXITING))

    @property
    def is_hidden(self) -> bool:
        """Whether `/proc` does not show it: see `hidden`."""
        return self.started < 0


def read(path: str) -> bytes:
    """Return the whole content of a file of `/proc`.

    A short read is not its end: of a list the kernel gives whole entries, so 4092 bytes of one that goes on.

    Raises:
        OSError: it is gone (`FileNotFoundError`, `ProcessLookupError`) or not ours to read.
    """
    return _with_room(partial(_read, path))


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        chunks = []
        while content := os.read(descriptor, 65536):
            chunks.append(content)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _read_line(path: str) -> bytes:
    """Return a file of one line, which the kernel gives at once."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, LONGEST_LINE)
    finally:
        os.close(descriptor)


def keep_room() -> None:
    """Keep a descriptor for looks at processes, until `give_back_room`.

    Else a manager without any could not look at what it is to end, and so would never have one again.
    """
    with contextlib.suppress(OSError):
        _room.append(os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))


def give_back_room() -> None:
    """Give back what `keep_room` has kept."""
    if _room:
        os.close(_room.pop())


def blind() -> int:
    """Return how many looks have failed so far without a word about what was looked at.

    What such a look does not show is not gone. Who proves an end compares the number before and after.
    """
    return _blind


def _with_room(look: Callable[[], T]) -> T:
    """Return what a look returns that needs a descriptor, with the one that is kept if there is no other."""
    try:
        return look()
    except OSError as error:
        if error.errno in TELLING:
            raise
    give_back_room()
    try:
        return look()
    except OSError as error:
        if error.errno not in TELLING:
            global _blind
            _blind += 1
        raise
    finally:
        if not _room:
            keep_room()


def _list(folder: str) -> list[str]:
    """Return the names in a folder of `/proc`; raises OSError as `read` does."""
    return _with_room(partial(os.listdir, folder))


def stat(pid: int) -> Stat | None:
    """Return what the kernel says about the process, or None if there is none."""
    try:
        line = _with_room(partial(_read_line, f"/proc/{pid}/stat"))
    except OSError:
        return None
    opening, closing = line.find(b"("), line.rfind(b")")  # the name may hold both
    if closing < 0:
        return None
    fields = line[closing + 2 :].split(None, 22)
    return Stat(
        pid=pid,
        name=os.fsdecode(line[opening + 1 : closing]),
        state=chr(fields[0][0]),
        parent=int(fields[1]),
        session=int(fields[3]),
        flags=int(fields[6]),
        threads=int(fields[17]),
        started=int(fields[19]),
        cpu=int(fields[11]) + int(fields[12]),
        pages=int(fields[21]),
    )


def hidden(pid: int, parent: int) -> Stat | None:
    """Return what can be told of a process that `/proc` does not show, or None if there is none.

    Mounted with `hidepid`, as on a hardened server or by systemd's `ProtectProc=`, it shows an ordinary user
    nothing of those that this user may not trace: another user's, sudo's, and its own that can't be dumped,
    as a node with a file capability that lets it bind port 80. Only its parent still lists it
    (fs/proc/base.c, has_pid_permissions).

    Args:
        pid: who is not shown.
        parent: who lists it as a child. It stands for the start time, which can't be read: the number is this
            process's for as long as that parent lists it, and for no longer.
    """
    if sys.platform != "linux":
        return None  # nor is there a pidfd
    try:
        session, pidfd = os.getsid(pid), _with_room(partial(os.pidfd_open, pid))
    except OSError:
        return None
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    state = "Z" if poll.poll(0) else "?"
    os.close(pidfd)
    return Stat(pid, "[hidden]", state, parent, session, flags=0, threads=1, started=-parent, cpu=0, pages=0)


def is_hidden(pid: int) -> bool:
    """Return whether there is such a process and `/proc` does not show it."""
    if os.path.exists(f"/proc/{pid}/task"):
        return False
    try:
        os.getsid(pid)
    except OSError:
        return False
    return True


def pids() -> Iterator[int]:
    """Yield the pid of every process that can be seen."""
    with contextlib.suppress(OSError):  # there is no room, and `blind` says so
        yield from (int(name) for name in _list("/proc") if name.isdecimal())


def children(pid: int, threads_known: int = 0) -> list[int]:
    """Return the pids of the process's children, zombies included.

    They are listed under the thread that forked them, so every thread is asked; with no more than one of
    them known a moment ago, that is the main one. The kernel says of the file that it may skip a child while
    another is reaped; only we reap ours, so for ourselves the list is exact.
    """
    found: list[int] = []
    try:
        threads = [str(pid)] if threads_known == 1 else _list(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            found.extend(map(int, read(f"/proc/{pid}/task/{thread}/children").split()))
        except OSError:
            continue  # this thread ended
    return found


def lists_children() -> bool:
    """Return whether the kernel has `/proc/PID/task/TID/children` (CONFIG_PROC_CHILDREN)."""
    return os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")


def variable(pid: int, name: str) -> str | None:
    """Return the value of an environment variable as it was at the process's last exec.

    Returns:
        None where it is not set, and also where the environment can't be read or reads empty: it does as soon
        as the process is exiting, some ms before it is a zombie.
    """
    wanted = os.fsencode(name) + b"="
    for entry in _environment(pid).split(b"\0"):
        if entry.startswith(wanted):
            return os.fsdecode(entry[len(wanted) :])
    return None


def _environment(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return read(f"/proc/{pid}/environ")
    for thread in _threads_left(pid):
        with contextlib.suppress(OSError):
            return read(f"{thread}/environ")
    return b""


def withholds_environment(pid: int) -> bool:
    """Return whether the process has an environment that is not ours to read."""
    try:
        read(f"/proc/{pid}/environ")
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def sockets(pid: int) -> list[int]:
    """Return the inodes of the sockets that the process holds, whichever of its threads is asked for them.

    Where its main thread has ended, by pthread_exit(3) or before the others of a process that is killed,
    `/proc/PID/fd` is empty and root's, as of a zombie. All threads share one table of descriptors, so each
    that lives shows all of them.

    Raises:
        PermissionError: another user's, or of one that can't be dumped. Root may list them and yet not follow
            them, where it lacks CAP_SYS_PTRACE, as in a container. Of an exiting process, too, unless we are
            root: `/proc/PID/fd` becomes root's when the memory is gone (fs/proc/base.c, task_dump_owner).
    """
    try:
        found = _sockets_in(f"/proc/{pid}/fd")
    except PermissionError:
        others = _threads_left(pid)
        if not others:
            raise
    else:
        others = [] if found else _threads_left(pid)
    for thread in others:
        if found := _sockets_in(f"{thread}/fd"):
            break
    return found


def _threads_left(pid: int) -> list[str]:
    """Return the folders of the threads that are left where the main one of the process is not; else none.

    Under its pid such a process shows what a zombie does, under each of its threads what it has.
    """
    found = stat(pid)
    if found is None or not found.goes_on_headless:
        return []
    try:
        threads = _list(f"/proc/{pid}/task")
    except OSError:
        return []
    return [f"/proc/{pid}/task/{thread}" for thread in threads if thread != str(pid)]


def _sockets_in(folder: str) -> list[int]:
    found: list[int] = []
    try:
        names = _list(folder)
    except PermissionError:
        raise
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except PermissionError:
            raise
        except OSError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            found.append(int(target[8:-1]))
    return found


def command_line(pid: int, name: str) -> str:
    """Return the process's command line for people, on one line, or `[name]` where it has none."""
    try:
        raw = read(f"/proc/{pid}/cmdline")
    except OSError:
        raw = b""
    text = " ".join(os.fsdecode(raw.replace(b"\0", b" ")).split()) or f"[{name}]"
    return text if len(text) <= COMMAND_SHOWN else text[: COMMAND_SHOWN - 1] + "…"


def arguments(pid: int) -> tuple[str, ...]:
    """Return the words of the process's command line; none where it has wiped them, or they can't be read."""
    try:
        return words(read(f"/proc/{pid}/cmdline"))
    except OSError:
        return ()


def command(pid: int) -> bytes:
    """Return the beginning of the process's command line, or nothing: in half of the time of `read`."""
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, COMMAND_READ)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def words(command: bytes) -> tuple[str, ...]:
    """Return the words of a command line."""
    return tuple(os.fsdecode(word) for word in command.split(b"\0") if word)


def tracer(pid: int) -> int:
    """Return the pid of who traces the process by ptrace(2), or 0: nobody, or nobody who can be seen."""
    try:
        status = read(f"/proc/{pid}/status")
    except OSError:
        return 0
    return int(status.partition(b"\nTracerPid:")[2].split(None, 1)[0])


def folder(pid: int) -> str | None:
    """Return the process's working directory, or None where it can't be told."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None


def cgroup(pid: int) -> str:
    """Return the path of the process's cgroup in the hierarchy of version 2, or "" where it is in none."""
    try:
        lines = os.fsdecode(read(f"/proc/{pid}/cgroup")).splitlines()
    except OSError:
        return ""
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def cgroup_mount() -> tuple[str, str] | None:
    """Return where that hierarchy is mounted, and the path of the cgroup seen there; None if it is not."""
    for line in os.fsdecode(read("/proc/self/mountinfo")).splitlines():
        mount, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return mount.split()[4], mount.split()[3]
    return None


def boot_id() -> str:
    """Return what tells this boot from every other."""
    return read("/proc/sys/kernel/random/boot_id").decode().strip()
