"""What the machine allows and how much of it is used: read for `procman doctor`, never for a decision."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PATIENCE = 10.0  # s for a program to say its version; `npm --version` takes 0.2 on an idle machine
INOTIFY = "/proc/sys/fs/inotify"
CGROUPS_UNUSED = "a daemon is told by its session and environment alone (this user may make no cgroup here)"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something of the kernel's that procman uses, and what it does where it can't."""

    name: str
    works: bool
    otherwise: str
    is_usual: bool = True  # to be without it is worth a warning


@dataclass(frozen=True, slots=True)
class Limit:
    """How much this user may have of something, and how much of that is used as far as can be read."""

    allowed: int
    used: int


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine, as far as it is told; None where a system has no such thing."""

    features: tuple[Feature, ...] = ()
    watches: Limit | None = None  # inotify
    instances: Limit | None = None  # inotify
    open_files: int | None = None  # that one process may have


def gather(folder: str) -> Facts:
    """Return the facts of the machine we run on; a host is at work in this process.

    Args:
        folder: on the file system that is to hold the logs.
    """
    if sys.platform == "win32":
        return Facts()
    import resource

    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if sys.platform == "linux":
        watches, instances = _inotify_limits()
        return Facts(_features(folder), watches, instances, open_files)
    return Facts(open_files=open_files)


def version_of(program: str, environment: Mapping[str, str], cwd: str) -> str | None:
    """Return what `program --version` says, started as an app's command would be, or None if it does not."""
    try:
        done = subprocess.run(
            [program, "--version"],
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.decode(errors="replace").split()
    return words[0] if done.returncode == 0 and words else None


if sys.platform == "linux":

    def _features(folder: str) -> tuple[Feature, ...]:
        from procman.host.linux import procfs
        from procman.host.linux.cgroups import Cgroups
        from procman.host.linux.ends import is_subreaper
        from procman.host.linux.ports import Diagnostics

        diagnostics = Diagnostics()
        works: tuple[tuple[str, Callable[[], bool], str], ...] = (
            ("pidfd", _has_pidfd, "ends are noticed by looks, each 50 ms"),
            (
                "child subreaper",
                is_subreaper,
                "processes whose parent has died are looked for in all of `/proc`",
            ),
            ("children lists", procfs.lists_children, "each look at an app's tree reads all of `/proc`"),
            ("sock_diag", diagnostics.works, "`/proc/net/tcp` is read: 9 ms a look instead of 0.3"),
            (
                "splice",
                lambda: _splices(folder),
                "output is copied through memory, and a SIGKILL of the manager may lose 64 KiB of it",
            ),
        )
        try:
            return (
                *(Feature(name, test(), otherwise) for name, test, otherwise in works),
                Feature("cgroups", Cgroups().base is not None, CGROUPS_UNUSED, is_usual=False),
            )
        finally:
            diagnostics.close()

    def _has_pidfd() -> bool:
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError:
            return False
        return True

    def _splices(folder: str) -> bool:
        """Return whether a pipe's bytes can be moved to a file in `folder` by the kernel alone."""
        read, write = os.pipe()
        try:
            os.write(write, b"\n")
            with tempfile.TemporaryFile(dir=folder) as file:
                return os.splice(read, file.fileno(), 1) == 1
        except OSError:
            return False
        finally:
            os.close(read)
            os.close(write)

    def _inotify_limits() -> tuple[Limit | None, Limit | None]:
        """Return the limits on watches and on instances, both for all processes of this user together."""
        allowed = []
        for name in ("max_user_watches", "max_user_instances"):
            with (
                contextlib.suppress(OSError, ValueError),
                open(f"{INOTIFY}/{name}", encoding="ascii") as file,
            ):
                allowed.append(int(file.read()))
        if len(allowed) != 2:
            return None, None
        watches, instances = _inotify_use()
        return Limit(allowed[0], watches), Limit(allowed[1], instances)

    def _inotify_use() -> tuple[int, int]:
        """Return how many watches and instances the readable processes of this user have."""
        from procman.host.linux import procfs

        watches = instances = 0
        for pid in procfs.pids():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
                    continue
                for name in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        if os.readlink(f"/proc/{pid}/fd/{name}") == "anon_inode:inotify":
                            instances += 1
                            watches += procfs.read(f"/proc/{pid}/fdinfo/{name}").count(b"inotify wd:")
        return watches, instances
