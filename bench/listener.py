"""How soon a closed listener is noticed while its process lives, with a check every five minutes.

Run by root it is measured twice, as root and as an ordinary user: what the kernel tells whom is not the same.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.project import Follower, Project
from bench.report import Goal, Report
from bench.stamps import Program, ms

COUNT = 10  # apps; each closes its listener once
NOBODY = 65534  # a user without rights or files
REPOSITORY = Path(__file__).parents[1]

Samples = tuple[list[float], list[float]]


def measure(report: Report, program: Program) -> None:
    """Print the times to the notice, and with `failures = 1` to the replacement."""
    report.title('listener: closed while its process lives, `check_interval = "5m"`')
    if os.geteuid() != 0:
        _print(report, "an ordinary user", _sample(program))
        return
    _print(report, "root", _sample(program))
    try:
        _print(report, "an ordinary user", _sample_as_nobody())
    except (OSError, subprocess.CalledProcessError) as error:
        report.text(f"  as an ordinary user: not measured, as another user can't run this: {error}")


def _print(report: Report, who: str, samples: Samples) -> None:
    noticed, replaced = samples
    report.text(f"  as {who}")
    report.figure("  closed to noticed", noticed, "ms", goal=Goal(10))
    report.figure("  closed to replaced, with `failures = 1`", replaced, "ms")


def _sample_as_nobody() -> Samples:
    """Return what another process has measured as an ordinary user.

    Raises:
        OSError: it could not be started.
        CalledProcessError: it failed.
    """
    words = [sys.executable, "-m", "bench.listener"]
    done = subprocess.run(
        words, cwd=REPOSITORY, user=NOBODY, group=NOBODY, extra_groups=(), stdout=subprocess.PIPE, check=True
    )
    noticed, replaced = json.loads(done.stdout)
    return noticed, replaced


def _sample(program: Program) -> Samples:
    """Return the milliseconds from each close to its notice, and to the replacement."""
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
    return noticed, replaced


def _close(project: Project, name: str) -> int:
    """Have an app close its listener, and return when it did."""
    os.kill(project.pids()[name], signal.SIGUSR1)
    (stamp,) = project.stamps.take(1)
    assert stamp.what == "closed", "nothing else was asked of any app"
    return stamp.at


if __name__ == "__main__":
    with Program() as own:
        print(json.dumps(_sample(own)))
