"""A cgroup for each run, where this user may make one: what is born in it is known, and ended, as one.

A process can change its session, its parent and its environment, and none of that takes it or its children
out of its cgroup: this finds what `Trees` can't claim. Where no hierarchy of version 2 can be written to, as
for an ordinary user without systemd, nothing here does anything, and nothing here is told when it fails.

The run `0123456789ab:web:4` has the cgroup `procman-0123456789ab/web:4` below that of its manager: the next
manager knows it by that name, and nothing without such a name is touched. A manager that is a service of
systemd is in `procman-manager` below the cgroup that was delegated to it, and its runs are beside that.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property, partial

from procman.host.linux import procfs

if sys.platform != "win32":
    from procman.host.linux.procfs import Stat

assert sys.platform != "win32"

MARKER = re.compile(r"([\w.-]+):(\w[\w.-]*:\d+)", re.ASCII)  # one that can be made a name
LEAF = "procman-manager"  # of a manager to whom a cgroup was delegated
RUN = re.compile(r"/procman-[\w.-]+/\w[\w.-]*:\d+(/|$)", re.ASCII)  # in the path of a cgroup


class Cgroups:
    """The cgroups of the runs. Owned by the thread of the event loop.

    What changes them is done in another thread, one after the other: to move a process takes the kernel 5 to
    10 ms, as it waits until every processor has passed through the scheduler, and 0.07 only right after
    another move (Linux 6.18). Meanwhile it makes and removes no cgroup either. With nothing to do the thread
    ends, for `Trees` asks every thread of ours for its children.
    """

    def __init__(self, later: Callable[[Callable[[], None]], object] = lambda call: call()) -> None:
        """Begin; `later` calls back at the end of the present turn of the loop."""
        self._later = later
        self._folders: dict[str, str] = {}  # of runs, by marker
        self._entering: set[str] = set()  # runs that are not inside yet
        self._swept: set[str] = set()  # folders of projects that hold nothing of a dead manager's any more
        self._work: deque[Callable[[], None]] = deque()
        self._is_working = False
        self._changed = threading.Condition()  # guards whether it is
        self._path = procfs.cgroup(os.getpid())
        inside = RUN.search(self._path)
        if inside is not None:  # `up` was typed inside an app, but a manager belongs to no run
            self._path = self._path[: inside.start()] or "/"
            if self.base is not None:
                _move(self.base, os.getpid())
        self._path = self._path.removesuffix(f"/{LEAF}")

    @cached_property
    def base(self) -> str | None:
        """The folder of our own cgroup, if this user may make others below it and move processes there."""
        folder = self._folder(self._path)
        files = (f"{folder}/{name}" for name in ("", "cgroup.procs"))
        return folder if all(os.access(file, os.W_OK) for file in files) else None

    def enter(self, marker: str, pid: int) -> None:
        """Have a child that was just started, and what it has forked since, put into its run's cgroup."""
        name = _name(marker)
        if name is None or self.base is None:
            return
        folder = self._folders[marker] = f"{self.base}/{name}"
        project = os.path.dirname(folder)
        if project not in self._swept:
            self._swept.add(project)
            self._do(partial(_remove, *(f"{project}/{left}" for left in _runs_in(project))))
        self._entering.add(marker)
        self._do(partial(self._let_in, marker, folder, pid))

    def _let_in(self, marker: str, folder: str, pid: int) -> None:
        _gather(folder, pid)
        self._entering.discard(marker)

    def members(self, marker: str, found: Sequence[Stat]) -> list[Stat]:
        """Return the living processes in the run's cgroup, without those that were `found` already."""
        folder = self._find(marker, found)
        if folder is None:
            return []
        more = _pids(folder) - {stat.pid for stat in found} - {os.getpid()}
        stats = [stat for pid in sorted(more) if (stat := procfs.stat(pid)) is not None and stat.is_alive]
        still = _pids(folder) if stats else ()  # a number may have passed to a stranger before it was read
        return [stat for stat in stats if stat.pid in still]

    def markers(self, prefix: str) -> list[str]:
        """Return the markers, of those that begin with `prefix`, whose runs have a cgroup below our own."""
        project = prefix.partition(":")[0]
        names = [] if self.base is None else _runs_in(f"{self.base}/procman-{project}")
        return [marker for name in names if (marker := f"{project}:{name}").startswith(prefix)]

    def kill(self, marker: str) -> set[int]:
        """Kill all that is in the run's cgroup, and all that it forks meanwhile; return whom that reached.

        Nobody before Linux 5.14, and nobody if we would be among them. Nor is anybody before all of the run
        are inside: who came in just before the blow would be killed, and not be listed.
        """
        folder, own = self._folders.get(marker), self._folder(procfs.cgroup(os.getpid()))
        if folder is None or marker in self._entering or f"{own}/".startswith(f"{folder}/"):
            return set()
        pids = _pids(folder)
        return pids if _write(f"{folder}/cgroup.kill", 1) else set()

    def remove(self, marker: str) -> None:
        """Remove the cgroup of a run that is gone, and the project's if that was the last one."""
        folder = self._folders.pop(marker, None)
        if folder is not None:
            self._work.append(partial(_remove, folder, os.path.dirname(folder)))
            self._later(self._begin)  # of 100 that are gone at once, the first begins it for all

    def close(self) -> None:
        """Wait until what was asked for is done."""
        self._begin()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_working)

    def _do(self, work: Callable[[], None]) -> None:
        """Have it done after all that was asked for before."""
        self._work.append(work)
        self._begin()

    def _begin(self) -> None:
        """Do what was asked for in a thread: 0.05 ms, where `Thread.start` waits up to 0.8."""
        with self._changed, contextlib.suppress(RuntimeError):  # no thread to be had: the next one does it
            if self._work and not self._is_working:
                start_new_thread(self._do_all, ())
                self._is_working = True

    def _do_all(self) -> None:
        while True:
            with self._changed:
                if not self._work:
                    self._is_working = False
                    self._changed.notify_all()
                    return
                work = self._work.popleft()
            work()

    def _find(self, marker: str, witnesses: Sequence[Stat]) -> str | None:
        """Return the folder of the run's cgroup, known by a process of the run, or else by its name.

        The manager that made it may have been started in another terminal, and so in another place.
        """
        name = None if self.base is None or marker in self._folders else _name(marker)
        if name is not None:
            place = self._folder(procfs.cgroup(witnesses[0].pid)) if witnesses else None
            above, is_inside, _ = f"{place}/".partition(f"/{name}/")
            folder = f"{above if is_inside else self.base}/{name}"
            if os.path.isdir(folder):
                self._folders[marker] = folder
        return self._folders.get(marker)

    def _folder(self, path: str) -> str | None:
        """Return where the cgroup at `path` is to be seen, or None; `..` is outside of our namespace."""
        if self._mount is None or not path or "/.." in path:
            return None
        point, top = self._mount[0], self._mount[1].rstrip("/")
        return point + path[len(top) :].rstrip("/") if f"{path}/".startswith(f"{top}/") else None

    @cached_property
    def _mount(self) -> tuple[str, str] | None:
        return procfs.cgroup_mount()


def enter_leaf() -> None:
    """Move this process, to which the cgroup that it is in was delegated, into a leaf of that.

    A cgroup that gives controllers to those below it may hold no process itself ("no internal processes",
    cgroups(7)), so the one of the unit is left free: whoever wants may give controllers to the runs in it.
    systemd does this too (`DelegateSubgroup=`), from version 254 on; this way it is the same everywhere.
    """
    base = Cgroups().base
    if base is not None:
        _gather(f"{base}/{LEAF}", os.getpid())


def _name(marker: str) -> str | None:
    fit = MARKER.fullmatch(marker)
    return None if fit is None else f"procman-{fit[1]}/{fit[2]}"


def _gather(folder: str, leader: int) -> None:
    """Make the cgroup; move the process, and what it has forked so far. What it forks later is born inside.

    By number alone: the kernel gives them out in a circle, so none comes back within some milliseconds.
    """
    with contextlib.suppress(OSError):
        os.makedirs(folder, exist_ok=True)
    outside = [leader]
    while outside:
        pid = outside.pop()
        if _move(folder, pid):
            outside += set(procfs.children(pid)) - _pids(folder)


def _pids(folder: str) -> set[int]:
    try:
        listed = {int(pid) for pid in procfs.read(f"{folder}/cgroup.procs").split()}
    except OSError:
        return set()
    return listed - {0}  # one that is not in our namespace


def _move(folder: str, pid: int) -> bool:
    return _write(f"{folder}/cgroup.procs", pid)


def _write(path: str, number: int) -> bool:
    try:
        descriptor = os.open(path, os.O_WRONLY)
        try:
            return os.write(descriptor, b"%d" % number) > 0
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _runs_in(project: str) -> list[str]:
    try:
        return [name for name in os.listdir(project) if ":" in name]
    except OSError:
        return []


def _remove(*folders: str) -> None:
    """Remove the cgroups; the kernel keeps one that has anything in it."""
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
