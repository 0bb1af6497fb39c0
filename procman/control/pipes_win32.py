"""Named pipes by the calls of Windows. Never run on Windows; checked by mypy alone."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from ctypes import wintypes

assert sys.platform == "win32"

PIPE_ACCESS_DUPLEX, FILE_FLAG_OVERLAPPED, FILE_FLAG_FIRST_PIPE_INSTANCE = 0x3, 0x40000000, 0x00080000
PIPE_BYTES_WAIT_LOCAL = 0x8  # byte type, byte mode, waiting; PIPE_REJECT_REMOTE_CLIENTS
PIPE_UNLIMITED_INSTANCES = 255
GENERIC_READ_WRITE, OPEN_EXISTING = 0xC0000000, 3
SECURITY_SQOS_PRESENT = 0x00100000  # with level 0, anonymous: a server can't act as its client
INVALID_HANDLE = ctypes.c_void_p(-1).value
INFINITE = 0xFFFFFFFF
ERROR_IO_PENDING, ERROR_PIPE_CONNECTED, ERROR_PIPE_BUSY, ERROR_NO_DATA = 997, 535, 231, 232
TOKEN_QUERY, TOKEN_USER = 0x8, 1
SDDL_REVISION = 1
BUFFER = 1 << 16  # bytes that the kernel keeps each way


class Overlapped(ctypes.Structure):
    """OVERLAPPED of minwinbase.h."""

    _fields_ = (
        ("Internal", ctypes.c_size_t),
        ("InternalHigh", ctypes.c_size_t),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    )


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES of wtypesbase.h."""

    _fields_ = (
        ("nLength", wintypes.DWORD),
        ("lpSecurityDescriptor", wintypes.LPVOID),
        ("bInheritHandle", wintypes.BOOL),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_security = ctypes.WinDLL("advapi32", use_last_error=True)
_HANDLE, _DWORD, _BOOL, _TEXT = wintypes.HANDLE, wintypes.DWORD, wintypes.BOOL, wintypes.LPCWSTR
_POINTER = wintypes.LPVOID
_SIGNATURES = (
    (_kernel, "CreateNamedPipeW", _HANDLE, (_TEXT, *[_DWORD] * 6, _POINTER)),
    (_kernel, "ConnectNamedPipe", _BOOL, (_HANDLE, _POINTER)),
    (_kernel, "CreateFileW", _HANDLE, (_TEXT, _DWORD, _DWORD, _POINTER, _DWORD, _DWORD, _HANDLE)),
    (_kernel, "ReadFile", _BOOL, (_HANDLE, _POINTER, _DWORD, _POINTER, _POINTER)),
    (_kernel, "WriteFile", _BOOL, (_HANDLE, _POINTER, _DWORD, _POINTER, _POINTER)),
    (_kernel, "CreateEventW", _HANDLE, (_POINTER, _BOOL, _BOOL, _TEXT)),
    (_kernel, "SetEvent", _BOOL, (_HANDLE,)),
    (_kernel, "WaitForMultipleObjects", _DWORD, (_DWORD, _POINTER, _BOOL, _DWORD)),
    (_kernel, "GetOverlappedResult", _BOOL, (_HANDLE, _POINTER, _POINTER, _BOOL)),
    (_kernel, "CancelIoEx", _BOOL, (_HANDLE, _POINTER)),
    (_kernel, "CloseHandle", _BOOL, (_HANDLE,)),
    (_kernel, "LocalFree", _HANDLE, (_POINTER,)),
    (_kernel, "GetCurrentProcess", _HANDLE, ()),
    (_security, "OpenProcessToken", _BOOL, (_HANDLE, _DWORD, _POINTER)),
    (_security, "GetTokenInformation", _BOOL, (_HANDLE, ctypes.c_int, _POINTER, _DWORD, _POINTER)),
    (_security, "ConvertSidToStringSidW", _BOOL, (_POINTER, _POINTER)),
    (
        _security,
        "ConvertStringSecurityDescriptorToSecurityDescriptorW",
        _BOOL,
        (_TEXT, _DWORD, _POINTER, _POINTER),
    ),
)
for _library, _name, _result, _arguments in _SIGNATURES:
    _function = getattr(_library, _name)
    _function.restype, _function.argtypes = _result, _arguments


class WindowsPipe:
    """One end of a pipe. Read in one thread, written in another, closed in any."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._closing = _event()
        self._lock = threading.Lock()  # over the two below
        self._users = 0  # calls that are under way
        self._closed = False

    def read(self, most: int) -> bytes:
        """Return what comes; nothing once either end is closed."""
        buffer = ctypes.create_string_buffer(most)
        try:
            count = self._do(_kernel.ReadFile, buffer, most)
        except OSError:
            return b""
        return buffer.raw[:count]

    def write(self, data: bytes) -> None:
        """Write all of it."""
        while data:
            data = data[self._do(_kernel.WriteFile, data, len(data)) :]

    def connect(self) -> bool:
        """Wait for a client; False once this end is closed."""
        try:
            self._do(lambda handle, _data, _size, _got, how: _kernel.ConnectNamedPipe(handle, how), None, 0)
        except OSError as error:
            return error.winerror == ERROR_PIPE_CONNECTED  # it came between the making and the wait
        return True

    def close(self) -> None:
        """End it; a call that waits returns."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            _kernel.SetEvent(self._closing)
            if self._users == 0:
                self._free()

    def _free(self) -> None:
        _kernel.CloseHandle(self._handle)
        _kernel.CloseHandle(self._closing)

    def _do(self, call: Callable[..., int], data: object, size: int) -> int:
        """Make a call that may wait, and return how many bytes it has moved; raises OSError."""
        with self._lock:
            if self._closed:
                raise ctypes.WinError(ERROR_NO_DATA)
            self._users += 1
        overlapped = Overlapped(hEvent=_event())
        try:
            if not call(self._handle, data, size, None, ctypes.byref(overlapped)):
                code = ctypes.get_last_error()
                if code != ERROR_IO_PENDING:
                    raise ctypes.WinError(code)
                both = (wintypes.HANDLE * 2)(overlapped.hEvent, self._closing)
                if _kernel.WaitForMultipleObjects(2, both, False, INFINITE) != 0:
                    _kernel.CancelIoEx(self._handle, ctypes.byref(overlapped))
            moved = wintypes.DWORD()
            # Waits for the end of a call that was cancelled too: until then the kernel may write into `data`.
            if not _kernel.GetOverlappedResult(
                self._handle, ctypes.byref(overlapped), ctypes.byref(moved), True
            ):
                raise ctypes.WinError(ctypes.get_last_error())
            return moved.value
        finally:
            _kernel.CloseHandle(overlapped.hEvent)
            with self._lock:
                self._users -= 1
                if self._closed and self._users == 0:
                    self._free()


class WindowsDoor:
    """A name at which clients of this user alone are let in."""

    def __init__(self, name: str) -> None:
        """Make the first pipe of that name.

        Raises:
            OSError: there is one already (somebody else's), or it can't be made.
        """
        self._name = name
        self._lock = threading.Lock()
        self._closed = False
        self._next = WindowsPipe(_make(name, first=True))

    def accept(self) -> WindowsPipe | None:
        """Wait for a client; None once this is closed, or where no further pipe can be made."""
        pipe = self._next
        if not pipe.connect():
            pipe.close()
            return None
        with self._lock:
            if not self._closed:
                self._next = WindowsPipe(_make(self._name, first=False))
        return pipe

    def close(self) -> None:
        """Let nobody in any more."""
        with self._lock:
            self._closed = True
            self._next.close()


def connect(name: str) -> WindowsPipe:
    """Return a connection.

    Raises:
        FileNotFoundError: there is no pipe of that name.
        BlockingIOError: nobody waits for a client at this moment.
        OSError: it is not for this user.
    """
    how = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT
    handle = _kernel.CreateFileW(name, GENERIC_READ_WRITE, 0, None, OPEN_EXISTING, how, None)
    if handle == INVALID_HANDLE:
        code = ctypes.get_last_error()
        if code == ERROR_PIPE_BUSY:
            raise BlockingIOError(code, "the pipe is busy", name)
        raise ctypes.WinError(code)
    return WindowsPipe(handle)


def _event() -> int:
    handle: int | None = _kernel.CreateEventW(None, True, False, None)
    if not handle:
        raise ctypes.WinError(ctypes.get_last_error())
    return handle


def _make(name: str, *, first: bool) -> int:
    """Return a new pipe, which only this user and the system may open, from this machine."""
    descriptor = wintypes.LPVOID()
    text = f"D:P(A;;GA;;;{_own_sid()})(A;;GA;;;SY)"
    convert = _security.ConvertStringSecurityDescriptorToSecurityDescriptorW
    if not convert(text, SDDL_REVISION, ctypes.byref(descriptor), None):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        attributes = SecurityAttributes(ctypes.sizeof(SecurityAttributes), descriptor, False)
        access = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | (FILE_FLAG_FIRST_PIPE_INSTANCE if first else 0)
        handle: int = _kernel.CreateNamedPipeW(
            name,
            access,
            PIPE_BYTES_WAIT_LOCAL,
            PIPE_UNLIMITED_INSTANCES,
            BUFFER,
            BUFFER,
            0,
            ctypes.byref(attributes),
        )
        if handle == INVALID_HANDLE:
            raise ctypes.WinError(ctypes.get_last_error())
        return handle
    finally:
        _kernel.LocalFree(descriptor)


def _own_sid() -> str:
    """Return who runs this process: `S-1-5-21-…`."""
    token = wintypes.HANDLE()
    if not _security.OpenProcessToken(_kernel.GetCurrentProcess(), TOKEN_QUERY, ctypes.byref(token)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        buffer, size = ctypes.create_string_buffer(256), wintypes.DWORD()
        if not _security.GetTokenInformation(token, TOKEN_USER, buffer, 256, ctypes.byref(size)):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        _kernel.CloseHandle(token)
    sid = ctypes.cast(buffer, ctypes.POINTER(wintypes.LPVOID))[0]  # TOKEN_USER begins with a pointer to it
    text = wintypes.LPWSTR()
    if not _security.ConvertSidToStringSidW(sid, ctypes.byref(text)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        return str(text.value)
    finally:
        _kernel.LocalFree(text)
