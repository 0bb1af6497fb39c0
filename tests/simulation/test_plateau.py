"""Restarts without end in virtual time: the manager holds what it held, and each costs what the first did."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from pathlib import Path

from tests.fakes.programs import Child, Program, Way
from tests.simulation.village import Village

WARM, MORE = 200, 400  # restarts of each app
ROOM = 40  # objects: what is under way at one moment and not at another
BYTES = 64_000  # of a peak; where all that is in a log is looked at at each restart, it grows by 230,000
APPS = """
[defaults]
backoff = { initial = "1ms", max = "1ms" }
give_up = { starts = 0 }

[apps.fails]
command = "fails"

[apps.ends]
command = "ends"

[apps.leaves]
command = "leaves"
"""
ERROR = b"Error: it failed\n    at once\n"


def test_after_many_restarts_there_is_no_object_more_and_each_takes_no_more_memory(tmp_path: Path) -> None:
    village = Village(tmp_path, APPS)
    village.machine.programs |= {
        "fails": Program(exits_after=0.01, code=1, writes=((0.0, ERROR),)),
        "ends": Program(exits_after=0.01),
        "leaves": Program(exits_after=0.01, code=3, children=(Child(Program(), way=Way.SESSION),)),
    }
    village.up()

    def run(restarts: int) -> tuple[Counter[str], int]:
        """Return what there is after so many restarts of each app, and the most that the last 50 took."""
        wanted = {name: app.restarts + restarts for name, app in village.engine.apps.items()}

        def is_done(left: int = 0) -> bool:
            forget(village)
            return all(app.restarts >= wanted[name] - left for name, app in village.engine.apps.items())

        village.until(lambda: is_done(left=50), within=3600)
        gc.collect()
        tracemalloc.start()
        village.until(is_done, within=3600)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gc.collect()
        return Counter(type(each).__qualname__ for each in gc.get_objects()), peak

    before, peak_before = run(WARM)
    after, peak_after = run(MORE)
    more = after - before
    assert more.total() < ROOM, more.most_common(10)
    assert peak_after < peak_before + BYTES
    village.end()


def forget(village: Village) -> None:
    """Let go of what the simulation writes down for its tests."""
    for kept in (village.notices, village.records, village.machine.starts):
        kept.clear()
    village.machine.drop_cancelled()
