"""How fast 100 apps start: from the request to the first act of the last one.

Beside it two bare loops over the same commands, each in a session of its own: fork and exec, and
`subprocess.Popen`. Neither captures output, writes a record or could tell a dead app from a living one.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench.project import Project, procman
from bench.report import Goal, Report
from bench.stamps import Program, ms, now

COUNT = 100
ROUNDS = 5
FORK = """
import json, os, signal, sys, time
commands = json.loads(sys.stdin.readline())
begin, pids = time.clock_gettime_ns(time.CLOCK_MONOTONIC), []
for words in commands:
    pid = os.fork()
    if not pid:
        os.setsid()
        os.execv(words[0], words)
    pids.append(pid)
"""
POPEN = """
import json, os, signal, subprocess, sys, time
commands = json.loads(sys.stdin.readline())
begin, pids = time.clock_gettime_ns(time.CLOCK_MONOTONIC), []
for words in commands:
    process = subprocess.Popen(words, start_new_session=True)
    process.returncode = 0
    pids.append(process.pid)
"""
END = """
print(begin, flush=True)
sys.stdin.readline()
for pid in pids:
    os.kill(pid, signal.SIGKILL)
for pid in pids:
    os.waitpid(pid, 0)
"""


def measure(report: Report, program: Program) -> None:
    """Print the times; a round measures every way once."""
    fork: list[float] = []
    popen: list[float] = []
    inside: list[float] = []
    whole: list[float] = []
    launched: list[float] = []
    with Project(program, COUNT) as project:
        for _ in range(ROUNDS):
            fork.append(_bare(FORK, program, project))
            popen.append(_bare(POPEN, program, project))
            inside.append(_inside(project))
            wall, last = _whole(project)
            whole.append(wall)
            launched.append(last)
    report.title(f"start: {COUNT} apps")
    report.figure("bare loop of os.fork and os.execv", fork, "ms")
    report.figure("bare loop of subprocess.Popen", popen, "ms", against=fork)
    goal = Goal(1.5, of_ratio=True)
    report.figure("request sent to the last exec", inside, "ms", against=fork, goal=goal)
    report.figure("the same, beside the loop of Popen", inside, "ms", against=popen)
    report.figure("`procman up -d --no-wait`, no manager yet", whole, "ms")
    report.figure("the same, to the last exec", launched, "ms")


def _bare(loop: str, program: Program, project: Project) -> float:
    words = [sys.executable, "-I", "-S", "-c", loop + END]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None, "it was asked for"
        assert process.stdout is not None, "it was asked for"
        process.stdin.write(json.dumps([program.command(project.stamps)] * COUNT) + "\n")
        process.stdin.flush()
        begin = int(process.stdout.readline())
        last = max(stamp.at for stamp in project.stamps.take(COUNT))
    return ms(begin, last)


def _inside(project: Project) -> float:
    project.begin()
    begin = project.up(wait=False)
    last = max(stamp.at for stamp in project.stamps.take(COUNT))
    project.down()
    return ms(begin, last)


def _whole(project: Project) -> tuple[float, float]:
    begin = now()
    words = procman("up", "-d", "--no-wait")
    subprocess.run(words, cwd=project.folder, capture_output=True, check=True)
    end = now()
    last = max(stamp.at for stamp in project.stamps.take(COUNT))
    project.down()
    return ms(begin, end), ms(begin, last)
