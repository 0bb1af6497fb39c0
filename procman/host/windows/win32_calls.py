"""The calls of `win32.py`, made. Never run on Windows; checked by mypy alone.

Thin on purpose: what is decided is in `host.py`. `_winapi` is what `subprocess` itself is made of. It
starts processes with an environment and a list of what they inherit, and nothing else in the library can
start one that waits to be let go.
"""

from __future__ import annotations

import _winapi
import contextlib
import ctypes
import msvcrt
import os
import subprocess
import sys
import winreg
from collections.abc import Callable, Iterator, Mapping
from ctypes import wintypes

from procman.host.listed.psutil_table import PsutilTable
from procman.host.listed.table import Row
from procman.host.windows.win32 import Birth, CallFailed, Handle, Seen

assert sys.platform == "win32"

CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT = 0x4, 0x400
SYNCHRONIZE, PROCESS_TERMINATE, PROCESS_QUERY_LIMITED_INFORMATION = 0x100000, 0x1, 0x1000
WT_EXECUTEONLYONCE = 0x8
JOB_OBJECT_QUERY, JOB_OBJECT_ALL_ACCESS = 0x4, 0x1F003F
JOB_BASIC_PROCESS_ID_LIST = 3
DUPLICATE_SAME_ACCESS = 0x2
TH32CS_SNAPPROCESS = 0x2
CTRL_BREAK_EVENT = 1
INVALID_PARAMETER, FILE_NOT_FOUND, ACCESS_DENIED, MORE_DATA = 87, 2, 5, 234
INFINITE = 0xFFFFFFFF
INVALID_HANDLE = ctypes.c_void_p(-1).value
EPOCH = 116_444_736_000_000_000  # 1970 in units of 100 ns since 1601
MOST_IN_CONSOLE = 4096  # processes
BOOT_KEY = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"


class Entry(ctypes.Structure):
    """PROCESSENTRY32W of tlhelp32.h."""

    _fields_ = (
        ("dwSize", wintypes.DWORD),
        ("cntUsage", wintypes.DWORD),
        ("th32ProcessID", wintypes.DWORD),
        ("th32DefaultHeapID", ctypes.c_size_t),
        ("th32ModuleID", wintypes.DWORD),
        ("cntThreads", wintypes.DWORD),
        ("th32ParentProcessID", wintypes.DWORD),
        ("pcPriClassBase", wintypes.LONG),
        ("dwFlags", wintypes.DWORD),
        ("szExeFile", wintypes.WCHAR * 260),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_precise = ctypes.WinDLL("api-ms-win-core-realtime-l1-1-1")  # Windows 10
_WAITED = ctypes.WINFUNCTYPE(None, wintypes.LPVOID, wintypes.BOOLEAN)
_HANDLE, _DWORD, _BOOL, _TEXT = wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR
_POINTER = wintypes.LPVOID
_SIGNATURES = (
    (_kernel, "OpenProcess", _HANDLE, (_DWORD, _BOOL, _DWORD)),
    (_kernel, "CloseHandle", _BOOL, (_HANDLE,)),
    (_kernel, "GetCurrentProcess", _HANDLE, ()),
    (_kernel, "GetProcessTimes", _BOOL, (_HANDLE, _POINTER, _POINTER, _POINTER, _POINTER)),
    (_kernel, "GetExitCodeProcess", _BOOL, (_HANDLE, _POINTER)),
    (_kernel, "WaitForSingleObject", _DWORD, (_HANDLE, _DWORD)),
    (_kernel, "TerminateProcess", _BOOL, (_HANDLE, _DWORD)),
    (_kernel, "ResumeThread", _DWORD, (_HANDLE,)),
    (
        _kernel,
        "RegisterWaitForSingleObject",
        _BOOL,
        (_POINTER, _HANDLE, _WAITED, _POINTER, _DWORD, _DWORD),
    ),
    (_kernel, "UnregisterWaitEx", _BOOL, (_HANDLE, _HANDLE)),
    (_kernel, "CreateJobObjectW", _HANDLE, (_POINTER, _TEXT)),
    (_kernel, "OpenJobObjectW", _HANDLE, (_DWORD, _BOOL, _TEXT)),
    (_kernel, "AssignProcessToJobObject", _BOOL, (_HANDLE, _HANDLE)),
    (_kernel, "TerminateJobObject", _BOOL, (_HANDLE, _DWORD)),
    (
        _kernel,
        "QueryInformationJobObject",
        _BOOL,
        (_HANDLE, ctypes.c_int, _POINTER, _DWORD, _POINTER),
    ),
    (
        _kernel,
        "DuplicateHandle",
        _BOOL,
        (_HANDLE, _HANDLE, _HANDLE, _POINTER, _DWORD, _BOOL, _DWORD),
    ),
    (_kernel, "AttachConsole", _BOOL, (_DWORD,)),
    (_kernel, "FreeConsole", _BOOL, ()),
    (_kernel, "GenerateConsoleCtrlEvent", _BOOL, (_DWORD, _DWORD)),
    (_kernel, "GetConsoleProcessList", _DWORD, (_POINTER, _DWORD)),
    (_kernel, "CreateToolhelp32Snapshot", _HANDLE, (_DWORD, _DWORD)),
    (_kernel, "Process32FirstW", _BOOL, (_HANDLE, _POINTER)),
    (_kernel, "Process32NextW", _BOOL, (_HANDLE, _POINTER)),
    (_kernel, "QueryUnbiasedInterruptTime", _BOOL, (_POINTER,)),
    (_precise, "QueryInterruptTime", None, (_POINTER,)),
)
for _library, _name, _result, _arguments in _SIGNATURES:
    _function = getattr(_library, _name)
    _function.restype, _function.argtypes = _result, _arguments


class _Wait:
    """A wait of the system's for the end of a process; its callback runs in a thread of the system's."""

    _all: set[_Wait] = set()  # noqa: RUF012 - of the class: ctypes' function must outlive every call of it

    def __init__(self, process: Handle, callback: Callable[[], None]) -> None:
        self._callback = _WAITED(lambda _context, _timed_out: callback())
        self._number = wintypes.HANDLE()
        _Wait._all.add(self)
        if not _kernel.RegisterWaitForSingleObject(
            ctypes.byref(self._number), process, self._callback, None, INFINITE, WT_EXECUTEONLYONCE
        ):
            _Wait._all.discard(self)
            raise _failed("RegisterWaitForSingleObject")

    def call_off(self) -> None:
        """End the wait, and return when no callback of it runs any more; it takes no lock of ours."""
        if self in _Wait._all:
            _kernel.UnregisterWaitEx(self._number, INVALID_HANDLE)
            _Wait._all.discard(self)


class Calls:
    """The kernel of this machine."""

    def is_file(self, path: str) -> bool:
        """Return whether there is a file."""
        return os.path.isfile(path)

    def create_process(
        self,
        program: str,
        command: str,
        environment: Mapping[str, str],
        folder: str,
        standard: tuple[int, int, int],
        job: Handle | None,
    ) -> Birth:
        """Start a process in a job, a console of its own and a group of its own."""
        with contextlib.ExitStack() as lent:
            handles = [self._inheritable(each, lent, writes=place > 0) for place, each in enumerate(standard)]
            startup = subprocess.STARTUPINFO(
                dwFlags=_winapi.STARTF_USESTDHANDLES,
                hStdInput=handles[0],
                hStdOutput=handles[1],
                hStdError=handles[2],
                lpAttributeList={"handle_list": list(dict.fromkeys(handles))},
            )
            flags = (
                CREATE_SUSPENDED
                | CREATE_UNICODE_ENVIRONMENT
                | _winapi.CREATE_NO_WINDOW
                | _winapi.CREATE_NEW_PROCESS_GROUP
            )
            try:
                process, thread, pid, _ = _winapi.CreateProcess(
                    program,
                    command,
                    None,
                    None,
                    True,
                    flags,
                    dict(environment),
                    folder,
                    startup,
                )
            except OSError as error:
                raise CallFailed(error.winerror or 0, "CreateProcess") from error
        try:
            if job is not None and not _kernel.AssignProcessToJobObject(job, process):
                raise _failed("AssignProcessToJobObject")
            started = self.started(Handle(process))
            if _kernel.ResumeThread(thread) == INFINITE:
                raise _failed("ResumeThread")
        except CallFailed:
            _kernel.TerminateProcess(process, 1)
            _kernel.CloseHandle(process)
            raise
        finally:
            _kernel.CloseHandle(thread)
        return Birth(pid, Handle(process), started)

    def _inheritable(self, descriptor: int, lent: contextlib.ExitStack, *, writes: bool) -> int:
        """Return a handle of a descriptor that a child may inherit, closed here once it has been born."""
        if descriptor < 0:
            descriptor = os.open(os.devnull, os.O_WRONLY if writes else os.O_RDONLY)
            lent.callback(os.close, descriptor)
        current = _winapi.GetCurrentProcess()
        handle = _winapi.DuplicateHandle(
            current, msvcrt.get_osfhandle(descriptor), current, 0, True, DUPLICATE_SAME_ACCESS
        )
        lent.callback(_winapi.CloseHandle, handle)
        return handle

    def open_process(self, pid: int) -> Handle | None:
        """Return a handle to wait for a process and to end it; None if there is none of that number."""
        wanted = SYNCHRONIZE | PROCESS_TERMINATE | PROCESS_QUERY_LIMITED_INFORMATION
        handle = _kernel.OpenProcess(wanted, False, pid)
        if handle:
            return Handle(handle)
        if ctypes.get_last_error() == INVALID_PARAMETER:
            return None
        raise _failed("OpenProcess")

    def started(self, process: Handle) -> int:
        """Return when a process was born, in microseconds since 1970."""
        return _times(process)[0]

    def exit_code(self, process: Handle) -> int | None:
        """Return the code that a process has ended with, or None while it lives: 259 is a code too."""
        if _kernel.WaitForSingleObject(process, 0) != 0:
            return None
        code = wintypes.DWORD()
        if not _kernel.GetExitCodeProcess(process, ctypes.byref(code)):
            raise _failed("GetExitCodeProcess")
        return code.value

    def terminate(self, process: Handle, code: int) -> None:
        """End a process now, with this exit code."""
        if not _kernel.TerminateProcess(process, code):
            raise _failed("TerminateProcess")

    def close(self, handle: Handle) -> None:
        """Give a handle back."""
        _kernel.CloseHandle(handle)

    def when_ended(self, process: Handle, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback`, in any thread, once the process has ended; return what calls it off."""
        return _Wait(process, callback).call_off

    def create_job(self, name: str) -> Handle:
        """Make a job that nothing ends but itself; without limits, it is no reason for anything to end."""
        handle = _kernel.CreateJobObjectW(None, name)
        if not handle:
            raise _failed("CreateJobObject")
        return Handle(handle)

    def open_job(self, name: str) -> Handle | None:
        """Return a job by its name."""
        handle = _kernel.OpenJobObjectW(JOB_OBJECT_ALL_ACCESS, False, name)
        if handle:
            return Handle(handle)
        if ctypes.get_last_error() == FILE_NOT_FOUND:
            return None
        raise _failed("OpenJobObject")

    def share_job(self, job: Handle, process: Handle) -> None:
        """Give a process of the job a handle that can do nothing but ask, which its children inherit."""
        self._give(job, process, JOB_OBJECT_QUERY, inherit=True)

    def lend(self, descriptor: int, process: Handle) -> None:
        """Give a process a handle of what one of our descriptors stands for."""
        self._give(Handle(msvcrt.get_osfhandle(descriptor)), process, 0, inherit=False)

    def _give(self, what: Handle, process: Handle, access: int, *, inherit: bool) -> None:
        options = 0 if access else DUPLICATE_SAME_ACCESS
        given = wintypes.HANDLE()  # its number there; nobody needs it
        current = _kernel.GetCurrentProcess()
        if not _kernel.DuplicateHandle(current, what, process, ctypes.byref(given), access, inherit, options):
            raise _failed("DuplicateHandle")

    def job_pids(self, job: Handle) -> list[int]:
        """Return the living processes of a job."""
        room = 64
        while True:

            class Pids(ctypes.Structure):
                """JOBOBJECT_BASIC_PROCESS_ID_LIST of winnt.h."""

                _fields_ = (
                    ("assigned", wintypes.DWORD),
                    ("listed", wintypes.DWORD),
                    ("pids", ctypes.c_size_t * room),
                )

            found = Pids()
            told = _kernel.QueryInformationJobObject(
                job, JOB_BASIC_PROCESS_ID_LIST, ctypes.byref(found), ctypes.sizeof(found), None
            )
            if told and found.listed >= found.assigned:
                return list(found.pids[: found.listed])
            if not told and ctypes.get_last_error() != MORE_DATA:
                raise _failed("QueryInformationJobObject")
            room = max(2 * room, found.assigned + 16)

    def terminate_job(self, job: Handle, code: int) -> None:
        """End all processes of a job at one blow."""
        if not _kernel.TerminateJobObject(job, code):
            raise _failed("TerminateJobObject")

    def interrupt(self, pid: int, group: int) -> list[int]:
        """Send Ctrl-Break to a group in the console of process `pid`; return all pids in that console.

        Only who is attached to a console can send it something, and a process has one at most: the manager
        has none, and takes that of the app for a moment. It is in another group, so it is not told to end.
        """
        _kernel.FreeConsole()
        if not _kernel.AttachConsole(pid):
            raise _failed("AttachConsole")
        try:
            pids = (wintypes.DWORD * MOST_IN_CONSOLE)()
            count = _kernel.GetConsoleProcessList(pids, MOST_IN_CONSOLE)
            if not _kernel.GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group):
                raise _failed("GenerateConsoleCtrlEvent")
            return [each for each in pids[: min(count, MOST_IN_CONSOLE)] if each != os.getpid()]
        finally:
            _kernel.FreeConsole()

    def processes(self, only: int | None = None) -> list[Seen]:
        """Return who lives, or the one of that number; nobody whose birth this user may not know."""
        return list(self._seen(only))

    def _seen(self, only: int | None) -> Iterator[Seen]:
        snapshot = _kernel.CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0)
        if snapshot == INVALID_HANDLE:
            raise _failed("CreateToolhelp32Snapshot")
        try:
            entry = Entry(dwSize=ctypes.sizeof(Entry))
            more = _kernel.Process32FirstW(snapshot, ctypes.byref(entry))
            while more:
                wanted = only in (None, entry.th32ProcessID)
                started = self._birth_of(entry.th32ProcessID) if wanted else None
                if started is not None:
                    name = entry.szExeFile.removesuffix(".exe")
                    yield Seen(entry.th32ProcessID, entry.th32ParentProcessID, started, name)
                more = _kernel.Process32NextW(snapshot, ctypes.byref(entry))
        finally:
            _kernel.CloseHandle(snapshot)

    def _birth_of(self, pid: int) -> int | None:
        """Return the birth of a process that lives; None of one that has ended and is still in the list."""
        handle = _kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return None
        try:
            started, ended = _times(Handle(handle))
        except CallFailed:
            return None
        finally:
            _kernel.CloseHandle(handle)
        return started if ended is None else None

    def asleep(self) -> float:
        """Return for how many seconds the machine was suspended since its boot."""
        awake, all_of_it = ctypes.c_ulonglong(), ctypes.c_ulonglong()
        _kernel.QueryUnbiasedInterruptTime(ctypes.byref(awake))
        _precise.QueryInterruptTime(ctypes.byref(all_of_it))
        # The two are asked one after the other: what differs by less than a tick is nothing.
        asleep = (all_of_it.value - awake.value) / 1e7
        return asleep if asleep > 0.1 else 0.0

    def boot(self) -> str:
        """Return the number of the boot, which Windows counts; nothing where it does not."""
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, BOOT_KEY) as key:
                return f"boot {winreg.QueryValueEx(key, 'BootId')[0]}"
        except OSError:
            return ""


class SnapshotTable(PsutilTable):
    """The list of processes by one snapshot: psutil makes one for each parent that it is asked for."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def rows(self) -> dict[int, Row]:
        """Return every living process by its pid."""
        return self._rows(None)

    def row(self, pid: int) -> Row | None:
        """Return one process, if it lives."""
        return self._rows(pid).get(pid)

    def _rows(self, only: int | None) -> dict[int, Row]:
        try:
            seen = self._calls.processes(only)
        except CallFailed:
            return {}
        return {each.pid: Row(each.pid, each.parent, 0, each.started, each.name[:15], "S") for each in seen}


def _times(process: Handle) -> tuple[int, int | None]:
    """Return when a process was born, in microseconds since 1970, and when it ended, if it has."""
    born, ended, kernel, user = (wintypes.FILETIME() for _ in range(4))
    every = (ctypes.byref(each) for each in (born, ended, kernel, user))
    if not _kernel.GetProcessTimes(process, *every):
        raise _failed("GetProcessTimes")
    over = ended.dwHighDateTime << 32 | ended.dwLowDateTime
    return _microseconds(born.dwHighDateTime << 32 | born.dwLowDateTime), _microseconds(
        over
    ) if over else None


def _microseconds(filetime: int) -> int:
    return (filetime - EPOCH) // 10


def _failed(call: str) -> CallFailed:
    return CallFailed(ctypes.get_last_error(), call)
