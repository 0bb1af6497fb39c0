"""Incidents: what went wrong with one app, from the first sign of trouble until it runs again or rests.

A sign of trouble is a failed check that counts, an exit that nobody asked for, a start or a `prepare` that
failed, a stranger on the port that the app needs, and giving up. What its user asks for is none: a stop, a
restart, an edit. Nor is a check that is held. An app that is not wanted has no trouble.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from procman.core.journal import Kind, Record
from procman.core.units import spell_duration

RESTING = frozenset({"stopped", "completed", "failed"})
ALIVE = frozenset({"starting", "running", "unhealthy"})
FAULTS = frozenset({"exited", "unhealthy", "not prepared"})  # the endings that nobody asked for
TELLING = frozenset({Kind.STATE, Kind.WAIT, Kind.CHECK, Kind.EXIT})  # when and what an incident was
AROUND = frozenset({Kind.MANAGER, Kind.RELOAD, Kind.PROBLEM})  # of what concerns all apps at once
PARTING_S = 5.0  # how long an app that exits with code 0 may take about it: its port closes first
GOING_ON = "still going on"


@dataclass(slots=True)
class Course:
    """How an app stands, as far as its records up to now tell."""

    state: str | None = None
    wanted: bool = True  # until a record says that it is not

    def is_trouble(self, record: Record) -> bool:
        """Return whether the next record is a sign of trouble."""
        data = record.data
        match record.kind:
            case Kind.CHECK:  # while it starts, failures are not counted
                return self.wanted and data["outcome"] == "down" and data["failures"] > 0
            case Kind.EXIT if self.state == "preparing":
                return self.wanted and data["code"] != 0
            case Kind.EXIT:
                return self.wanted and self.state in ALIVE
            case Kind.WAIT:
                return self.wanted and data["verdict"] == "stranger"
            case Kind.STATE:
                fails = data["new"] in ("unhealthy", "backoff", "failed")
                return bool(data["wanted"]) and (fails or data.get("ending") in FAULTS)
        return False

    def begins_anew(self, record: Record) -> bool:
        """Return whether the app was put down unseen: it had a run, and the next record knows of none."""
        if record.kind is not Kind.STATE or self.state is None:
            return False
        return record.data["old"] in ("stopped", "completed") and self.state != record.data["old"]

    def take(self, record: Record) -> None:
        """Go on to the next record."""
        if record.kind is Kind.STATE:
            self.state, self.wanted = record.data["new"], record.data["wanted"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How an app stands now, as far as its history tells."""

    state: str
    since: float  # in seconds since the epoch
    reason: str
    comes_back: bool = False  # by itself, when a file changes that it has failed for


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident of one app."""

    app: str
    number: int  # from 1, the oldest that is kept
    before: tuple[Record, ...]  # what led there: its last start, and when it was up
    records: tuple[Record, ...]  # from the first sign on, with those of managers and of the file in between
    is_over: bool
    outcome: str  # what came of it, as words: `running again after 4.2s`

    @property
    def began(self) -> float:
        """When its first sign was seen, in seconds since the epoch."""
        return self.records[0].at

    @property
    def ended(self) -> float | None:
        """When it was over; None while it goes on."""
        return self.records[-1].at if self.is_over else None

    @property
    def starts(self) -> tuple[float, ...]:
        """When the app was started again in it, in seconds since the epoch."""
        moves = (record for record in self.records if record.kind is Kind.STATE)
        return tuple(record.at for record in moves if record.data["new"] == "starting")

    @property
    def turn(self) -> Record:
        """The record that says best what happened: the decision that put the app down.

        Of several the one whose cause was recognised, else the first. A crash is often seen first as a port
        that closes, and that it was a crash is said by what follows.
        """
        told = next((i for i, record in enumerate(self.records) if _cause(record)), 0)
        return next((record for record in self.records[told:] if _puts_down(record)), self.records[told])

    @property
    def cause(self) -> str:
        """What happened, in a sentence."""
        turn = self.turn
        text = str(turn.data["reason"]).partition("\n")[0] if turn.kind is Kind.STATE else turn.text
        return text if self.remedy is None else text.removesuffix(f"; {self.remedy}")

    @property
    def evidence(self) -> Record | None:
        """What the app looked like when it was put down, if that was seen."""
        found = [record for record in self.records if record.kind is Kind.EVIDENCE]
        return next((record for record in found if record.run == self.turn.run), found[0] if found else None)

    @property
    def remedy(self) -> str | None:
        """What mends it, where its cause was recognised."""
        causes = (_cause(record) for record in self.records)
        return next((each["remedy"] for each in causes if each is not None), None)


def incidents(records: Iterable[Record]) -> tuple[Incident, ...]:
    """Return the incidents of one app, oldest first.

    Args:
        records: all that is kept of the app, oldest first; those of managers and of the file among them are
            told where an incident was under way.
    """
    teller = _Teller()
    for record in records:
        teller.take(record)
    teller.close(over=False, outcome=GOING_ON)
    return tuple(teller.told)


def standing(records: Iterable[Record]) -> Standing | None:
    """Return how an app stands after its records, or None where they do not tell."""
    found: Standing | None = None
    for record in records:
        if record.kind is Kind.STATE:
            found = Standing(
                record.data["new"], record.at, record.data["reason"], bool(record.data.get("comes_back"))
            )
        elif record.kind is Kind.WAIT and found is not None:
            found = replace(found, reason=record.data["reason"])
    return found


@dataclass(slots=True)
class _Teller:
    told: list[Incident] = field(default_factory=list)
    course: Course = field(default_factory=Course)
    under_way: list[Record] = field(default_factory=list)
    before: tuple[Record, ...] = ()
    spawned: Record | None = None
    ran: Record | None = None

    def take(self, record: Record) -> None:
        """Go on to the next record."""
        if record.app is None:
            if self.under_way and record.kind in AROUND:
                self.under_way.append(record)
            return
        if self.course.begins_anew(record):
            self.close(over=True, outcome="its end was not seen")
        if not self.under_way and self.course.is_trouble(record):
            self.before = tuple(each for each in (self.spawned, self.ran) if each is not None)
        if self.under_way or self.course.is_trouble(record):
            self.under_way.append(record)
        self.course.take(record)
        if record.kind is Kind.SPAWN:
            self.spawned, self.ran = record, None
        if record.kind is Kind.STATE and record.data["new"] in RESTING | {"running"}:
            self.ran = record if record.data["new"] == "running" else None
            self.close(over=True, outcome=self._outcome(record))

    def close(self, *, over: bool, outcome: str) -> None:
        """End what is under way, if anything is."""
        records, self.under_way = tuple(self.under_way), []
        if records and not _was_meant(records):
            app = records[0].app
            assert app is not None, "an incident begins with a record of its app"
            number = len(self.told) + 1
            self.told.append(Incident(app, number, self.before, records, over, outcome))

    def _outcome(self, last: Record) -> str:
        """Return what came of the incident that `last` ends."""
        if not self.under_way:
            return ""
        took = spell_duration(last.at - self.under_way[0].at)
        after = f" after {took}" if took != "0s" else ""
        reason = str(last.data["reason"]).partition("\n")[0]
        match last.data["new"]:
            case "running":
                ran = any(each.kind is Kind.STATE for each in self.before)
                return f"running {'again ' if ran else ''}after {took}"
            case "failed":
                return f"given up{after}"
            case "completed":
                return f"not restarted{after}"
        return f"{reason}{after}" if reason.startswith("stopped") else f"stopped{after}: {reason}"


def _was_meant(records: tuple[Record, ...]) -> bool:
    """Return whether this was no trouble after all, as what follows its first signs tells.

    The app exited with code 0 and that was what it was to do; or its user had already asked for its stop,
    which waited for what depends on it.
    """
    moves = [record for record in records if record.kind is Kind.STATE]
    if moves and not moves[0].data["wanted"] and records[0].kind in (Kind.CHECK, Kind.EXIT):
        return True
    exits = [record.data["code"] for record in records if record.kind is Kind.EXIT]
    is_done = bool(moves) and moves[-1].data["new"] == "completed" and exits == [0]
    return is_done and records[-1].at - records[0].at <= PARTING_S


def _puts_down(record: Record) -> bool:
    if record.kind is not Kind.STATE:
        return False
    return record.data.get("ending") in FAULTS or record.data["new"] in ("backoff", "failed")


def _cause(record: Record) -> Mapping[str, str | None] | None:
    """Return the recognised cause that a record tells, if it does; of a spawn it is a plain sentence."""
    cause = record.data.get("cause")
    return cause if isinstance(cause, Mapping) else None
