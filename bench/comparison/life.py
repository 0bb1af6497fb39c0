"""What a rival costs, and how long it lets its user wait on an ordinary day."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

from bench import footprint
from bench.comparison.results import Results, Size
from bench.comparison.turn import BETWEEN, SETTLE, Turn, crowd
from bench.idle import closed_within
from bench.peers import Peer
from bench.rivals import Rival
from bench.stamps import Program, Stamp, ms, now

APPS = 100
EDITED = 50  # apps, of which one is edited
AT_REST = 3.5  # s: procman gives back what it does not need after three


def hundred(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Time the start of 100 apps from the command to the last exec, and their stop until none is left.

    Between the first of both everything else is measured that needs 100 apps.
    """
    for number in range(size.starts):
        with Turn(kind, peer, crowd(program, APPS)) as turn:
            begin = now()
            stamps = turn.start()
            results.add("start", kind.name, ms(begin, max(stamp.at for stamp in stamps)))
            time.sleep(SETTLE)
            if number == 0:
                with results.attempt("kill", kind.name):
                    _kills(turn, size, results)
                with results.attempt("status", kind.name):
                    _status(turn, size, results)
                with results.attempt("idle wakeups", kind.name):
                    _idle(turn, size, results)
            with results.attempt("stop", kind.name):
                results.add("stop", kind.name, turn.stop())


def _kills(turn: Turn, size: Size, results: Results) -> None:
    """Time from just before `kill -9` of an app to the first act of its replacement."""
    for number in range(size.rounds if turn.rival.restarts else 0):
        victim = turn.pids.pop(number * 7 % APPS)
        begin = now()
        os.kill(victim, signal.SIGKILL)
        results.add("kill", turn.rival.name, ms(begin, turn.replaced().at))
        turn.pause(number)


def _status(turn: Turn, size: Size, results: Results) -> None:
    """Time the command that says how 100 apps are, and in turns with it the bare interpreter."""
    for _ in range(size.rounds):
        if turn.rival.bare:
            begin = now()
            subprocess.run(turn.rival.bare, check=True)
            bare = ms(begin, now())
        begin = now()
        turn.rival.status()
        results.add("status", turn.rival.name, ms(begin, now()))
        if turn.rival.bare:
            results.add("bare", turn.rival.name, bare)


def _idle(turn: Turn, size: Size, results: Results) -> None:
    """Take memory, and count wakeups and CPU of its own processes while 100 apps do nothing."""
    time.sleep(AT_REST)
    own, name = turn.own(), turn.rival.name
    results.add(f"memory {APPS}", name, footprint.pss(own))
    before = footprint.activity(own)
    closed = asyncio.run(closed_within(size.idle))  # by anybody on this machine
    after = footprint.activity(own)
    woken = after[0] - before[0] - (closed if turn.rival.hears_closed else 0)
    results.add("idle wakeups", name, max(0, woken) * 60 / size.idle)
    results.add("idle cpu", name, (after[1] - before[1]) * 60 / size.idle)


def memory(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Take the memory of its own processes with other numbers of apps."""
    for count in size.memory:
        with (
            results.attempt(f"memory {count}", kind.name),
            Turn(kind, peer, crowd(program, count)) as turn,
        ):
            turn.start()
            time.sleep(SETTLE + AT_REST)
            results.add(f"memory {count}", kind.name, footprint.pss(turn.own()))


def edits(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Time from just before the edit of one of 50 apps to its replacement, and count what else began anew."""
    with results.attempt("edit", kind.name), Turn(kind, peer, crowd(program, EDITED)) as turn:
        turn.start()
        time.sleep(SETTLE)
        name, words = next(iter(turn.rival.apps.items()))
        for number in range(size.rounds):
            mark, others = f"ROUND={number}", 0
            begin = now()
            turn.rival.edit(name, ["/usr/bin/env", mark, *words])
            while not _has(replacement := turn.replaced(), mark):
                others += 1
            results.add("edit", kind.name, ms(begin, replacement.at))
            time.sleep(BETWEEN)
            results.add("edit others", kind.name, others + len(turn.stamps.waiting()))


def _has(stamp: Stamp, variable: str) -> bool:
    """Return whether the program has this in its environment."""
    try:
        return variable.encode() in Path(f"/proc/{stamp.pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
