"""Runs the measurements that are named, or all of them: `python -m bench [NAME…]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping

from bench import edit, idle, kill, listener, logs, start, status
from bench.report import Report, describe_machine
from bench.stamps import Program, describe_folder

MEASUREMENTS: Mapping[str, Callable[[Report, Program], None]] = {
    "kill": kill.measure,
    "status": status.measure,
    "idle": idle.measure,
    "start": start.measure,
    "listener": listener.measure,
    "edit": edit.measure,
    "logs": logs.measure,
}


def main() -> int:
    """Print every figure that was asked for, and how it stands to its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(MEASUREMENTS)}; none means all")
    names: list[str] = parser.parse_args().names
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        parser.error(f"no measurement is called `{unknown[0]}`; expected one of {', '.join(MEASUREMENTS)}")
    report = Report(sys.stdout)
    with Program() as program:
        report.text(*describe_machine(), program.description, describe_folder())
        for name in names or MEASUREMENTS:
            MEASUREMENTS[name](report, program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
