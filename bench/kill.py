"""From `kill -9` of an app to the first act of its replacement.

Beside it the least that a supervisor in Python can do: wait for its child, and start it again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from bench.project import Follower, Project
from bench.report import Goal, Report
from bench.stamps import Program, Stamps, ms, now

ROUNDS = 15
BARE = """
import subprocess, sys
while True:
    subprocess.Popen(sys.argv[1:], start_new_session=True).wait()
"""


def measure(report: Report, program: Program) -> None:
    """Print the times, for managers of 1 and of 100 apps; each round kills one app of each."""
    report.title("kill: from `kill -9` of an app to the exec of its replacement")
    with (
        Project(program, 1) as single,
        Project(program, 1, ports=True) as serving,
        Project(program, 100) as crowd,
    ):
        projects = {"1 app": single, "1 app with a port": serving, "100 apps": crowd}
        took: dict[str, list[float]] = {"bare loop": [], **{name: [] for name in projects}}
        bare = _Bare(program, Stamps(program.folder / "bare-kill"))
        for project in projects.values():
            project.begin()
            project.up()
            project.stamps.take(len(project.names))
        followers = {name: Follower(project) for name, project in projects.items()}
        for round_ in range(ROUNDS):
            took["bare loop"].append(bare.kill())
            for name, project in projects.items():
                victim = project.names[round_ % len(project.names)]
                took[name].append(_kill(project, followers[name], victim))
        bare.close()
        for follower in followers.values():
            follower.close()
    bare_loop = took.pop("bare loop")
    report.figure("wait() and Popen() in a loop", bare_loop, "ms")
    for name, samples in took.items():
        report.figure(f"procman, {name}", samples, "ms", against=bare_loop, goal=Goal(10))


def _kill(project: Project, follower: Follower, victim: str) -> float:
    pid = project.pids()[victim]
    begin = now()
    os.kill(pid, signal.SIGKILL)
    (stamp,) = project.stamps.take(1)
    follower.reached(victim, "running")
    return ms(begin, stamp.at)


class _Bare:
    """The loop that procman is compared with."""

    def __init__(self, program: Program, stamps: Stamps) -> None:
        self._stamps = stamps
        self._process = subprocess.Popen([sys.executable, "-c", BARE, *program.command(stamps)])
        self._pid = stamps.take(1)[0].pid

    def kill(self) -> float:
        """Kill its child and return when the next one began."""
        begin = now()
        os.kill(self._pid, signal.SIGKILL)
        (stamp,) = self._stamps.take(1)
        self._pid = stamp.pid
        return ms(begin, stamp.at)

    def close(self) -> None:
        """End it and its child."""
        self._process.kill()
        self._process.wait()
        os.kill(self._pid, signal.SIGKILL)
        self._stamps.close()
