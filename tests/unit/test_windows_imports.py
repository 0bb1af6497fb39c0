"""Every file that runs on Windows, imported as it would be there: without what only POSIX has."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "procman"

# What the standard library and what we depend on import is theirs to get right: it is imported before. From
# then on this is Windows, as far as a module can see at its import.
PRETEND = r"""
import asyncio, base64, concurrent.futures, ctypes, ctypes.wintypes, getpass, hashlib, importlib, json
import logging.handlers, multiprocessing, ntpath, os, pathlib, platform, select, shutil, signal, socket
import sqlite3, subprocess, sys, tempfile, tomllib, types, typing, zoneinfo
import click, click.shell_completion, colorlog, cronsim, psutil, tomlkit, tzlocal
import watchdog.events, watchdog.observers

LACKS = {
    os: "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchdir fchmod fork getegid geteuid getgid getpgid"
    " getsid getuid killpg mkfifo openpty pidfd_open posix_spawn pread pwrite set_blocking setsid splice"
    " statvfs sysconf umask waitid WNOHANG",
    signal: "SIGCHLD SIGHUP SIGKILL SIGQUIT SIGSTOP SIGCONT SIGTSTP SIGUSR1 SIGVTALRM SIGWINCH setitimer"
    " ITIMER_VIRTUAL pthread_sigmask",
    socket: "AF_UNIX SO_PEERCRED AF_NETLINK",
    select: "poll epoll",
}
for name in ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for module, names in LACKS.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
os.O_BINARY, signal.SIGBREAK = 0x8000, signal.SIGINT

class Function:
    pass
class Library:
    def __init__(self, name, use_last_error=False):
        self.name = name
    def __getattr__(self, name):
        self.__dict__[name] = Function()
        return self.__dict__[name]
ctypes.WinDLL, ctypes.WINFUNCTYPE = Library, ctypes.CFUNCTYPE
for name in ("_winapi", "msvcrt", "winreg"):
    sys.modules[name] = types.ModuleType(name)

class OfPywin32(types.ModuleType):
    def __getattr__(self, name):
        self.__dict__[name] = type(name, (Exception,), {})
        return self.__dict__[name]
for name in ("pywintypes", "servicemanager", "win32event", "win32service", "win32serviceutil"):
    sys.modules[name] = OfPywin32(name)
sys.platform = "win32"
"""

EVERYTHING = r"""
import pkgutil
import procman
for_others = {
    "procman.host." + name
    for name in (
        "linux.cgroups linux.debuggers linux.ends linux.host linux.inotify linux.open_files"
        " linux.place_notices linux.ports linux.procfs linux.readiness linux.systemd linux.trees linux.vitals"
        " listed.host macos.host macos.launchd posix.fifo posix.host posix.pty posix.rights"
    ).split()
}
names = [each.name for each in pkgutil.walk_packages(procman.__path__, "procman.")]
assert for_others <= set(names), for_others - set(names)
wanted = [name for name in names if name not in for_others and not name.endswith("__main__")]
for name in wanted:
    importlib.import_module(name)
assert not for_others & set(sys.modules), for_others & set(sys.modules)
print(len(wanted))
"""


def pretend(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRETEND + code], capture_output=True, text=True, timeout=60, check=False
    )


# Calls of an event loop that the one of Windows has not, which mypy does not know; and where they may be.
ONLY_BY_READINESS = frozenset(
    [
        "add_reader",
        "remove_reader",
        "add_writer",
        "remove_writer",
        "add_signal_handler",
        "remove_signal_handler",
        "create_unix_connection",
        "create_unix_server",
        "connect_read_pipe",
        "connect_write_pipe",
        "start_unix_server",
        "open_unix_connection",
    ]
)
BY_READINESS = {
    "host/exec_probe.py",  # gets another output on Windows
    "host/linux/cgroups.py",
    "host/linux/ends.py",
    "host/linux/inotify.py",
    "host/interrupts.py",  # behind a question for the platform
    "host/macos/kqueue.py",
    "host/linux/host.py",
    "host/linux/place_notices.py",
    "host/linux/ports.py",
    "host/linux/readiness.py",
    "host/posix/host.py",
    "host/probes.py",  # `windows/task_probes.py` is for Windows
}


def calls_by_readiness(source: str) -> set[str]:
    """Return which of these calls a module makes."""
    attributes = {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}
    return attributes & ONLY_BY_READINESS


def test_calls_that_the_loop_of_windows_lacks_are_in_files_for_others() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if calls_by_readiness(path.read_text(encoding="utf-8"))
    }
    assert found <= BY_READINESS
    assert calls_by_readiness("loop.add_reader(0, print)") == {"add_reader"}


@pytest.mark.slow
def test_nothing_but_what_is_for_others_needs_what_windows_lacks() -> None:
    done = pretend(EVERYTHING)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 150


@pytest.mark.parametrize(
    ("planted", "error"),
    [
        ("import fcntl", "ModuleNotFoundError"),
        ("import procman.host.posix.fifo", "ModuleNotFoundError"),
        ("os.O_NOFOLLOW", "AttributeError"),
        ("signal.SIGHUP", "AttributeError"),
    ],
)
def test_what_windows_lacks_is_missed(planted: str, error: str) -> None:
    done = pretend(planted)
    assert done.returncode == 1
    assert error in done.stderr
