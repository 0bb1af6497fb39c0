"""What a former manager left running: told by the marker in each process, completed by its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from procman.core.app import ALIVE, App, State
from procman.core.frozen import Frozen
from procman.core.identity import Identity, Member
from procman.engine.handover import Record
from procman.host.base import Run

LONGEST_NUMBER = 18  # digits of a run's number; what is longer is not ours, and int() may refuse it
NOBODY = Identity(0, 0, "")  # no process of any boot: the leader of a run of which nothing is known


class Found(Frozen):
    """The living processes of one run of one app."""

    app: str
    generation: int
    marker: str
    members: tuple[Member, ...]


def newest_runs(
    marked: Mapping[str, tuple[Member, ...]], renamed: Mapping[str, tuple[str, int]]
) -> tuple[dict[str, Found], list[Found]]:
    """Return the newest living run of each app, and the older ones that should be long gone.

    Args:
        marked: the living processes of this project by their marker, `project:app:generation`.
        renamed: the app and the generation of each marker that says another, by the records.
    """
    newest: dict[str, Found] = {}
    older: list[Found] = []
    for marker, members in marked.items():
        _, _, rest = marker.partition(":")
        name, _, number = rest.rpartition(":")
        if not name or not number.isdecimal() or len(number) > LONGEST_NUMBER:
            continue  # not ours: nothing but the manager writes this variable
        found = Found(*renamed.get(marker, (name, int(number))), marker, members)
        known = newest.get(found.app)
        if known is None or known.generation < found.generation:
            newest[found.app] = found
            found = known or found
        if found is not newest[found.app]:
            older.append(found)
    return newest, older


def leader_of(found: Found, record: Record | None, is_stranger: Callable[[Run], bool]) -> Identity:
    """Return the first process of a run; a record is believed only where it can harm nobody.

    A recorded leader that carries the marker is one; a dead one too, for then its end is what has to be told.
    One that lives without the marker is somebody else. (One that we may not ask for it is believed.) Instead
    of it stands the oldest process of the run whose parent is not of the run, or nobody.
    """
    if record is not None and record.leader is not None and record.app.generation == found.generation:
        marked = any(member.identity == record.leader for member in found.members)
        if marked or not is_stranger(Run(record.leader, found.marker)):
            return record.leader
    pids = {member.pid for member in found.members}
    tops = [member for member in found.members if member.parent not in pids]
    return min(tops, key=lambda member: member.born).identity if tops else NOBODY


def living(found: Found, record: Record | None, now: float, start_timeout: float) -> App:
    """Return the state to go on with for a run that lives: as recorded, else as one that is starting."""
    if record is not None and record.app.generation == found.generation:
        return record.app
    known = record.app if record is not None else App()
    born = min(member.born for member in found.members)
    return replace(
        known,
        state=State.STARTING,
        wanted=True,
        reason="found running",
        cause="found running",
        since=born,
        generation=found.generation,
        ending=None,
        forced=False,
        deadline=now + start_timeout,
        probe_at=now,
        spawned_at=born,
    )


def recorded(name: str, record: Record, project: str) -> Found | None:
    """Return the run that was under way by the record although nothing of it lives, or None if none was."""
    if record.app.state not in ALIVE:
        return None
    marker = record.marker or f"{project}{name}:{record.app.generation}"
    return Found(name, record.app.generation, marker, ())
