"""A simulated Windows: the kernel below `WindowsHost`, on the processes and the time of a `Machine`.

What differs from POSIX is here: an orphan keeps its parent's number, jobs hold what was started in them, a
job's name goes with its last handle, and a program is asked to end by Ctrl-Break in its console.
"""

from __future__ import annotations

import asyncio
import itertools
import ntpath
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from procman.core.verdict import Listener
from procman.host.base import Answer, Cancellable, Ended, ProbeOrder
from procman.host.listed.table import Row, Used, Withheld, inode_of
from procman.host.windows import win32
from procman.host.windows.host import WindowsHost
from procman.host.windows.win32 import Birth, CallFailed, Handle, Seen
from tests.fakes.host import PROCESS_SIZE, FakeHost
from tests.fakes.machine import BOOT, EPOCH, Machine, Process, Timer
from tests.fakes.programs import Program

BREAK = "SIGTERM"  # what Ctrl-Break is to a simulated program
FOLDER = "C:\\apps"  # where all programs are
BATCHES = frozenset({"npm"})


@dataclass(eq=False)
class Job:
    """A job object; `roots` were put into it, and all that they have started is in it too."""

    name: str
    roots: list[Process] = field(default_factory=list)
    handles: int = 0
    kept_by: list[Process] = field(default_factory=list)  # processes that have a handle of it


class Kernel:
    """What is one for all managers of a machine: its jobs, and who has started whom."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.jobs: list[Job] = []
        self.parents: dict[int, int] = {}
        self.codes: dict[Process, int] = {}
        machine.on_advance.append(self.look)

    def look(self) -> None:
        """Write down the parents of new processes, which stay what they are."""
        for process in self.machine.processes.values():
            self.parents.setdefault(process.identity.started, process.parent)

    def members(self, job: Job) -> list[Process]:
        """Return the living processes of a job: those that have a root's environment, the very one."""
        return [
            process
            for process in self.machine.processes.values()
            if any(process.environment is root.environment for root in job.roots)
        ]

    def find(self, name: str) -> Job | None:
        """Return a job by its name, while somebody has a handle of it."""
        for job in self.jobs:
            if job.name == name and (job.handles or any(each.end is None for each in job.kept_by)):
                return job
        return None

    def started(self, process: Process) -> int:
        """Return its birth as Windows states it; no two processes have the same one here."""
        return round((EPOCH + process.born) * 1e6) + process.identity.started


class FakeWin32:
    """The calls of one manager."""

    def __init__(self, kernel: Kernel, pid: int) -> None:
        self.kernel = kernel
        self.machine = kernel.machine
        self.pid = pid
        self.open: dict[Handle, Process | Job] = {}
        self._numbers = itertools.count(0x100, 4)

    def _handle(self, what: Process | Job) -> Handle:
        handle = Handle(next(self._numbers))
        self.open[handle] = what
        if isinstance(what, Job):
            what.handles += 1
        return handle

    def _process(self, handle: Handle) -> Process:
        process = self.open[handle]
        assert isinstance(process, Process), "the handle of a job is no process's"
        return process

    def _job(self, handle: Handle) -> Job:
        job = self.open[handle]
        assert isinstance(job, Job), "the handle of a process is no job's"
        return job

    def close(self, handle: Handle) -> None:
        what = self.open.pop(handle)  # twice is an error: the number may be another's by then
        if isinstance(what, Job):
            what.handles -= 1

    def is_file(self, path: str) -> bool:
        """A program is an .exe but for those that npm has installed, which are batch files."""
        folder, name = ntpath.split(path)
        stem, ending = ntpath.splitext(name)
        there = {*self.machine.programs, *(command.split()[0] for command in self.machine.programs)}
        return folder == FOLDER and stem in there and ending == (".cmd" if stem in BATCHES else ".exe")

    def create_process(
        self,
        program: str,
        command: str,
        environment: Mapping[str, str],
        folder: str,
        standard: tuple[int, int, int],
        job: Handle | None,
    ) -> Birth:
        if folder in self.machine.missing:
            raise CallFailed(win32.DIRECTORY, "CreateProcess")
        if not self.machine.files_left:
            raise CallFailed(win32.TOO_MANY_OPEN_FILES, "CreateProcess")
        spoken = _spoken(command)
        found = self.machine.programs.get(spoken)
        if found is None:
            raise CallFailed(win32.FILE_NOT_FOUND, "CreateProcess")
        if not isinstance(found, Program):
            before = sum(1 for _when, text in self.machine.starts if text == spoken)
            found = found[min(before, len(found) - 1)]
        self.machine.starts.append((self.machine.now, spoken))
        process = self.machine.start(
            found,
            spoken,
            parent=self.pid,
            cwd=folder,
            environment=dict(environment),
            outputs=tuple(each for each in standard[1:] if each >= 0),
        )
        self.kernel.look()
        if job is not None:
            self._job(job).roots.append(process)
        return Birth(process.pid, self._handle(process), self.kernel.started(process))

    def open_process(self, pid: int) -> Handle | None:
        process = self.machine.processes.get(pid)
        return None if process is None else self._handle(process)

    def started(self, process: Handle) -> int:
        return self.kernel.started(self._process(process))

    def exit_code(self, process: Handle) -> int | None:
        found = self._process(process)
        if found.end is None:
            return None
        if found in self.kernel.codes:
            return self.kernel.codes[found]
        if found.end.signal is not None:
            return win32.CONTROL_C_EXIT
        assert found.end.code is not None
        return found.end.code

    def terminate(self, process: Handle, code: int) -> None:
        self._end(self._process(process), code)

    def _end(self, process: Process, code: int) -> None:
        if process.end is not None:
            raise CallFailed(win32.ACCESS_DENIED, "TerminateProcess")

        def end() -> None:
            if process.end is None:
                self.kernel.codes[process] = code
                self.machine.end(process, Ended(code, None))

        self.machine.after(0.001, end)

    def when_ended(self, process: Handle, callback: Callable[[], None]) -> Callable[[], None]:
        found, once = self._process(process), Timer(callback)

        def tell(_end: Ended | None = None) -> None:
            if once.callback is not None:
                called, once.callback = once.callback, None
                called()

        if found.end is not None:
            self.machine.after(0.0, tell)
        found.when_ended.append(tell)
        return once.cancel

    def create_job(self, name: str) -> Handle:
        job = Job(name)
        self.kernel.jobs.append(job)
        return self._handle(job)

    def open_job(self, name: str) -> Handle | None:
        job = self.kernel.find(name)
        return None if job is None else self._handle(job)

    def share_job(self, job: Handle, process: Handle) -> None:
        self._job(job).kept_by.append(self._process(process))

    def lend(self, descriptor: int, process: Handle) -> None:
        found = self._process(process)
        found.outputs = (*found.outputs, os.dup(descriptor))  # closed when it ends

    def job_pids(self, job: Handle) -> list[int]:
        return [process.pid for process in self.kernel.members(self._job(job))]

    def terminate_job(self, job: Handle, code: int) -> None:
        for process in self.kernel.members(self._job(job)):
            self._end(process, code)

    def interrupt(self, pid: int, group: int) -> list[int]:
        """A console is a session's here, and a group too: who has left the one has left the other."""
        process = self.machine.processes.get(pid)
        if process is None:
            raise CallFailed(win32.ACCESS_DENIED, "AttachConsole")
        there = [each for each in self.machine.processes.values() if each.session == process.session]
        for each in there:
            if each.session == group:
                self.machine.signal(each, BREAK)
        return [each.pid for each in there]

    def processes(self, only: int | None = None) -> list[Seen]:
        self.kernel.look()
        return [
            Seen(each.pid, self.kernel.parents[each.identity.started], self.kernel.started(each), each.name)
            for each in self.machine.processes.values()
            if only in (None, each.pid)
        ]

    def asleep(self) -> float:
        return self.machine.suspended

    def boot(self) -> str:
        return BOOT


class FakeTable:
    """The list of processes of a simulated Windows."""

    def __init__(self, kernel: Kernel, calls: FakeWin32) -> None:
        self._kernel = kernel
        self._machine = kernel.machine
        self._calls = calls

    def rows(self) -> dict[int, Row]:
        return {
            seen.pid: Row(seen.pid, seen.parent, 0, seen.started, seen.name, "S")
            for seen in self._calls.processes()
        }

    def row(self, pid: int) -> Row | None:
        return self.rows().get(pid)

    def variable(self, pid: int, name: str) -> str | None:
        process = self._seen(pid)
        return None if process is None else process.environment.get(name)

    def _seen(self, pid: int) -> Process | None:
        if pid in self._machine.hidden and pid in self._machine.processes:
            raise Withheld(pid)
        return self._machine.processes.get(pid)

    def words(self, pid: int) -> tuple[str, ...]:
        process = self._machine.processes.get(pid)
        return () if process is None else tuple(process.command.split())

    def folder(self, pid: int) -> str | None:
        process = self._machine.processes.get(pid)
        return None if process is None else process.cwd

    def used(self, pid: int) -> Used | None:
        process = self._machine.processes.get(pid)
        if process is None:
            return None
        memory = PROCESS_SIZE + process.program.memory
        return Used(process.cpu(self._machine.now), memory, 1, 3)

    def listening(self, pid: int) -> tuple[Listener, ...]:
        self._seen(pid)
        return tuple(each for holder, each in self.all_listening() if holder == pid)

    def all_listening(self) -> tuple[tuple[int, Listener], ...]:
        found = []
        for socket in self._machine.sockets:
            pid, listener = socket.owner.pid, socket.listener
            inode = inode_of(pid, listener.address, listener.port)
            found.append((pid, Listener(listener.address, listener.port, inode, 0)))
        return tuple(found)


class FakeLoop:
    """As much of an event loop as `WindowsHost` needs, in the machine's time."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def time(self) -> float:
        """Return the time, which goes on while the machine sleeps."""
        return self._machine.now + self._machine.suspended

    def call_later(self, delay: float, callback: Callable[..., object], *arguments: Any) -> Timer:
        return self._machine.after(delay, partial(_call, callback, *arguments))

    def call_soon(self, callback: Callable[..., object], *arguments: Any) -> Timer:
        return self.call_later(0.0, callback, *arguments)

    call_soon_threadsafe = call_soon


class FakeWindows:
    """One manager of a simulated machine with Windows."""

    def __init__(self, kernel: Kernel, waiting: Callable[[int], int]) -> None:
        self.machine = kernel.machine
        self.pid = self.machine.start(Program(), "procman").pid
        self.calls = FakeWin32(kernel, self.pid)
        loop = cast(asyncio.AbstractEventLoop, FakeLoop(self.machine))
        self.host = _Host(loop, self.calls, FakeTable(kernel, self.calls), waiting)
        self.host.begin(self.machine)

    def die(self) -> None:
        """End the manager at once: all its handles are closed, and its processes live on."""
        self.host.close()
        for handle in tuple(self.calls.open):
            self.calls.close(handle)
        self.machine.end(self.machine.processes[self.pid], Ended(1, None))


class _Host(WindowsHost):
    """Its wall shows the machine's time; checks and watched files are the machine's, not the system's."""

    def begin(self, machine: Machine) -> None:
        self._machine = machine
        self._other = FakeHost(machine)

    def wall(self) -> float:
        return EPOCH + self._loop.time()

    def advance(self, seconds: float) -> None:
        self._machine.advance(seconds)

    def probe(self, order: ProbeOrder, on_answer: Callable[[Answer], None]) -> Cancellable:
        return self._other.probe(order, on_answer)

    def watch_file(self, path: str, callback: Callable[[], None]) -> Cancellable:
        return self._other.watch_file(path, callback)

    def watch_tree(
        self, folder: str, enters: Callable[[str], bool], callback: Callable[[str], None]
    ) -> Cancellable:
        return self._other.watch_tree(folder, enters, callback)

    def close(self) -> None:
        super().close()
        self._other.close()


def _call(callback: Callable[..., object], *arguments: Any) -> None:
    callback(*arguments)


def _spoken(command: str) -> str:
    """Return what the machine calls a command line: `npm run dev`, however it is wrapped."""
    _, wrapped, inner = command.partition(' /c "')
    text = inner.removesuffix('"') if wrapped else command
    program = re.match(r'"([^"]+)"|\S+', text)
    assert program is not None, "a command line begins with a program"
    stem = ntpath.splitext(ntpath.basename(program[1] or program[0]))[0]
    return stem + text[program.end() :]
