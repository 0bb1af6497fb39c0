"""What a manager costs that has nothing to do: wakeups, CPU and memory.

A wakeup is a voluntary context switch of any of its threads: each is the end of a sleep. Every listener
that any program of the machine closes wakes a manager too; those are counted here as well, and taken off.
"""

from __future__ import annotations

import asyncio
import time

from bench.footprint import activity, pss
from bench.project import Project
from bench.report import Goal, Report
from bench.stamps import Program
from procman.host.linux.ports import ClosedNotices

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
        before = {name: activity([pid]) for name, pid in managers.items()}
        closed = asyncio.run(closed_within(WINDOW))
        after = {name: activity([pid]) for name, pid in managers.items()}
        memory = {name: pss([pid]) for name, pid in managers.items()}
    report.title(f"idle: a manager with no check due, over {WINDOW:g} s")
    for name in managers:
        wakeups, cpu = (b - a for a, b in zip(before[name], after[name], strict=True))
        report.figure(f"wakeups a minute, {name}", [wakeups * 60 / WINDOW], "")
        quiet = (wakeups - closed) * 60 / WINDOW
        report.figure("  less those by listeners that others closed", [quiet], "", goal=Goal(6))
        report.figure(f"CPU a minute, {name}", [cpu * 60 / WINDOW], "ms")
    for name, size in memory.items():
        report.figure(f"memory (PSS), {name}", [size], "MB")


async def closed_within(seconds: float) -> int:
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
