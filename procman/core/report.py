"""How well apps did over a period: each figure is defined here, and nowhere else.

Every second of the period is one of four for each app:

- **up**: it was `running`;
- **down**: it was wanted, and something had gone wrong (see `core.story`) since when it had not been
  `running` again: also while it was restarted, and after it was given up;
- **unknown**: nobody looked. No manager ran: from the end of one to the beginning of the next, and for one
  that was killed from the last thing it told. Or nothing is kept of the app yet;
- **other**: it was not wanted, had `completed`, or was on its way up although nothing had gone wrong: the
  first start, and a restart that its user asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from procman.core.journal import Kind, Record
from procman.core.story import Course, Incident, incidents

WITH_PROCESS = frozenset({"preparing", "starting", "running", "unhealthy", "stopping"})


class Phase(Enum):
    """What a second of an app counts as."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which an app was in one phase, in seconds since the epoch."""

    begin: float
    end: float
    phase: Phase

    def within(self, begin: float, end: float) -> float:
        """Return how many of its seconds lie in a period."""
        return max(0.0, min(end, self.end) - max(begin, self.begin))


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which an app was down, until it was `running` again or nobody wanted it any more."""

    spans: tuple[Span, ...]  # when it was known to be down
    repaired_at: float | None  # when it was `running` again, if that is how it ended

    def within(self, begin: float, end: float) -> float:
        """Return for how many seconds of a period it lasted."""
        return sum(span.within(begin, end) for span in self.spans)

    @property
    def seconds(self) -> float:
        """How long it lasted in all."""
        return sum(span.end - span.begin for span in self.spans)


@dataclass(frozen=True, slots=True)
class Figures:
    """How well an app did in a period, or several of them together."""

    up_s: float = 0.0
    down_s: float = 0.0
    unknown_s: float = 0.0
    other_s: float = 0.0
    incidents: int = 0  # that began in the period
    restarts: int = 0  # starts of the app in the period, within an incident
    repairs: int = 0  # outages that ended in the period with the app `running` again
    repair_s: float = 0.0  # how long those lasted, also where they began before the period
    longest_outage_s: float = 0.0  # the part of one that lies in the period

    @property
    def availability(self) -> float | None:
        """The share of up in up and down, from 0 to 1; None where there is neither."""
        counted = self.up_s + self.down_s
        return self.up_s / counted if counted > 0 else None

    @property
    def between_failures_s(self) -> float | None:
        """Mean time between failures: the time up for each incident; None without one."""
        return self.up_s / self.incidents if self.incidents else None

    @property
    def to_repair_s(self) -> float | None:
        """Mean time to repair: how long an outage lasted until the app was `running`; None if none has."""
        return self.repair_s / self.repairs if self.repairs else None

    def __add__(self, other: Figures) -> Figures:
        """Return what holds of both together: sums, and the longer of the longest outages."""
        return Figures(
            self.up_s + other.up_s,
            self.down_s + other.down_s,
            self.unknown_s + other.unknown_s,
            self.other_s + other.other_s,
            self.incidents + other.incidents,
            self.restarts + other.restarts,
            self.repairs + other.repairs,
            self.repair_s + other.repair_s,
            max(self.longest_outage_s, other.longest_outage_s),
        )


def report(records: Iterable[Record], since: float, until: float, told_until: float) -> dict[str, Figures]:
    """Return the figures of every app that the records name, in a period.

    Args:
        records: all that is kept of all apps and managers, oldest first, also from before the period.
        since: when the period begins, in seconds since the epoch.
        until: when it ends; what happens at that moment is not of it.
        told_until: up to when the records tell all: now if a manager runs, else the time of the last one.
    """
    kept = list(_forward(records))
    gaps = list(_without_manager(kept, min(told_until, until), until))
    own: dict[str, list[Record]] = {}
    for record in kept:
        if record.app is not None:
            own.setdefault(record.app, []).append(record)
        else:  # about the manager: of every app that there was
            for each in own.values():
                each.append(record)
    return {app: _figures(each, gaps, since, until) for app, each in own.items()}


def total(figures: Iterable[Figures]) -> Figures:
    """Return what holds of several apps together."""
    return sum(figures, Figures())


def _forward(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the records with times that never go back, as they do where somebody sets the clock."""
    latest = float("-inf")
    for record in records:
        latest = max(latest, record.at)
        yield record if record.at == latest else replace(record, at=latest)


def _without_manager(records: Sequence[Record], told_until: float, until: float) -> Iterator[Span]:
    """Yield the times in which no manager ran, and at the end the one of which nothing is told yet."""
    last: float | None = None  # when anything was told
    ended = False
    for record in records:
        event = record.data.get("event") if record.kind is Kind.MANAGER else None
        if last is not None and (ended or event == "began"):
            yield Span(last, record.at, Phase.UNKNOWN)
        last, ended = record.at, event in ("ended", "replaced")
    if last is not None:
        yield Span(last if ended else max(last, told_until), max(last, until), Phase.UNKNOWN)


def _figures(records: Sequence[Record], gaps: Sequence[Span], since: float, until: float) -> Figures:
    told = incidents(records)
    spans = tuple(_known(_spans(records, told, min(since, records[0].at), until), gaps))
    outages = tuple(_outages(spans))
    lengths = {
        phase: sum(span.within(since, until) for span in spans if span.phase is phase) for phase in Phase
    }
    repaired = [each for each in outages if _is_within(each.repaired_at, since, until)]
    return Figures(
        up_s=lengths[Phase.UP],
        down_s=lengths[Phase.DOWN],
        unknown_s=lengths[Phase.UNKNOWN],
        other_s=lengths[Phase.OTHER],
        incidents=sum(_is_within(incident.began, since, until) for incident in told),
        restarts=sum(_is_within(at, since, until) for incident in told for at in incident.starts),
        repairs=len(repaired),
        repair_s=sum(each.seconds for each in repaired),
        longest_outage_s=max((each.within(since, until) for each in outages), default=0.0),
    )


def _is_within(at: float | None, since: float, until: float) -> bool:
    return at is not None and since <= at < until


@dataclass(slots=True)
class _Phases:
    """The phase of one app, record by record."""

    signs: list[Record]  # the first one of each incident, oldest first
    phase: Phase = Phase.UNKNOWN
    before: Phase | None = None  # the phase until a manager began that may not have taken its run back
    course: Course = field(default_factory=Course)

    def take(self, record: Record) -> None:
        """Go on to the next record."""
        if record.kind is Kind.MANAGER:
            self._take_manager(record.data["event"])
        elif self.signs and record is self.signs[0]:
            del self.signs[0]
            self.phase, self.before = Phase.DOWN, None
        if record.kind is Kind.STATE:
            self.phase, self.before = self._decided(record), None
        self.course.take(record)

    def _take_manager(self, event: str) -> None:
        if event == "began" and self.course.state in WITH_PROCESS and self.before is None:
            self.phase, self.before = Phase.UNKNOWN, self.phase
        elif event == "took back" and self.before is not None:
            self.phase, self.before = self.before, None

    def _decided(self, record: Record) -> Phase:
        new, is_wanted = record.data["new"], record.data["wanted"]
        if new == "running":
            return Phase.UP
        if not is_wanted or new in ("stopped", "completed") or self.course.begins_anew(record):
            return Phase.OTHER
        is_down = Phase.DOWN in (self.phase, self.before)
        return Phase.DOWN if is_down else Phase.OTHER


def _spans(records: Sequence[Record], told: Sequence[Incident], begin: float, end: float) -> Iterator[Span]:
    """Yield the phases of one app from `begin` to `end`, without a gap."""
    phases = _Phases([incident.records[0] for incident in told])
    for record in records:
        before = phases.phase
        phases.take(record)
        if phases.phase is not before:
            yield Span(begin, record.at, before)
            begin = record.at
    yield Span(begin, max(begin, end), phases.phase)


def _known(spans: Iterable[Span], gaps: Sequence[Span]) -> Iterator[Span]:
    """Yield the spans with what is not known of them: how an app did while no manager ran."""
    for span in spans:
        begin = span.begin
        for gap in gaps if span.phase in (Phase.UP, Phase.DOWN) else ():
            if gap.begin < span.end and gap.end > begin:
                yield Span(begin, max(begin, gap.begin), span.phase)
                begin, end = max(begin, gap.begin), min(span.end, gap.end)
                yield Span(begin, end, Phase.UNKNOWN)
                begin = end
        yield Span(begin, span.end, span.phase)


def _outages(spans: Iterable[Span]) -> Iterator[Outage]:
    """Yield the times that an app was down; what is not known does not end one."""
    down: list[Span] = []
    for span in spans:
        if span.phase is Phase.DOWN:
            down.append(span)
        elif down and span.phase is not Phase.UNKNOWN:
            yield Outage(tuple(down), span.begin if span.phase is Phase.UP else None)
            down = []
    if down:
        yield Outage(tuple(down), None)
