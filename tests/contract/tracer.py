"""Stops a process as a debugger does: `python tracer.py PID`, until the end of its input.

Prints `stopped` once it has, or why it could not. As its own process, because only the tracer may wait for
the process it traces, and these tests have a host that reaps their children.
"""

from __future__ import annotations

import ctypes
import os
import sys

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000  # __WALL: for a process that is no child, too

library = ctypes.CDLL(None, use_errno=True)
library.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request: int, pid: int) -> None:
    """Make a request, or end with what is wrong with it."""
    if library.ptrace(request, pid, None, None) == -1:
        print(os.strerror(ctypes.get_errno()), flush=True)
        sys.exit(1)


pid = int(sys.argv[1])
ptrace(PTRACE_SEIZE, pid)
ptrace(PTRACE_INTERRUPT, pid)
os.waitpid(pid, WALL)
print("stopped", flush=True)
sys.stdin.read()
ptrace(PTRACE_DETACH, pid)
