"""How soon a closed listener is noticed while its process lives, with a check every five minutes."""

from __future__ import annotations

import os
import signal

from bench.project import Follower, Project
from bench.report import Goal, Report
from bench.stamps import Program, ms

COUNT = 10  # apps; each closes its listener once


def measure(report: Report, program: Program) -> None:
    """Print the times to the notice, and with `failures = 1` to the replacement."""
    noticed: list[float] = []
    replaced: list[float] = []
    with (
        Project(program, COUNT, ports=True) as patient,
        Project(program, COUNT, ports=True, extra="check = { tcp = true, failures = 1 }\n") as strict,
    ):
        for project in (patient, strict):
            project.begin()
            project.up()
            project.stamps.take(COUNT)
        follower = Follower(patient)
        for name in patient.names:
            begin = _close(patient, name)
            noticed.append(ms(begin, follower.left(name, "running")))
            begin = _close(strict, name)
            replaced.append(ms(begin, strict.stamps.take(1)[0].at))
        follower.close()
    report.title('listener: closed while its process lives, `check_interval = "5m"`')
    report.figure("closed to noticed", noticed, "ms", goal=Goal(10))
    report.figure("closed to replaced, with `failures = 1`", replaced, "ms")


def _close(project: Project, name: str) -> int:
    """Have an app close its listener, and return when it did."""
    os.kill(project.pids()[name], signal.SIGUSR1)
    (stamp,) = project.stamps.take(1)
    assert stamp.what == "closed", "nothing else was asked of any app"
    return stamp.at
