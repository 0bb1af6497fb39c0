"""Runs procman beside its peers, or what is named: `python -m bench [NAME…]`.

`compare` is what runs without a name; it installs the peers below `~/.cache` first. The others measure
procman alone, beside the least that would do. With `--keep` the samples of `compare` go into
`bench/results.json`, of which `python -m bench.page` makes `docs/BENCHMARKS.md` and its chart.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial

from bench import edit, idle, kill, listener, logs, page, start, status
from bench.comparison import FULL, QUICK, compare
from bench.report import Report, describe_machine
from bench.rivals import FIND
from bench.stamps import HERE, Program, describe_folder

MEASUREMENTS: Mapping[str, Callable[[Report, Program], None]] = {
    "kill": kill.measure,
    "status": status.measure,
    "idle": idle.measure,
    "start": start.measure,
    "listener": listener.measure,
    "edit": edit.measure,
    "logs": logs.measure,
}
ALL = ("compare", *MEASUREMENTS)


def main() -> int:
    """Print every figure that was asked for, and how it stands to its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(ALL)}; or all")
    parser.add_argument("--quick", action="store_true", help="compare with few rounds")
    parser.add_argument("--only", default="", metavar="PEERS", help="compare these alone: procman,pm2")
    parser.add_argument(
        "--keep", action="store_true", help="keep the samples of compare in bench/results.json"
    )
    options = parser.parse_args()
    names = list(ALL) if options.names == ["all"] else options.names or ["compare"]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        parser.error(f"no measurement is called `{unknown[0]}`; expected one of {', '.join(ALL)}, or all")
    only = [name for name in options.only.split(",") if name]
    strangers = sorted(set(only) - {kind.name for kind in FIND})
    if strangers:
        parser.error(
            f"no peer is called `{strangers[0]}`; expected of {', '.join(kind.name for kind in FIND)}"
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that all that was started is ended
    _be_as_installed()
    report = Report(sys.stdout)
    with Program() as program:
        load = f"load average at the start: {os.getloadavg()[0]:.2f} (1 min)"
        report.text(*describe_machine(), load, program.description, describe_folder())
        for name in names:
            if name != "compare":
                MEASUREMENTS[name](report, program)
        if "compare" in names:
            keep = partial(page.keep, alone=not only) if options.keep else lambda found: None
            found = compare(program, only, QUICK if options.quick else FULL, report.text, keep)
            report.text("", *page.tables(found), "", *page.verdicts(found), "", *page.origin(found))
    return 0


def _be_as_installed() -> None:
    """Run all Python as where it was installed: from compiled files, and buffered."""
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        os.environ.pop(name, None)
    words = [sys.executable, "-m", "compileall", "-q", str(HERE.parent / "procman")]
    subprocess.run(words, check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
