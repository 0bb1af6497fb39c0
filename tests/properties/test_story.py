"""Incidents and reports of any life of an app, beside the truth; and the bugs that prove this can fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import strategies as st

from procman.core import report as reporting
from procman.core import story
from procman.core.config import AppConfig, Backoff, Check, CheckKind, Command, GiveUp, Restart
from procman.core.events import Held, Probed, Restarted, Start, Stop
from procman.core.journal import Kind, Record
from procman.core.report import Figures, Phase, report, total
from procman.core.story import Course, incidents
from procman.core.verdict import Verdict
from tests.fakes.chronicle import START, Chronicle
from tests.properties.promises import Promise, promise

CONFIG = AppConfig(
    name="web",
    command=Command(("npm", "start")),
    port=3000,
    check=Check(CheckKind.TCP, failures=3, retry_interval=1.0),
    check_interval=2.0,
    start_timeout=10.0,
    stop_timeout=4.0,
    backoff=Backoff(initial=1.0, factor=2.0, max=8.0, jitter=0.2, reset_after=30.0),
    give_up=GiveUp(starts=3, within=120.0),
)
SECONDS = st.sampled_from([0.05, 0.5, 1.0, 3.5, 5.0, 31.0])
ANSWERS = st.sampled_from(["up", "up", "up", "down", "down", "stranger", "unknown", "held"])
DEEDS = st.one_of(
    st.tuples(st.just("wait"), SECONDS),
    st.tuples(st.just("wait"), SECONDS),
    st.tuples(st.just("answer"), st.tuples(ANSWERS, SECONDS)),
    st.tuples(st.just("die"), st.sampled_from([0, 1, 137])),
    st.tuples(st.just("die"), st.sampled_from([0, 1, 137])),
    st.tuples(st.just("user"), st.sampled_from([Start(), Start(), Stop(), Restarted()])),
    st.tuples(st.just("block"), st.sampled_from([None, "port", "dependency"])),
    st.tuples(st.just("kill manager"), SECONDS),
    st.tuples(st.just("kill both"), SECONDS),
    st.tuples(st.just("reboot"), SECONDS),
    st.tuples(st.just("stubborn"), st.booleans()),
)


@dataclass(frozen=True)
class Life:
    """What happens to an app, and which restart it asked for."""

    deeds: tuple[tuple[str, Any], ...]
    restart: Restart = Restart.ALWAYS

    def lived(self) -> Chronicle:
        """Return its chronicle."""
        chronicle = Chronicle(replace(CONFIG, restart=self.restart))
        answers = "up"

        def answer() -> Probed:
            match answers:
                case "up":
                    return chronicle.up()
                case "held":
                    return chronicle.held()
                case "unknown":
                    return chronicle.unknown()
            return chronicle.down(Verdict.STRANGER if answers == "stranger" else Verdict.CLOSED)

        chronicle.check = answer
        chronicle.advance(1.0)
        chronicle.send(Start())
        for deed, value in self.deeds:
            if deed == "answer":
                answers, seconds = value
                chronicle.advance(seconds)
            else:
                _do(chronicle, deed, value)
        chronicle.finish()
        return chronicle


def _do(chronicle: Chronicle, deed: str, value: Any) -> None:
    match deed:
        case "wait":
            chronicle.advance(value)
        case "die" if chronicle.app.generation in chronicle.alive:
            chronicle.die(value)
        case "user":
            chronicle.send(value)
        case "block":
            blocks = {
                None: None,
                "port": Held("port 3000 is held", recheck=True, verdict=Verdict.STRANGER),
                "dependency": Held("waits for `db`", recheck=True),
            }
            chronicle.blocked = blocks[value]
        case "kill manager" | "kill both":
            chronicle.kill_manager(value, app_dies=deed == "kill both")
        case "reboot":
            chronicle.reboot(value)
            chronicle.advance(1.0)
            chronicle.send(Start())
        case "stubborn":
            chronicle.stubborn = value


LISTS = st.lists(DEEDS, max_size=25).map(tuple)
LIVES = st.builds(Life, LISTS)
# An exit with code 0 may be what the app was to do: then a port that closed just before was no trouble.
ANY_LIVES = st.builds(Life, LISTS, st.sampled_from([*Restart, Restart.ALWAYS]))
SHARES = st.floats(0.0, 1.0, exclude_max=True)
CUTS = st.tuples(ANY_LIVES, SHARES, SHARES)


def figures(chronicle: Chronicle, since: float, until: float) -> Figures:
    return report(chronicle.records, since, until, chronicle.wall).get("web", Figures())


def whole(chronicle: Chronicle) -> Figures:
    return figures(chronicle, START, chronicle.wall + 0.001)


@promise(LIVES)
def a_report_is_the_truth(life: Life) -> None:
    chronicle = life.lived()
    found, truth = whole(chronicle), chronicle.seconds
    assert found.up_s == pytest.approx(truth["up"], abs=0.01)
    assert found.down_s == pytest.approx(truth["down"], abs=0.01)
    assert found.repairs == len(chronicle.outages)
    assert found.repair_s == pytest.approx(sum(chronicle.outages), abs=0.01)


@promise(ANY_LIVES)
def no_second_is_lost_or_counted_twice(life: Life) -> None:
    chronicle = life.lived()
    found = whole(chronicle)
    parts = (found.up_s, found.down_s, found.unknown_s, found.other_s)
    assert min(parts) >= 0.0
    assert sum(parts) == pytest.approx(chronicle.wall + 0.001 - START, abs=0.001)
    assert found.availability is None or 0.0 <= found.availability <= 1.0
    assert found.longest_outage_s <= found.down_s + 0.001
    assert found.repairs <= found.incidents
    assert total([found, found]).availability == found.availability


@promise(CUTS)
def a_period_that_is_split_sums_up_to_the_whole(cut: tuple[Life, float, float]) -> None:
    life, *shares = cut
    chronicle = life.lived()
    end = chronicle.wall + 0.001
    moments = [record.at for record in chronicle.records]  # where it is cut is where it matters
    low, high = sorted(moments[int(share * len(moments))] for share in shares)
    parts = [figures(chronicle, *each) for each in ((START, low), (low, high), (high, end))]
    summed, found = total(parts), whole(chronicle)
    for name in ("up_s", "down_s", "unknown_s", "other_s", "repair_s"):
        assert getattr(summed, name) == pytest.approx(getattr(found, name), abs=0.001), name
    for name in ("incidents", "restarts", "repairs"):
        assert getattr(summed, name) == getattr(found, name), name


@promise(LIVES)
def every_trouble_is_of_one_incident_and_none_is_without(life: Life) -> None:
    records = life.lived().records
    told = incidents(records)
    of_incidents = [record.number for incident in told for record in incident.records]
    assert len(of_incidents) == len(set(of_incidents)), "a record is of two incidents"
    course, troubles = Course(), set()
    for record in records:
        if record.app is not None and course.is_trouble(record):
            troubles.add(record.number)
        course.take(record)
    assert troubles <= set(of_incidents), "trouble that no incident tells of"
    for incident in told:
        assert incident.records[0].number in troubles, "an incident without trouble"


@promise(ANY_LIVES)
def an_incident_ends_when_the_app_runs_again_or_rests(life: Life) -> None:
    chronicle = life.lived()
    told = incidents(chronicle.records)
    assert [each.number for each in told] == list(range(1, len(told) + 1))
    for incident in told:
        moves = [r.data["new"] for r in incident.records if r.kind is Kind.STATE]
        ends = [new in ("running", "failed", "stopped", "completed") for new in moves]
        assert not any(ends[:-1]), "it went on although it was over"
        if incident.ended is None:
            assert incident is told[-1]
            assert not any(ends)
            assert chronicle.app.state.value not in ("running", "failed", "stopped", "completed")
        assert [r.number for r in incident.records] == sorted(r.number for r in incident.records)
        assert all(r.number < incident.records[0].number for r in incident.before)


PROMISES = [
    a_report_is_the_truth,
    no_second_is_lost_or_counted_twice,
    a_period_that_is_split_sums_up_to_the_whole,
    every_trouble_is_of_one_incident_and_none_is_without,
    an_incident_ends_when_the_app_runs_again_or_rests,
]


@pytest.mark.parametrize("promised", PROMISES, ids=lambda each: each.check.__name__)
def test_it_holds(promised: Promise) -> None:
    promised.holds()


# Planted bugs: each is a mistake that is easily made here.

decided, take_manager = reporting._Phases._decided, reporting._Phases._take_manager
is_trouble, close, take = Course.is_trouble, story._Teller.close, story._Teller.take


def what_is_given_up_is_not_down(self: Any, record: Record) -> Phase:
    return Phase.OTHER if record.data["new"] == "failed" else decided(self, record)


def the_first_start_is_down(self: Any, record: Record) -> Phase:
    found = decided(self, record)
    return Phase.DOWN if found is Phase.OTHER and record.data["wanted"] else found


def what_a_manager_does_not_take_back_goes_on(self: Any, event: str) -> None:
    return None


def what_is_taken_back_is_forgotten(self: Any, event: str) -> None:
    if event != "took back":
        take_manager(self, event)


def a_dead_manager_sees_all(records: Any, told_until: float, until: float) -> list[Any]:
    return []


def an_outage_ends_where_nobody_looks(spans: Any) -> Any:
    for span in spans:
        if span.phase is Phase.DOWN:
            yield reporting.Outage((span,), span.end)


def what_ends_is_repaired(spans: Any) -> Any:
    for outage in outages(spans):
        yield replace(outage, repaired_at=outage.spans[-1].end)


outages = reporting._outages


def a_span_is_not_cut(self: Any, begin: float, end: float) -> float:
    return self.end - self.begin if self.end > begin and self.begin < end else 0.0


def the_end_is_of_the_period(at: float | None, since: float, until: float) -> bool:
    return at is not None and since <= at <= until


def a_failed_check_counts_while_it_starts(self: Any, record: Record) -> bool:
    fails = record.kind is Kind.CHECK and record.data["outcome"] == "down"
    return (self.wanted and fails) or is_trouble(self, record)


def a_held_check_is_trouble(self: Any, record: Record) -> bool:
    held = record.kind is Kind.CHECK and record.data["outcome"] == "held"
    return (self.wanted and held) or is_trouble(self, record)


def a_dependency_is_a_stranger(self: Any, record: Record) -> bool:
    return record.kind is Kind.WAIT or is_trouble(self, record)


def what_a_user_asks_for_is_trouble(self: Any, record: Record) -> bool:
    asked = record.kind is Kind.STATE and record.data["new"] == "stopping"
    return asked or is_trouble(self, record)


def an_exit_is_no_trouble(self: Any, record: Record) -> bool:
    exits = record.kind is Kind.EXIT or record.data.get("ending") == "exited"
    return not exits and is_trouble(self, record)


def a_reboot_is_not_seen(self: Any, record: Record) -> bool:
    return False


def an_incident_goes_on_over_a_failure(self: Any, *, over: bool, outcome: str) -> None:
    if not outcome.startswith("given up"):
        close(self, over=over, outcome=outcome)


def records_stay_for_the_next_incident(self: Any, *, over: bool, outcome: str) -> None:
    kept = list(self.under_way)
    close(self, over=over, outcome=outcome)
    self.under_way = kept if over else []


def the_newest_is_forgotten(self: Any, *, over: bool, outcome: str) -> None:
    if over:
        close(self, over=over, outcome=outcome)


PHASES, TELLER = reporting._Phases, story._Teller


@pytest.mark.parametrize(
    ("promised", "owner", "name", "bug"),
    [
        (a_report_is_the_truth, PHASES, "_decided", what_is_given_up_is_not_down),
        (a_report_is_the_truth, PHASES, "_decided", the_first_start_is_down),
        (a_report_is_the_truth, PHASES, "_take_manager", what_a_manager_does_not_take_back_goes_on),
        (a_report_is_the_truth, PHASES, "_take_manager", what_is_taken_back_is_forgotten),
        (a_report_is_the_truth, reporting, "_without_manager", a_dead_manager_sees_all),
        (a_report_is_the_truth, reporting, "_outages", an_outage_ends_where_nobody_looks),
        (a_report_is_the_truth, reporting, "_outages", what_ends_is_repaired),
        (a_report_is_the_truth, Course, "is_trouble", a_failed_check_counts_while_it_starts),
        (a_report_is_the_truth, Course, "is_trouble", a_held_check_is_trouble),
        (a_report_is_the_truth, Course, "is_trouble", a_dependency_is_a_stranger),
        (a_report_is_the_truth, Course, "is_trouble", what_a_user_asks_for_is_trouble),
        (a_report_is_the_truth, Course, "is_trouble", an_exit_is_no_trouble),
        (a_report_is_the_truth, Course, "begins_anew", a_reboot_is_not_seen),
        (a_period_that_is_split_sums_up_to_the_whole, reporting.Span, "within", a_span_is_not_cut),
        (a_period_that_is_split_sums_up_to_the_whole, reporting, "_is_within", the_end_is_of_the_period),
        (every_trouble_is_of_one_incident_and_none_is_without, TELLER, "close", the_newest_is_forgotten),
        (
            every_trouble_is_of_one_incident_and_none_is_without,
            TELLER,
            "close",
            records_stay_for_the_next_incident,
        ),
        (
            an_incident_ends_when_the_app_runs_again_or_rests,
            TELLER,
            "close",
            an_incident_goes_on_over_a_failure,
        ),
    ],
    ids=lambda each: getattr(getattr(each, "check", each), "__name__", str(each)),
)
def test_a_planted_bug_is_found(
    promised: Promise, owner: Any, name: str, bug: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, bug)
    promised.is_broken()
