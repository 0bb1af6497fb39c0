"""How soon a rival finds out that an app that lives does not work, and what it costs to look."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

from bench import footprint, peers
from bench.comparison.results import Results, Size
from bench.comparison.turn import SETTLE, Turn, crowd
from bench.peers import Peer
from bench.rivals import (
    CheckedProcman,
    CheckedSupervisord,
    HttpMonit,
    Missing,
    Monit,
    Procman,
    Rival,
    SeldomCheckedProcman,
    Supervisord,
    Unable,
)
from bench.stamps import Program, ms, now

MANY = 1000  # apps
PATIENCE = 45.0  # s until a failure counts as not noticed
WATCHED = 20.0  # s, in which each is checked as often
CHECKED = 20.0  # s after the start of so many: all are up, and have been checked


def checks(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Measure whoever checks ports."""
    with results.attempt("closed", kind.name):
        _broken("closed", _that_checks(kind), peer, program, size, results)
    with results.attempt("hung", kind.name):
        _broken("hung", _that_checks(kind, hangs=True), peer, program, size, results)
    if kind in (Procman, Monit):  # a process for each app, as httpok is one, would take some 10 GB
        with results.attempt("checked", kind.name):
            _many(CheckedProcman if kind is Procman else Monit, peer, program, size, results)


def _that_checks(kind: type[Rival], *, hangs: bool = False) -> type[Rival]:
    """Return the rival with settings that have its apps checked, so that a closed port or a hang is noticed.

    Raises:
        Unable: it checks nothing.
        OSError: its part that checks can't be had.
    """
    if kind is Supervisord:
        try:
            CheckedSupervisord.httpok = peers.httpok().command
        except Missing as error:
            raise OSError(str(error)) from error
    by_kind: dict[type[Rival], type[Rival]] = {
        Procman: CheckedProcman if hangs else SeldomCheckedProcman,
        Supervisord: CheckedSupervisord,
        Monit: HttpMonit if hangs else Monit,
    }
    if kind not in by_kind:
        raise Unable
    return by_kind[kind]


def _broken(
    name: str, kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results
) -> None:
    """Have one app after the other close its port, or hang by SIGSTOP, and live on.

    Timed is from that moment until its process is ended, by which the failure has been noticed, and until the
    first act of its replacement.
    """
    how = signal.SIGUSR1 if name == "closed" else signal.SIGSTOP
    with Turn(kind, peer, crowd(program, size.breaks, ports=True)) as turn:
        turn.start()
        time.sleep(SETTLE)
        for number, pid in enumerate(tuple(turn.pids)):
            turn.pause(number)
            begin = now()
            ended = turn.ended(pid, partial(os.kill, pid, how), PATIENCE)
            if name == "closed":
                (closed,) = turn.stamps.take(1)
                begin = closed.at
            results.add(f"{name} noticed", kind.name, ms(begin, ended))
            results.add(name, kind.name, ms(begin, turn.replaced(PATIENCE).at))


def _many(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Take CPU and memory of its own processes while every port is checked each second."""
    with Turn(kind, peer, crowd(program, MANY, ports=True)) as turn:
        turn.start()
        time.sleep(CHECKED)
        own = turn.own()
        before = footprint.activity(own)
        time.sleep(WATCHED)
        after = footprint.activity(own)
        results.add("checked cpu", kind.name, (after[1] - before[1]) / WATCHED / 10)
        results.add("checked memory", kind.name, footprint.pss(own))
