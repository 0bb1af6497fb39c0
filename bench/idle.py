"""What a manager costs that has nothing to do: wakeups, CPU and memory.

A wakeup is a voluntary context switch of any of its threads: each is the end of a sleep. Every listener
that any program of the machine closes wakes a manager too; those are counted here as well, and taken off.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from bench.project import Project
from bench.report import Goal, Report
from bench.stamps import Program
from procman.host.ports import ClosedNotices

WINDOW = 60.0  # s: two looks at the file are due in 20 s, so a shorter one is luck
SETTLE = 2.0  # s after the last app is up


def measure(report: Report, program: Program) -> None:
    """Print the figures, for managers of 1 and of 100 apps that listen, observed at the same time."""
    with Project(program, 1, ports=True) as single, Project(program, 100, ports=True) as crowd:
        managers = {}
        for name, project in {"1 app": single, "100 apps": crowd}.items():
            project.begin()
            project.up()
            managers[name] = project.manager()
        time.sleep(SETTLE)
        before = {name: _observe(pid) for name, pid in managers.items()}
        closed = asyncio.run(_closed_within(WINDOW))
        after = {name: _observe(pid) for name, pid in managers.items()}
        memory = {name: _pss(pid) for name, pid in managers.items()}
    report.title(f"idle: a manager with no check due, over {WINDOW:g} s")
    for name in managers:
        wakeups, cpu = (b - a for a, b in zip(before[name], after[name], strict=True))
        report.figure(f"wakeups a minute, {name}", [wakeups * 60 / WINDOW], "")
        quiet = (wakeups - closed) * 60 / WINDOW
        report.figure("  less those by listeners that others closed", [quiet], "", goal=Goal(6))
        report.figure(f"CPU a minute, {name}", [cpu * 60 / WINDOW], "ms")
    for name, size in memory.items():
        report.figure(f"memory (PSS), {name}", [size], "MB")


def _observe(pid: int) -> tuple[float, float]:
    """Return the voluntary context switches and the ms of CPU of a process so far, all threads together."""
    switches, cpu = 0, 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for line in (thread / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                switches += int(line.split()[1])
        cpu += int((thread / "schedstat").read_text().split()[0])
    return switches, cpu / 1e6


async def _closed_within(seconds: float) -> int:
    """Return how often the kernel's news of closed listeners wake whoever asks for them."""
    loop, wakeups, awake = asyncio.get_running_loop(), 0, False

    def hear(_port: int) -> None:
        nonlocal wakeups, awake
        if not awake:  # several ports may come at once
            wakeups, awake = wakeups + 1, True
            loop.call_soon(fall_asleep)

    def fall_asleep() -> None:
        nonlocal awake
        awake = False

    try:
        notices = ClosedNotices(loop)
    except OSError:  # the manager is not told either
        notices = None
    if notices is not None:
        notices.watch(hear)
    await asyncio.sleep(seconds)
    if notices is not None:
        notices.close()
    return wakeups


def _pss(pid: int) -> float:
    """Return the MB of memory of a process, its share of what it shares with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"the kernel does not tell the PSS of {pid}")
