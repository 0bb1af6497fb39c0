"""What `procman status --json` takes, beside the interpreter that it runs in; both in turns."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from bench.project import Project, procman
from bench.report import Goal, Report
from bench.stamps import Program, ms, now

ROUNDS = 25


def measure(report: Report, program: Program) -> None:
    """Print the wall times."""
    words = procman("status", "--json")
    report.title("status: wall time of `procman status --json` as a command")
    with Project(program, 1) as single, Project(program, 100) as crowd:
        for project in (single, crowd):
            project.begin()
            project.up()
        runs = {
            "python -c pass": ([sys.executable, "-c", "pass"], single),
            "procman status --json, 1 app": (words, single),
            "procman status --json, 100 apps": (words, crowd),
        }
        took: dict[str, list[float]] = {name: [] for name in runs}
        asked: list[float] = []
        for _ in range(ROUNDS):
            for name, (command, project) in runs.items():
                took[name].append(_run(command, project))
            begin = now()
            crowd.status()
            asked.append(ms(begin, now()))
    bare = took.pop("python -c pass")
    report.figure("python -c pass", bare, "ms")
    for name, samples in took.items():
        report.figure(name, samples, "ms", against=bare, goal=Goal(3, of_ratio=True))
    report.figure("of that, the manager's answer for 100 apps", asked, "ms")
    report.text(f"  (`procman` is {_shown(words)})")


def _run(command: Sequence[str], project: Project) -> float:
    begin = now()
    subprocess.run(command, cwd=project.folder, stdout=subprocess.DEVNULL, check=True)
    return ms(begin, now())


def _shown(words: Sequence[str]) -> str:
    return (
        "the installed script"
        if words[0] != sys.executable
        else os.path.basename(words[0]) + " -m procman.cli.entry"
    )
