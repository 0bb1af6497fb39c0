"""What Linux and macOS have in common: making processes, signalling them, and learning how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from signal import Signals
from types import FrameType
from typing import Any, Protocol

from procman.core.identity import Identity, Member
from procman.host.base import (
    Answer,
    Cancellable,
    Ended,
    Operation,
    Order,
    ProbeOrder,
    Rights,
    Run,
    SpawnError,
    Stage,
)
from procman.host.posix import rights
from procman.host.probes import Resolver, make_probe
from procman.host.tree_watch import Arm, TreeWatch
from procman.host.watch import FileWatcher, Notice

assert sys.platform != "win32"

LOOK_FOR_END = 0.05  # s between looks at what the system can not call us for
TOO_MANY = "its user has as many processes as `ulimit -u` allows"
if sys.platform == "linux":
    TOO_MANY += ", or its cgroup as many as `pids.max` does (`TasksMax=` of a service)"


@dataclass(slots=True)
class Call:
    """A callback that can be called off."""

    callback: Callable[[], None] | None

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        self.callback = None

    def run(self) -> None:
        """Call back, unless called off."""
        if self.callback is not None:
            self.callback()


class Readers(Protocol):
    """What calls back for descriptors: the loop, or what stands in for it."""

    def add_reader(self, descriptor: int, callback: Callable[[], object], /) -> None:
        """Call `callback` whenever the descriptor can be read; raises `OSError`."""

    def remove_reader(self, descriptor: int, /) -> object:
        """Watch it no longer."""


@dataclass(slots=True)
class _Reading:
    """A descriptor that is watched for us; while the system has no room for that, we look ourselves."""

    loop: asyncio.AbstractEventLoop
    readers: Readers
    descriptor: int
    callback: Callable[[], None]
    _next: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self._begin()

    def cancel(self) -> None:
        """Watch it no longer; the descriptor may then be closed."""
        if self._next is not None:
            self._next.cancel()
        if self.descriptor >= 0:
            self.readers.remove_reader(self.descriptor)
            self.descriptor = -1

    def _begin(self) -> None:
        try:
            self.readers.add_reader(self.descriptor, self.callback)
            self._next = None
        except OSError:  # no memory, or /proc/sys/fs/epoll/max_user_watches is reached
            self._next = self.loop.call_later(LOOK_FOR_END, self._look)

    def _look(self) -> None:
        self._begin()
        if self._next is not None:
            self.callback()


class _Child(subprocess.Popen[bytes]):
    """A process that does not live when it could not be made.

    `subprocess` forks, and then asks the child whether its exec has worked: without memory for the answer it
    raises as if there were no child, and that one would be the second copy of an app.
    """

    pid: int = 0  # until there is one

    def __init__(self, arguments: Sequence[str], **options: Any) -> None:  # noqa: ANN401 - its many options
        try:
            super().__init__(arguments, **options)
        except BaseException:
            if self.pid and self.returncode is None:
                kill_group(self.pid)
                self.wait()
            raise


def start(order: Order) -> int:
    """Start a process, the leader of a session of its own, and return its pid; to reap it is the caller's.

    `subprocess` and not `posix_spawn`, which can't change the folder; without `preexec_fn`, which limits, a
    priority and a terminal need, it uses vfork, so the manager's size costs nothing. The command is looked
    for on the PATH of the child's environment, and relative to its folder.

    Raises:
        SpawnError: nothing was started.
    """
    arguments = ("/bin/sh", "-c", *order.arguments) if order.shell else order.arguments
    preparation = rights.Preparation(order.rights, terminal=order.terminal)
    rights.hand_over(preparation.account, (order.stdin, order.stdout, order.stderr))
    try:
        process = _Child(
            arguments,
            cwd=order.cwd,
            env=order.environment,
            stdin=order.stdin,
            stdout=order.stdout,
            stderr=order.stderr,
            start_new_session=True,
            **preparation.arguments,
        )
    except OSError as error:
        raise _spawn_error(error, order, arguments[0]) from error
    except subprocess.SubprocessError as error:
        raise preparation.failure() from error
    except ValueError as error:  # a NUL byte in an argument, `=` in a variable's name
        unfit = OSError(errno.EINVAL, f"{os.strerror(errno.EINVAL)} ({error})")
        raise SpawnError(Stage.EXECUTE, unfit, arguments[0]) from error
    finally:
        preparation.close()
    process.returncode = 0  # else its finaliser warns, and the next Popen reaps our child behind our back
    return process.pid


def _spawn_error(error: OSError, order: Order, command: str) -> SpawnError:
    """Return the stage that `error` belongs to: the child names the file it failed on, a failed fork none."""
    if error.errno == errno.EPERM and order.rights != Rights():  # root without its powers
        return SpawnError(Stage.RIGHTS, error, order.rights.user or order.rights.group or "its rights")
    if error.filename == order.cwd:
        return SpawnError(Stage.CWD, error, order.cwd)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return SpawnError(Stage.PIPES, error, command)
    if error.errno == errno.EAGAIN:  # by fork, or by exec as another user
        return SpawnError(Stage.FORK, OSError(errno.EAGAIN, f"{error.strerror}; {TOO_MANY}"), command)
    if error.filename is None and error.errno == errno.ENOMEM:
        return SpawnError(Stage.FORK, error, command)
    return SpawnError(Stage.EXECUTE, error, command)


def ended(status: int) -> Ended:
    """Return the meaning of a wait status."""
    if os.WIFSIGNALED(status):
        return Ended(None, signal_name(os.WTERMSIG(status)))
    return Ended(os.WEXITSTATUS(status), None)


def signal_name(number: int) -> str:
    """Return the signal's name: `SIGTERM`, or `SIG37` for a real-time signal that Python has no name for."""
    try:
        return Signals(number).name
    except ValueError:
        return f"SIG{number}"


def kill_group(leader: int) -> None:
    """Kill what is left of the group of a child of ours that is not reaped yet, so the number is its own."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM when only zombies are left
        return


def undo_inherited_signals() -> None:
    """Make every child start with the default signals, whatever this process was started with.

    `nohup` leaves HUP ignored, `sh -c 'procman up &'` INT and QUIT, and a mask survives exec as well: a tree
    that never sees its stop signal would always be killed. A handler that does nothing is the same to us as
    ignoring, but exec resets it. (PIPE and XFSZ are ignored by Python, and restored by `subprocess`.)
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)


def local_zone(name: str) -> tzinfo:
    """Return the zone of this name, as in `TZ`; without one that of the machine.

    What has no table of changes, such as `CET-1CEST`, keeps the offset of now.
    """
    from zoneinfo import ZoneInfo  # only an app with a schedule pays for it

    path = name.removeprefix(":") or "/etc/localtime"
    try:
        if not path.startswith("/"):
            return ZoneInfo(path)
        with open(path, "rb") as file:
            return ZoneInfo.from_file(file, key=path)
    except (OSError, ValueError, KeyError):
        here = datetime.now().astimezone().tzinfo
        assert here is not None, "a time with a zone has one"
        return here


class PosixHost:
    """The part of `Host` that needs nothing but POSIX. Owned by the thread of the event loop, the main one.

    A child's end is learned from SIGCHLD here; a system that announces it better overrides `_watch_child`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, notice: Notice, notices: Arm | None = None) -> None:
        undo_inherited_signals()
        self._loop = loop
        self._readers: Readers = loop
        self._children: dict[int, Callable[[Ended], None]] = {}
        self._resolver = Resolver(loop.time)
        self._files = FileWatcher(loop, notice)
        self._notices = notices  # of changes in folders, where the system has some that we can read
        self._trees_watched: list[TreeWatch] = []
        self._sigchld: asyncio.Handle | None = None  # a look that is due
        signal.signal(signal.SIGCHLD, self._note_sigchld)  # see `host/interrupts.py`

    def close(self) -> None:
        """Let go of everything: no callback comes any more, and the processes live on."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self._sigchld is not None:
            self._sigchld.cancel()
        self._children.clear()
        self._files.close()
        for watch in self._trees_watched:
            watch.cancel()

    # clock

    def now(self) -> float:
        """Return monotonic seconds."""
        return self._loop.time()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def zone(self) -> tzinfo:
        """Return the zone of the clock on this machine's wall."""
        return local_zone(os.environ.get("TZ", ""))

    def suspended(self) -> float:
        """Return 0.0: nothing in POSIX tells."""
        return 0.0

    def chance(self) -> float:
        """Return a random number in [0, 1)."""
        return int.from_bytes(os.urandom(7), "big") / (1 << 56)  # `random` takes 0.1 MB

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, when `now()` has reached `when`."""
        return self._loop.call_at(when, callback)

    # processes

    def _start_child(self, order: Order, on_exit: Callable[[Ended], None]) -> int:
        """Start a process and return its pid; `on_exit` is called when it has ended and was reaped."""
        pid = start(order)
        self._children[pid] = on_exit
        self._watch_child(pid)
        return pid

    def _watch_child(self, pid: int) -> None:
        """See to it that the child's end is noticed: SIGCHLD tells already."""

    def _note_sigchld(self, _number: int, _frame: FrameType | None) -> None:
        self._look_for_ends()

    def _look_for_ends(self) -> None:
        """Look once for all that have ended in the meantime: 100 apps that stop are 100 signals."""
        if self._sigchld is None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._sigchld = self._loop.call_soon_threadsafe(self._after_sigchld)

    def _after_sigchld(self) -> None:
        """Reap all that has ended before any of it is told: so one look at what they left serves them all."""
        self._sigchld = None
        for tell in self._reap_all():
            try:
                tell()
            except Exception as mistake:  # told as asyncio does it: no other one loses its end by it
                told = {"message": "the end of a process was handled wrongly", "exception": mistake}
                self._loop.call_exception_handler(told)

    def _reap_all(self) -> list[Callable[[], None]]:
        """Reap all that has ended, and return what tells of it."""
        return [tell for pid in list(self._children) if (tell := self._reap(pid)) is not None]

    def _reap(self, pid: int) -> Callable[[], None] | None:
        """Reap our child if it has ended, and return what tells of it."""
        try:
            reaped, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # only if somebody else in this process reaps children
            reaped, status = pid, 0
        if reaped == 0:
            return None
        on_exit = self._children.pop(pid)
        self._forget_child(pid)
        return partial(on_exit, ended(status))

    def _forget_child(self, pid: int) -> None:
        """The child was reaped: its number may belong to anybody from now on."""

    def variables(self, user: str) -> dict[str, str]:
        """Return what the environment says of a user."""
        return rights.variables(user)

    def find(self, identity: Identity) -> Member | None:
        """Return the process if it still is the same one and alive."""
        raise NotImplementedError

    def signal(self, members: Collection[Member], name: str) -> tuple[Member, ...]:
        """Send the signal to each of `members` that is still the same process; return those it reached."""
        number = Signals[name]
        return tuple(member for member in members if self._signal(member, number))

    def _signal(self, member: Member, number: Signals) -> bool:
        """Signal a process by its number, which was its own an instant before."""
        found = self.find(member.identity)
        if found is None:
            return False
        try:
            os.kill(member.pid, number)
            if wants_continue(found.state, number):
                os.kill(member.pid, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def kill(self, run: Run) -> tuple[Member, ...]:
        """Kill the processes of the run that the system can end as one: there are none here."""
        return ()

    def is_ending(self, identity: Identity) -> bool:
        """Return whether the process has ended."""
        return self.find(identity) is None

    def debugger(self, members: Collection[Member], port: int | None) -> str | None:
        """Return None: nothing in POSIX tells."""
        return None

    def operations(self) -> tuple[Operation, ...]:
        """Return nothing: POSIX lists no processes."""
        return ()

    def when_one_ends(self, members: Sequence[Member], callback: Callable[[], None]) -> Cancellable:
        """Call `callback` once, as soon as any of `members` has ended: within `LOOK_FOR_END` here."""
        call = Call(callback)
        self._look_for_end(tuple(members), call)
        return call

    def _look_for_end(self, members: tuple[Member, ...], call: Call) -> None:
        if call.callback is None:
            return
        if any(self.find(member.identity) is None for member in members):
            self._loop.call_soon(call.run)
        else:
            self._loop.call_later(LOOK_FOR_END, self._look_for_end, members, call)

    # ports

    def connections(self, inodes: Collection[int]) -> Mapping[str, int] | None:
        """Return None: a look at all connections takes too long here."""
        return None

    # checks

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the numeric addresses to check for `host`."""
        return self._resolver.addresses(host)

    def probe(self, order: ProbeOrder, on_answer: Callable[[Answer], None]) -> Cancellable:
        """Make a check; `on_answer` is called once, at the latest when the check's timeout is over."""
        return make_probe(self._loop, order, on_answer, self._start_check)

    def _start_check(self, order: Order, on_exit: Callable[[Ended], None]) -> Callable[[], None]:
        """Start a check's command and return what kills it, whole group and all."""
        pid = self._start_child(order, on_exit)
        self._know_check(pid)

        def kill() -> None:
            if pid in self._children:
                kill_group(pid)

        return kill

    def _know_check(self, pid: int) -> None:
        """The child runs a check: it belongs to no run."""

    # output and files

    def when_readable(self, descriptor: int, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` whenever the descriptor can be read, until cancelled."""
        return _Reading(self._loop, self._readers, descriptor, callback)

    def watch_tree(
        self, folder: str, enters: Callable[[str], bool], callback: Callable[[str], None]
    ) -> Cancellable:
        """Call `callback` with the path of each file below `folder` that has changed."""
        watch = TreeWatch(self._loop, folder, enters, callback, self._notices)
        self._trees_watched = [*(each for each in self._trees_watched if not each.over), watch]
        return watch

    def watch_file(self, path: str, callback: Callable[[], None]) -> Cancellable:
        """Call `callback` soon after the file at `path` may have changed."""
        return self._files.watch(path, callback)


def wants_continue(state: str, number: Signals) -> bool:
    """Return whether a process in `state` must be continued to see the signal.

    TERM stays pending for a stopped process until it goes on; KILL does not wait for that.
    """
    return state == "T" and number not in (signal.SIGKILL, signal.SIGCONT, signal.SIGSTOP, signal.SIGTSTP)
