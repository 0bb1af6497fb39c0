"""What a line of `/proc/PID/stat` says about a process that is ending."""

from __future__ import annotations

import sys

import pytest

if sys.platform == "linux":
    from procman.host.linux.procfs import EXITING, Stat
else:
    pytest.skip("Linux's own", allow_module_level=True)


@pytest.mark.parametrize(
    ("state", "flags", "threads", "expected"),
    [
        ("R", 0, 11, False),
        ("Z", EXITING, 11, True),  # pthread_exit(3), or a kill: the others are still there
        ("R", EXITING, 11, True),  # it waits for a processor on its way to become a zombie
        ("Z", EXITING, 1, False),  # nobody is left
        ("R", EXITING, 1, False),
    ],
)
def test_who_has_lost_its_main_thread_and_goes_on(
    state: str, flags: int, threads: int, expected: bool
) -> None:
    stat = Stat(7, "node", state, 1, 7, flags, threads, started=100, cpu=0, pages=0)
    assert stat.goes_on_headless is expected
