"""Runs the measurement of `bench.log_throughput`, which prints for itself, with less than its own default."""

from __future__ import annotations

import subprocess
import sys

from bench.report import Report
from bench.stamps import Program

MIB = 128


def measure(report: Report, program: Program) -> None:
    """Print what it prints."""
    report.text("", "logs: output from an app's pipe into its log")
    subprocess.run([sys.executable, "-m", "bench.log_throughput", str(MIB)], check=True)
