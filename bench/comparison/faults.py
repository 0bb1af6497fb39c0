"""What a rival leaves behind: of apps that will not end, and of itself when it is killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import footprint
from bench.comparison.results import Results, Size
from bench.comparison.turn import LOOK, SETTLE, Turn, crowd
from bench.hostile import KINDS, PROCESSES
from bench.peers import Peer
from bench.rivals import Apps, Rival, alive, end
from bench.stamps import Program, Stamp, Stamps
from bench.talker import LINES

HERE = Path(__file__).parents[1]
QUIET = 3  # apps beside the one that prints
AFTER = 4.0  # s without a word from any app: whoever starts apps again has done so


def _python(script: str, *words: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(HERE / script), *words]


def hostile(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Count how many of 8 processes in 4 hostile apps outlive their stop, with the rival's defaults."""

    def apps(stamps: Stamps) -> Apps:
        return {each: _python("hostile.py", each, str(stamps.path)) for each in KINDS}

    with results.attempt("survivors", kind.name), Turn(kind, peer, apps) as turn:
        turn.start(expected=len(KINDS) * PROCESSES)
        time.sleep(SETTLE)
        with contextlib.suppress(subprocess.TimeoutExpired):
            turn.rival.stop()
        time.sleep(1.0)
        results.add("survivors", kind.name, sum(map(alive, turn.pids)))
        end(set(turn.pids))  # some wait for them before they end themselves


def dead_owner(kind: type[Rival], peer: Peer | None, program: Program, size: Size, results: Results) -> None:
    """Kill what started the apps with -9 while one of them prints, and start it again.

    Counted are the apps that died with it, those that run twice then, and printed lines that are in no file.
    """

    def apps(stamps: Stamps) -> Apps:
        return {**crowd(program, QUIET)(stamps), "talker": _python("talker.py", str(stamps.path))}

    with results.attempt("owner killed", kind.name), Turn(kind, peer, apps, logged=True) as turn:
        talker = next(stamp.pid for stamp in turn.start() if stamp.what == "talks")
        time.sleep(SETTLE)
        os.kill(talker, signal.SIGUSR1)
        time.sleep(0.2)
        owners = turn.rival.owners(set(turn.pids))
        for pid in owners:
            os.kill(pid, signal.SIGKILL)
        while any(map(alive, owners)):
            time.sleep(LOOK)
        time.sleep(0.5)
        first = turn.pids
        died = len(first) - sum(map(alive, first))
        if turn.rival.root in owners:
            turn.rival.start()
        later = _hear(turn, lambda stamp: stamp.pid == talker and stamp.what == "silent")
        turn.pids = [*first, *(stamp.pid for stamp in later if stamp.what != "silent")]
        turn.rival.seen |= set(turn.pids) | footprint.descendants(turn.rival.root)
        results.add("owner died", kind.name, died)
        results.add("owner twice", kind.name, max(0, sum(map(alive, turn.pids)) - len(first)))
        if alive(talker):
            results.add("owner lost", kind.name, LINES - kept_lines(turn.rival.files("talker")))
        end(set(turn.pids))  # a logger waits for the apps that nobody has any more


def _hear(turn: Turn, is_last: Callable[[Stamp], bool]) -> list[Stamp]:
    """Return what apps say until nothing more comes, which is at least until the last was said."""
    heard: list[Stamp] = []
    patience = 3 * AFTER
    with contextlib.suppress(TimeoutError):
        while True:
            heard += turn.stamps.take(1, patience)
            patience = AFTER if any(map(is_last, heard)) else 3 * AFTER
    return heard


def kept_lines(files: list[Path]) -> int:
    """Return how many different lines of the talker are in these files."""
    found: set[bytes] = set()
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            found.update(re.findall(rb"line (\d{7}) of the talker", path.read_bytes()))
    return len(found)
