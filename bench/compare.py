"""All rivals, one after the other, on the same work: what they cost, and how long they let one wait.

A figure is one sample of one rival; a page is made of them by `bench.page`. Where a rival can't do a thing it
has no samples, and where it fails the reason is kept in their place.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import footprint, peers
from bench.hostile import KINDS, PROCESSES
from bench.idle import closed_within
from bench.peers import Missing, Peer
from bench.project import DEFAULTS, free_ports
from bench.report import describe_machine
from bench.rivals import Procman, Rival, Supervisord, Unable, alive, available, running
from bench.stamps import Program, Stamps, ms, now
from procman import __version__

Found = dict[str, Any]

APPS = 100
SETTLE = 1.5  # s after a start: supervisord calls an app started after one
BETWEEN = 1.2  # s between kills of an app: runit waits where a run was shorter than a second
LOOK = 0.002  # s between looks for the last process
PATIENCE = 120.0  # s for 1,000 apps


@dataclass(frozen=True, slots=True)
class Size:
    """How long a comparison takes."""

    starts: int
    rounds: int
    idle: float  # s
    memory: tuple[int, ...]  # numbers of apps beside 100


FULL = Size(starts=3, rounds=9, idle=30.0, memory=(1, 10, 1000))
QUICK = Size(starts=1, rounds=3, idle=10.0, memory=(1,))


@dataclass
class Results:
    """Samples by measurement and rival, and why others have none."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, measurement: str, rival: str, *values: float) -> None:
        """Keep samples."""
        self.samples.setdefault(measurement, {}).setdefault(rival, []).extend(round(v, 3) for v in values)

    def fail(self, measurement: str, rival: str, reason: object) -> None:
        """Keep why there are none."""
        self.failures.setdefault(measurement, {})[rival] = str(reason)[:200]


class Bench:
    """One rival in one folder with apps that say when they begin."""

    def __init__(
        self, kind: type[Rival], peer: Peer | None, program: Program, count: int, ports: bool = False
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="procman-bench-")
        folder = Path(self._folder.name)
        self.stamps = Stamps(folder / "stamps")
        self.ports = free_ports(count) if ports else [None] * count
        self.apps = {f"app-{n:04}": program.command(self.stamps, port) for n, port in enumerate(self.ports)}
        self._context = running(kind, peer, folder, self.apps)
        self.rival = self._context.__enter__()
        self.pids: list[int] = []

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.__exit__(None, None, None)
        self.stamps.close()
        self._folder.cleanup()

    def start(self, patience: float = PATIENCE) -> float:
        """Start all, and return the ms until the last app has begun."""
        begin = now()
        self.rival.start()
        stamps = self.stamps.take(len(self.apps), patience)
        self.pids = [stamp.pid for stamp in stamps]
        self.rival.seen |= footprint.descendants(self.rival.root)
        return ms(begin, max(stamp.at for stamp in stamps))

    def stop(self) -> float:
        """Stop all, and return the ms until it says so and none is left."""
        begin = now()
        self.rival.stop()
        while any(alive(pid) for pid in self.pids):
            if ms(begin, now()) > PATIENCE * 1e3:
                raise TimeoutError("an app has not ended")
            time.sleep(LOOK)
        return ms(begin, now())

    def replaced(self, act: Callable[[], None], patience: float = 30.0) -> float:
        """Do something to an app, and return the ms until its replacement has begun."""
        begin = now()
        act()
        while True:
            (stamp,) = self.stamps.take(1, patience)
            if stamp.what == "began":
                self.pids.append(stamp.pid)
                return ms(begin, stamp.at)

    def own(self) -> set[int]:
        """Return the pids of the rival's own processes."""
        return self.rival.own(set(self.pids))


def compare(
    names: Sequence[str], size: Size, say: Callable[[str], None], keep: Callable[[Found], None]
) -> Found:
    """Measure the rivals that are named, or all that are here; return all that was found.

    After each rival `keep` is called with what there is until then.
    """
    missing: list[str] = []
    rivals = {
        kind: peer for kind, peer in available(missing.append).items() if not names or kind.name in names
    }
    say("\n".join(missing))
    results = Results()
    done: dict[type[Rival], Peer | None] = {}
    loads: dict[str, float] = {}  # of the machine, when the turn of a rival came
    with Program() as program:
        machine = [*describe_machine(), program.description]

        def found() -> Found:
            return {
                "machine": machine,
                "versions": {
                    kind.name: __version__ if peer is None else peer.version for kind, peer in done.items()
                },
                "loads": loads,
                "missing": missing,
                "samples": results.samples,
                "failures": results.failures,
            }

        for kind, peer in rivals.items():
            loads[kind.name] = round(os.getloadavg()[0], 1)
            for measure in (_crowd, _edits, _memory, _hostile, _dead_owner, _checked):
                say(f"  {kind.name}: {measure.__name__.strip('_').replace('_', ' ')}")
                _guarded(measure, kind, peer, program, size, results)
            done[kind] = peer
            keep(found())
    return found()


Measure = Callable[[type[Rival], "Peer | None", Program, Size, Results], None]


def _guarded(
    measure: Measure, kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results
) -> None:
    """Measure; what fails costs this figure of this rival."""
    try:
        measure(kind, peer, program, size, results)
    except Unable:
        pass
    except (OSError, subprocess.SubprocessError, TimeoutError) as error:
        results.fail(measure.__name__.strip("_"), kind.name, f"{type(error).__name__}: {error}")


def _crowd(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """100 apps: start, what it costs while nothing happens, a kill, status, stop."""
    for number in range(size.starts):
        with Bench(kind, peer, program, APPS) as bench:
            results.add("start", kind.name, bench.start())
            time.sleep(SETTLE)
            if number == 0:
                if kind.restarts:
                    for turn in range(size.rounds):
                        victim = bench.pids.pop(turn * 7 % APPS)
                        took = bench.replaced(lambda pid=victim: os.kill(pid, signal.SIGKILL))  # type: ignore[misc]
                        results.add("kill", kind.name, took)
                        time.sleep(BETWEEN)
                with contextlib.suppress(Unable):
                    for _ in range(size.rounds):
                        begin = now()
                        bench.rival.status()
                        results.add("status", kind.name, ms(begin, now()))
                time.sleep(3.5)  # procman gives back what it does not need after three seconds
                own = bench.own()
                results.add(f"memory {APPS}", kind.name, footprint.pss(own))
                before = footprint.activity(own)
                closed = asyncio.run(closed_within(size.idle))  # by anybody on this machine
                after = footprint.activity(own)
                woken = after[0] - before[0] - (closed if kind.hears_closed else 0)
                results.add("idle wakeups", kind.name, max(0, woken) * 60 / size.idle)
                results.add("idle cpu", kind.name, (after[1] - before[1]) * 60 / size.idle)
            results.add("stop", kind.name, bench.stop())


def _edits(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """One of 50 apps gets another command; nothing else is to begin anew."""
    with Bench(kind, peer, program, APPS // 2) as bench:
        bench.start()
        time.sleep(SETTLE)
        name, words = next(iter(bench.apps.items()))
        for number in range(size.rounds):
            other = ["/usr/bin/env", f"ROUND={number}", *words]
            results.add("edit", kind.name, bench.replaced(lambda words=other: bench.rival.edit(name, words)))  # type: ignore[misc]
            time.sleep(BETWEEN)


def _memory(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """The memory of its own processes with other numbers of apps."""
    for count in size.memory:
        with Bench(kind, peer, program, count) as bench:
            bench.start()
            time.sleep(SETTLE + 3.0)
            results.add(f"memory {count}", kind.name, footprint.pss(bench.own()))


def _hostile(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """How many of 8 processes in 4 hostile apps outlive their stop, with the rival's defaults."""
    with tempfile.TemporaryDirectory(prefix="procman-bench-") as name:
        stamps = Stamps(Path(name) / "stamps")
        script = str(Path(__file__).with_name("hostile.py"))
        apps = {each: [sys.executable, "-I", "-S", script, each, str(stamps.path)] for each in KINDS}
        with running(kind, peer, Path(name), apps) as rival:
            rival.start()
            pids = {stamp.pid for stamp in stamps.take(len(KINDS) * PROCESSES)}
            rival.seen |= pids | footprint.descendants(rival.root)
            time.sleep(SETTLE)
            with contextlib.suppress(subprocess.TimeoutExpired):
                rival.stop()
            time.sleep(1.0)
            results.add("survivors", kind.name, sum(map(alive, pids)))
        stamps.close()


def _dead_owner(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """How many of 3 apps run twice after `kill -9` of what began them and a new start."""
    with Bench(kind, peer, program, 3) as bench:
        bench.start()
        time.sleep(SETTLE)
        os.kill(bench.rival.root, signal.SIGKILL)
        while alive(bench.rival.root):
            time.sleep(LOOK)
        time.sleep(0.5)
        lived = sum(map(alive, bench.pids))
        bench.rival.start()
        with contextlib.suppress(TimeoutError):  # who takes its apps back starts none
            while True:
                bench.pids.append(bench.stamps.take(1, 4.0)[0].pid)
        bench.rival.seen |= set(bench.pids) | footprint.descendants(bench.rival.root)
        results.add("apps that died with it", kind.name, 3 - lived)
        results.add("apps twice", kind.name, max(0, sum(map(alive, bench.pids)) - 3))


class CheckedProcman(Procman):
    """Its apps have ports, which are the last of their words, and are checked each second."""

    defaults = DEFAULTS.replace('"5m"', '"1s"')

    def table(self, name: str, words: Sequence[str]) -> str:
        """Return a table with a port."""
        return f"{super().table(name, words)}port = {words[-1]}\ncheck = {{ tcp = true, failures = 1 }}\n"


class CheckedSupervisord(Supervisord):
    """With httpok for each app, which looks every five seconds, as often as it can."""

    httpok = ""

    def listeners(self) -> str:
        """Return an event listener for each app."""
        return "".join(
            f"[eventlistener:check-{name}]\nevents = TICK_5\n"
            f"command = {self.httpok} -p {name} -t 1 http://127.0.0.1:{words[-1]}/\n"
            for name, words in self.apps.items()
        )


def _checked(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """A listener that is closed, and an app that hangs, to the replacement; then 1,000 apps."""
    if kind is Procman:
        _broken(CheckedProcman, peer, program, size, results)
        if size is FULL:
            _many(CheckedProcman, peer, program, size, results)
    elif kind is Supervisord:
        try:
            CheckedSupervisord.httpok = peers.httpok().command
        except Missing as error:
            results.fail("closed", kind.name, error)
        else:
            _broken(CheckedSupervisord, peer, program, size, results)


def _broken(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    with Bench(kind, peer, program, size.rounds, ports=True) as bench:
        bench.start()
        time.sleep(SETTLE)
        for number, pid in zip(
            (signal.SIGUSR1, signal.SIGSTOP) * size.rounds, tuple(bench.pids), strict=False
        ):
            name = "closed" if number == signal.SIGUSR1 else "hung"
            took = bench.replaced(lambda pid=pid, number=number: os.kill(pid, number))  # type: ignore[misc]
            results.add(name, kind.name, took)


def _many(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    with Bench(kind, peer, program, 1000, ports=True) as bench:
        bench.start()
        time.sleep(20.0)  # all are up, and have been checked
        own = bench.own()
        before = footprint.activity(own)
        time.sleep(size.idle)
        after = footprint.activity(own)
        results.add("checked each second", kind.name, (after[1] - before[1]) / size.idle / 10)
        results.add("memory 1000 checked", kind.name, footprint.pss(own))
