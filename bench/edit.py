"""From an edit of an app's table to the replacement that was started with it."""

from __future__ import annotations

from bench.project import Follower, Project
from bench.report import Goal, Report
from bench.stamps import Program, ms

ROUNDS = 7


def measure(report: Report, program: Program) -> None:
    """Print the times; the file is replaced by rename, as editors do."""
    with Project(program, 1) as single, Project(program, 100) as crowd:
        projects = {"1 app": single, "100 apps": crowd}
        took: dict[str, list[float]] = {name: [] for name in projects}
        for project in projects.values():
            project.begin()
            project.up()
            project.stamps.take(len(project.names))
        followers = {name: Follower(project) for name, project in projects.items()}
        for round_ in range(ROUNDS):
            for name, project in projects.items():
                begin = project.write(f'env = {{ ROUND = "{round_}" }}\n')
                took[name].append(ms(begin, project.stamps.take(1)[0].at))
                followers[name].reached(project.names[0], "running")
        for follower in followers.values():
            follower.close()
    report.title("edit: `env` of one app changed in the file, to the exec of its replacement")
    for name, samples in took.items():
        report.figure(f"procman, {name}", samples, "ms", goal=Goal(1000))
