"""What a former manager left running: told by the marker in each process, completed by its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from procman.core.identity import Identity, Member
from procman.core.machine import ALIVE, App, State
from procman.engine.handover import Record


@dataclass(frozen=True, slots=True)
class Found:
    """The living processes of one run of one app."""

    app: str
    generation: int
    marker: str
    members: tuple[Member, ...]


def newest_runs(marked: Mapping[str, tuple[Member, ...]]) -> tuple[dict[str, Found], list[Found]]:
    """Return the newest living run of each app, and the older ones that should be long gone.

    Args:
        marked: the living processes of this project by their marker, `project:app:generation`.
    """
    newest: dict[str, Found] = {}
    older: list[Found] = []
    for marker, members in marked.items():
        _, _, rest = marker.partition(":")
        name, _, number = rest.rpartition(":")
        if not name or not number.isdecimal():
            continue  # not ours: nothing but the manager writes this variable
        found = Found(name, int(number), marker, members)
        known = newest.get(name)
        if known is None or known.generation < found.generation:
            newest[name] = found
            found = known or found
        if found is not newest[name]:
            older.append(found)
    return newest, older


def leader_of(found: Found, record: Record | None) -> Identity:
    """Return the first process of a run: as recorded, else the oldest whose parent is not of the run."""
    if record is not None and record.leader is not None and record.app.generation == found.generation:
        return record.leader
    pids = {member.pid for member in found.members}
    tops = [member for member in found.members if member.parent not in pids]
    return min(tops or found.members, key=lambda member: member.born).identity


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
    if record.app.state not in ALIVE or record.leader is None:
        return None
    return Found(name, record.app.generation, f"{project}{name}:{record.app.generation}", ())
