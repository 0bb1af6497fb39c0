"""What it takes to read the last lines of an app's output, of which there is much."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bench.project import procman
from bench.report import Goal, Report
from bench.stamps import Program, ms, now
from procman.control.endpoint import home_of
from procman.core.config import LogBudget
from procman.logs.capture import Capture

ROUNDS = 11
SIZE = 1 << 30
LINES = ["sh", "-c", f"yes '{'x' * 99}' | head -c {SIZE}"]
MORE = 100.0  # ms


def measure(report: Report, program: Program) -> None:
    """Print what `logs -n 100` takes as a command: of an empty log, and of two of 1 GiB."""
    budgets = {"1 GiB in one file": LogBudget(2 * SIZE, 0), "1 GiB in files of 10 MB": LogBudget(keep=1000)}
    with tempfile.TemporaryDirectory(prefix="procman-bench-") as name:
        file = Path(name, "portwatch.toml")
        file.write_text("".join(f'[apps.app-{number}]\ncommand = "true"\n' for number in range(3)))
        home = Path(home_of(file))
        for number, budget in enumerate(budgets.values(), start=1):
            _fill(home, f"app-{number}", budget)
        times: list[list[float]] = [[], [], []]
        for _ in range(ROUNDS):
            for number, samples in enumerate(times):
                begin = now()
                words = procman("--file", str(file), "logs", f"app-{number}", "-n", "100")
                shown = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
                samples.append(ms(begin, now()))
                assert shown.count(b"\n") == (100 if number else 0), "the last 100 lines are shown"
    report.title("logs: wall time of `procman logs APP -n 100` as a command")
    empty, *full = times
    report.figure("of an empty log", empty, "ms")
    for title, samples in zip(budgets, full, strict=True):
        report.figure(f"of {title}", samples, "ms")
        more = [each - other for each, other in zip(samples, empty, strict=True)]
        report.figure("  more than of the empty one", more, "ms", goal=Goal(MORE))


def _fill(home: Path, app: str, budget: LogBudget) -> None:
    """Have an app print 1 GiB."""
    (home / "run").mkdir(parents=True, exist_ok=True)
    capture = Capture(home / "logs", home / "run", app, budget)
    streams = capture.begin(1)
    with subprocess.Popen(LINES, stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr) as writer:
        capture.release()
        while writer.poll() is None:
            capture.drain()
    capture.end()
    capture.close()
