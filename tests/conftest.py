"""What holds for every test: reproducible properties, and nothing left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.fakes.snapshots")  # so that it shows the difference

# No deadlines per example: a machine that is busy for a moment is no finding.
BUSY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **BUSY)
# The same examples in every run, so that a red run is about the change and can be repeated anywhere.
settings.register_profile("ci", max_examples=200, derandomize=True, print_blob=True, **BUSY)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# A shell that starts `make test &` ignores it for all of them, and commands are ended by it in tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE_S = 1.0  # a thread that was told to end may need a moment to close what it holds


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which this process has a child or a file descriptor more than before it.

    Children that stay are ended here, so that one careless test does not spoil the next. Fixtures of wider
    scope are set up before this one, so what they hold does not count.
    """
    if request.node.get_closest_marker("may_leak"):
        yield
        return
    children_before, descriptors_before = _children(), _descriptors()
    yield
    deadline = time.monotonic() + PATIENCE_S
    while True:
        children = {pid: words for pid, words in _children().items() if pid not in children_before}
        descriptors = {key: what for key, what in _descriptors().items() if key not in descriptors_before}
        if not children and not descriptors:
            return
        if time.monotonic() > deadline:
            break
        gc.collect()  # what only a reference cycle keeps open is closed, with a ResourceWarning
        time.sleep(0.01)
    for pid in children:
        _end(pid)
    left = [f"process {pid}: {words}" for pid, words in children.items()]
    left += [f"file descriptor {number}: {what}" for (number, *_), what in descriptors.items()]
    pytest.fail("left behind: " + "; ".join(left), pytrace=False)


def _children() -> dict[int, str]:
    """Return the command line of every child of this process, by pid; zombies included. Linux only."""
    pids: list[str] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            pids += task.read_text().split()
    return {int(pid): _command_line(pid) for pid in pids}


def _command_line(pid: str) -> str:
    """Return a process's words, or that it has none any more."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return words.strip() or "ended, never waited for"
    return "gone"


def _descriptors() -> dict[tuple[int, int, int], str]:
    """Return what each open file descriptor refers to, by number, device and inode. Linux only.

    The inode is in the key because numbers are given out again, and paths change under an open file.
    """
    found = {}
    for number in map(int, os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ()):
        with contextlib.suppress(OSError):  # the listing's own, closed by now
            status = os.fstat(number)
            found[number, status.st_dev, status.st_ino] = os.readlink(f"/proc/self/fd/{number}")
    return found


def _end(pid: int) -> None:
    """End a child that no test has waited for; nobody can have its pid until it is waited for here."""
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
