"""Files by the calls of Windows: shared, locked, sparse. Never run on Windows; checked by mypy alone.

Python opens a file so that nobody can delete or rename it meanwhile. Logs are deleted under their readers,
and a run's output under its app.
"""

from __future__ import annotations

import ctypes
import errno
import msvcrt
import os
import stat
import sys
from ctypes import wintypes

assert sys.platform == "win32"

GENERIC_READ, GENERIC_WRITE, FILE_APPEND_DATA, SYNCHRONIZE = 0x80000000, 0x40000000, 0x4, 0x100000
FILE_SHARE_ALL = 0x7  # read, write, delete
CREATE_NEW, OPEN_EXISTING, OPEN_ALWAYS = 1, 3, 4
FILE_ATTRIBUTE_NORMAL = 0x80
FILE_FLAG_OPEN_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS = 0x00200000, 0x02000000
LOCKFILE_FAIL_IMMEDIATELY, LOCKFILE_EXCLUSIVE_LOCK = 0x1, 0x2
ERROR_LOCK_VIOLATION = 33
FSCTL_SET_SPARSE, FSCTL_SET_ZERO_DATA = 0x000900C4, 0x000980C8
INVALID_HANDLE = ctypes.c_void_p(-1).value
LOCKED_AT = 1 << 62  # a lock keeps others from reading what it covers: this byte is never there


class Overlapped(ctypes.Structure):
    """OVERLAPPED of minwinbase.h."""

    _fields_ = (
        ("Internal", ctypes.c_size_t),
        ("InternalHigh", ctypes.c_size_t),
        ("Offset", wintypes.DWORD),
        ("OffsetHigh", wintypes.DWORD),
        ("hEvent", wintypes.HANDLE),
    )


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_CreateFile = _kernel.CreateFileW
_CreateFile.argtypes = (
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
)
_CreateFile.restype = wintypes.HANDLE
_LockFileEx = _kernel.LockFileEx
_LockFileEx.argtypes = (
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.POINTER(Overlapped),
)
_LockFileEx.restype = wintypes.BOOL
_UnlockFileEx = _kernel.UnlockFileEx
_UnlockFileEx.argtypes = (
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.DWORD,
    ctypes.POINTER(Overlapped),
)
_UnlockFileEx.restype = wintypes.BOOL
_DeviceIoControl = _kernel.DeviceIoControl
_DeviceIoControl.argtypes = (
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
    wintypes.LPVOID,
)
_DeviceIoControl.restype = wintypes.BOOL


def open_shared(path: str, flags: int) -> int:
    """Return a descriptor of a file that others may write, rename and delete while it is open.

    With O_APPEND every write goes to the end of the file, whoever writes there too, and nothing can be read.

    Raises:
        FileNotFoundError: it is not there, or a link is in its place.
        OSError: another reason.
    """
    if flags & os.O_APPEND:
        access = FILE_APPEND_DATA | SYNCHRONIZE
    else:
        access = {os.O_RDONLY: GENERIC_READ, os.O_WRONLY: GENERIC_WRITE}.get(
            flags & (os.O_RDWR | os.O_WRONLY), GENERIC_READ | GENERIC_WRITE
        )
    how = OPEN_EXISTING
    if flags & os.O_CREAT:
        how = CREATE_NEW if flags & os.O_EXCL else OPEN_ALWAYS
    descriptor = _open(path, access, how, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, flags)
    if os.fstat(descriptor).st_file_attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "a link is in its place", path)
    return descriptor


def open_folder(path: str) -> int:
    """Return a descriptor of a folder."""
    return _open(path, GENERIC_READ, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, os.O_RDONLY)


def _open(path: str, access: int, how: int, attributes: int, flags: int) -> int:
    handle = _CreateFile(path, access, FILE_SHARE_ALL, None, how, attributes, None)
    if handle == INVALID_HANDLE:
        raise ctypes.WinError(ctypes.get_last_error())
    # No translation of line ends, and closed on exec: `open_osfhandle` makes no handle inheritable.
    return msvcrt.open_osfhandle(handle, (flags & (os.O_APPEND | os.O_RDWR | os.O_WRONLY)) | os.O_BINARY)


def lock(descriptor: int, *, shared: bool) -> bool:
    """Lock one byte far behind the end of a file; return False while somebody else keeps us from it."""
    how = LOCKFILE_FAIL_IMMEDIATELY | (0 if shared else LOCKFILE_EXCLUSIVE_LOCK)
    if _LockFileEx(msvcrt.get_osfhandle(descriptor), how, 0, 1, 0, ctypes.byref(_there())):
        return True
    if ctypes.get_last_error() == ERROR_LOCK_VIOLATION:
        return False
    raise ctypes.WinError(ctypes.get_last_error())


def unlock(descriptor: int) -> None:
    """Lock it no longer."""
    if not _UnlockFileEx(msvcrt.get_osfhandle(descriptor), 0, 1, 0, ctypes.byref(_there())):
        raise ctypes.WinError(ctypes.get_last_error())


def _there() -> Overlapped:
    return Overlapped(Offset=LOCKED_AT & 0xFFFFFFFF, OffsetHigh=LOCKED_AT >> 32)


def give_back(descriptor: int, start: int, end: int) -> None:
    """Let a file take no room on the disk for these bytes, which read as zeros from now on.

    Raises:
        OSError: the file system has no sparse files (FAT).
    """
    handle, got = msvcrt.get_osfhandle(descriptor), wintypes.DWORD()
    span = (ctypes.c_longlong * 2)(start, end)
    for code, data, size in (
        (FSCTL_SET_SPARSE, None, 0),
        (FSCTL_SET_ZERO_DATA, ctypes.byref(span), ctypes.sizeof(span)),
    ):
        if not _DeviceIoControl(handle, code, data, size, None, 0, ctypes.byref(got), None):
            raise ctypes.WinError(ctypes.get_last_error())
