"""Damage configuration files for a while, and keep what shows something new: `make fuzz SECONDS=600`.

An input is kept when a line of the reader has run for the first time, or a kind of message was given for the
first time. In the end each is made as small as it can be without losing what it shows.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.fuzz.corpus import begin_with, keep, kept
from tests.fuzz.judge import KINDS, judge
from tests.fuzz.lines import Lines
from tests.fuzz.mutation import Mutator
from tests.fuzz.reduction import reduced

SLOW_S = 2.0  # of processor time for one input; a common one takes some milliseconds
SHARES = {"toml": 8, "procfile": 1, "env": 1}


class Fuzzing:
    """One run: what it has seen, and what it has found."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.lines = Lines()
        self.seen: set[tuple[str, frozenset[str]]] = set()
        self.shapes: set[tuple[str, str]] = set()
        self.pools = {kind: [*begin_with(kind), *(content for _, content in kept(kind))] for kind in KINDS}
        self.mutators = {kind: Mutator(kind, self.chance) for kind in KINDS}
        self.found: list[tuple[str, bytes]] = []
        self.defects: dict[str, tuple[str, bytes]] = {}
        self.count = 0

    @property
    def said(self) -> str:
        """How far it is."""
        return f"{self.count} inputs, {self.lines.count} lines, {len(self.shapes)} messages"

    def begin(self) -> None:
        """See all that is known already."""
        for kind, pool in self.pools.items():
            for content in pool:
                self.look(kind, content)

    def one(self) -> None:
        """Damage one input; keep it if it shows something new."""
        kind = self.chance.choices(list(SHARES), list(SHARES.values()))[0]
        pool = self.pools[kind]
        # What came last is the most likely to lead on.
        at = len(pool) - 1 - int(min(self.chance.expovariate(3 / len(pool)), len(pool) - 1))
        content = self.mutators[kind].mutate(pool[at], pool)
        if self.look(kind, content):
            pool.append(content)
            self.found.append((kind, content))

    def look(self, kind: str, content: bytes) -> bool:
        """Judge an input, and return whether it shows a line or a message that is new."""
        self.count += 1
        lines, began = self.lines.count, time.process_time()
        try:
            with self.lines.watched():
                shapes = judge(kind, content, self.folder)
        except Exception as error:
            self.defect(kind, content, error)
            return False
        took = time.process_time() - began
        if took > SLOW_S:
            self.defect(kind, content, RuntimeError(f"took {took:.1f} s of processor time"))
        news = {(kind, each) for each in shapes} - self.shapes
        self.shapes |= news
        new_set = len(shapes) <= 2 and (kind, shapes) not in self.seen
        self.seen.add((kind, shapes))
        return bool(news) or self.lines.count > lines or new_set

    def defect(self, kind: str, content: bytes, error: Exception) -> None:
        """Note an input that the reader does not deal with, once for each place where it fails."""
        frame = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
        said = str(error).splitlines() or [""]
        place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}" if frame else said[0]
        if place not in self.defects:
            self.defects[place] = kind, content
            print(f"DEFECT in {kind}: {place}: {said[0][:300]}\n  {content!r}", flush=True)


def main() -> int:
    """Fuzz for a while, and return 1 if a defect was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long; of the clock")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--dry", action="store_true", help="keep nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Fuzzing(arguments.seed, Path(folder))
        run.begin()
        ends, told = time.monotonic() + arguments.seconds, time.monotonic()
        print(f"seed {arguments.seed}, begins with {run.said}", flush=True)
        while time.monotonic() < ends:
            run.one()
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(run.said, flush=True)
        print(f"{run.said}, {len(run.defects)} defects")
        if not arguments.dry:
            for kind, content in run.defects.values():
                print(f"kept {keep(kind, content)}, which shows a defect")
            for kind, content in reduced(run.found, Path(folder)):
                print(f"kept {keep(kind, content)}")
    return 1 if run.defects else 0


sys.exit(main())
