"""Many worlds on the command line: `python -m tests.simulation.world --seeds 100000`.

Exits with 1 when a promise was broken, after the story of a world that is made as small as it can be.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context

from tests.simulation.world.generator import generate
from tests.simulation.world.hunt import Found, first_broken, minimise
from tests.simulation.world.play import play
from tests.simulation.world.shrink import cut

CHUNK = 50  # worlds that a process plays before it tells: 1 to 2 s
TELL_EVERY = 10.0  # s


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the worlds that are asked for; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many worlds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--seed", type=int, help="tell the story of this one world")
    parser.add_argument("--steps", help="with only these steps of it: `0 3@0.1 7`")
    parser.add_argument("--apps", help="with only these apps of it: `api db`")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _tell_one(options)
    return _play_many(options.first, options.seeds, options.jobs)


def _tell_one(options: argparse.Namespace) -> int:
    scenario = whole = generate(options.seed)
    if options.steps is not None:
        names = options.apps or " ".join(table.name for table in whole.tables)
        scenario = cut(whole, options.steps, names)
    story = play(scenario)
    print(story.text())
    return int(story.broken is not None)


def _play_many(first: int, seeds: int, jobs: int) -> int:
    began = told = time.monotonic()
    chunks = [range(at, min(at + CHUNK, first + seeds)) for at in range(first, first + seeds, CHUNK)]
    done = 0
    with _workers(jobs) as played:
        for chunk, found in zip(chunks, played(chunks), strict=True):
            if found is not None:
                break
            done += len(chunk)
            if time.monotonic() - told > TELL_EVERY or done == seeds:
                told = time.monotonic()
                rate = done / (told - began)
                print(f"{done} of {seeds} worlds, {rate:.0f} in a second", file=sys.stderr, flush=True)
        else:
            print(f"{seeds} worlds from seed {first}: every promise was kept")
            return 0
    print(f"seed {found.seed}: {found.broken}\nmaking it smaller…", file=sys.stderr, flush=True)
    print(minimise(found.seed))
    return 1


@contextmanager
def _workers(jobs: int) -> Iterator[Callable[[list[range]], Iterable[Found | None]]]:
    """Have what plays chunks of worlds in their order, so many at once; one needs no other process."""
    if jobs == 1:
        yield partial(map, first_broken)
        return
    with get_context("fork").Pool(jobs) as pool:  # it is ended with what it still plays
        yield partial(pool.imap, first_broken)


if __name__ == "__main__":
    sys.exit(main())
