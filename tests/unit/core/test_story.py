"""Incidents by example: the records are those that the real machine's steps leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from procman.core.app import Outcome
from procman.core.causes import Cause
from procman.core.config import AppConfig, Check, CheckKind, Command, GiveUp, Restart
from procman.core.events import Held, Probed, Restarted, SpawnFailed, Start, Stop
from procman.core.journal import Kind, Record
from procman.core.story import Incident, incidents, standing
from procman.core.verdict import Verdict
from tests.fakes.chronicle import START, Chronicle

CONFIG = AppConfig(
    "web", Command(("npm", "start")), port=3000, check=Check(CheckKind.TCP), check_interval=10.0
)
STRANGER = Held("waits for port 3000: it is held by pid 7", recheck=True, verdict=Verdict.STRANGER)


def running(**more: Any) -> Chronicle:
    """Return the chronicle of an app that came up a second ago."""
    life = Chronicle(replace(CONFIG, **more))
    life.send(Start())
    life.advance(1.0)
    assert told(life) == []
    return life


def told(life: Chronicle) -> list[Incident]:
    return list(incidents(life.records))


def only(life: Chronicle) -> Incident:
    (incident,) = told(life)
    return incident


def kinds(incident: Incident) -> list[str]:
    return [record.kind.value for record in incident.records]


def test_a_crash_is_an_incident_from_its_exit_until_the_app_runs_again() -> None:
    life = running()
    life.die(3)
    life.advance(1.0)
    incident = only(life)
    assert incident.cause == "exited with code 3"
    assert incident.outcome == "running again after 0.1s"
    assert (incident.began, incident.ended) == (START + 1.0, pytest.approx(START + 1.12))
    assert kinds(incident) == ["exit", "state", "state", "state", "spawn", "check", "state"]
    assert [record.kind for record in incident.before] == [Kind.SPAWN, Kind.STATE]
    assert incident.before[1].data["new"] == "running"
    assert len(incident.starts) == 1


def test_failed_checks_are_one_incident_with_the_decision_as_its_cause() -> None:
    life = running()
    life.check = life.down
    life.advance(13.2)
    life.check = life.up
    life.advance(20.0)
    incident = only(life)
    assert incident.cause == "4 checks failed in a row: nothing listens"
    assert incident.records[0].kind is Kind.CHECK
    assert incident.outcome.startswith("running again after ")


def test_a_single_failed_check_that_passes_again_is_an_incident_too() -> None:
    life = running()
    life.check = life.down
    life.advance(9.5)
    life.check = life.up
    life.advance(2.0)
    incident = only(life)
    assert incident.cause == "check failed: nothing listens"
    assert incident.starts == ()
    assert incident.outcome == "running again after 1s"


def test_an_incident_that_goes_on_has_no_end() -> None:
    life = running()
    life.check = life.down
    life.advance(10.0)
    incident = only(life)
    assert incident.ended is None
    assert incident.outcome == "still going on"


def test_giving_up_ends_it() -> None:
    life = running(give_up=GiveUp(starts=1, within=60.0))
    life.die(1)
    incident = only(life)
    assert incident.outcome == "given up"
    assert incident.ended == incident.began


@pytest.mark.parametrize("asked", [Stop(), Restarted()])
def test_what_a_user_asks_for_is_none(asked: Stop | Restarted) -> None:
    life = running()
    life.stubborn = True
    life.send(asked)
    life.advance(30.0)
    assert told(life) == []


def test_a_stop_in_the_middle_ends_it() -> None:
    life = running()
    life.check = life.down
    life.advance(10.0)
    life.send(Stop())
    assert only(life).outcome == "stopped by its user after 0.9s"


def test_a_table_that_leaves_the_file_ends_it_with_its_reason() -> None:
    life = running()
    life.check = life.down
    life.advance(10.0)
    life.send(Stop("its table has left the file"))
    assert only(life).outcome == "stopped after 0.9s: its table has left the file"


def test_failed_checks_of_a_start_are_none_but_a_start_that_takes_too_long_is() -> None:
    life = Chronicle(replace(CONFIG, start_timeout=5.0))
    life.check = life.down
    life.send(Start())
    life.advance(4.9)
    assert told(life) == []
    life.advance(0.2)
    incident = only(life)
    assert incident.cause == "no check passed within 5s (`start_timeout`): nothing listens"
    assert incident.began == START + 5.0


def test_an_app_that_never_ran_does_not_run_again() -> None:
    life = Chronicle(CONFIG)
    life.blocked = STRANGER
    life.send(Start())
    life.advance(5.0)
    life.blocked = None
    life.advance(5.0)
    assert only(life).outcome == "running after 6.1s"


def test_a_stranger_on_the_port_is_one_and_a_dependency_is_none() -> None:
    life = Chronicle(CONFIG)
    life.blocked = Held("waits for `db` to be healthy; it is starting")
    life.send(Start())
    life.advance(5.0)
    assert told(life) == []
    life.blocked = STRANGER
    life.send(Start())
    life.advance(5.0)
    incident = only(life)
    assert incident.cause == STRANGER.reason
    assert kinds(incident) == ["wait"], "it is told once, however often it is looked at"


def test_a_command_that_can_not_be_spawned_is_one() -> None:
    life = Chronicle(CONFIG)
    perform = life._perform

    def fail(action: object) -> list[Any]:
        events = perform(action)
        run = life.app.generation
        return (
            [SpawnFailed(run, "no such file: `npm`", True)] if life.alive and not life.app.passes else events
        )

    life._perform = fail  # type: ignore[method-assign]
    life.send(Start())
    incident = only(life)
    assert (incident.cause, incident.outcome) == ("no such file: `npm`", "given up")


@pytest.mark.parametrize(("code", "count"), [(0, 0), (1, 1)])
def test_an_app_that_is_done_has_had_no_trouble(code: int, count: int) -> None:
    life = running(restart=Restart.NEVER)
    life.die(code)
    assert len(told(life)) == count
    assert life.records[-1].data["new"] == "completed"


def test_a_port_that_closes_just_before_an_app_is_done_is_no_trouble() -> None:
    life = running(restart=Restart.NEVER)
    life.check = life.down
    life.advance(10.0)
    assert len(told(life)) == 1
    life.die(0)
    assert told(life) == []


def test_an_app_that_ends_while_its_stop_is_waited_for_has_had_no_trouble() -> None:
    life = running()
    life.app = replace(life.app, wanted=False)
    life.die(1)
    assert life.app.state.value == "stopped"
    assert told(life) == []


@pytest.mark.parametrize(("code", "count"), [(0, 0), (1, 1)])
def test_a_prepare_that_fails_is_one(code: int, count: int) -> None:
    life = Chronicle(replace(CONFIG, prepare=Command(("npm", "ci"))))
    life.send(Start())
    life.die(code)
    life.advance(1.0)
    assert len(told(life)) == count
    if count:
        assert only(life).cause == "`prepare` failed: `npm ci` exited with code 1"
        assert only(life).outcome == "given up"


def test_held_checks_alone_are_none_and_are_told_in_one() -> None:
    life = running()
    life.check = life.held
    life.advance(30.0)
    assert told(life) == []
    life.check = life.down
    life.advance(1.0)
    life.check = life.held
    life.advance(1.0)
    life.check = life.up
    life.advance(1.0)
    assert "check held: held: `npm install` is running" in [record.text for record in only(life).records]


def test_a_recognised_cause_is_what_happened_and_its_remedy_stands_alone() -> None:
    cause = Cause("missing module", "`express` is not installed", "run `npm install`", hopeless=True)
    life = running()
    life.die(1)
    life.advance(0.05)
    life.die(1, cause=cause)
    incident = only(life)
    assert incident.cause == "exited with code 1: `express` is not installed"
    assert incident.remedy == "run `npm install`"
    assert incident.turn.run == 2, "the run that said why"


def test_the_evidence_is_of_the_run_that_went_down() -> None:
    life = running()
    life.die(1)
    life.advance(0.01)
    records = list(life.records)
    assert only(life).evidence is None
    at = records.index(next(r for r in records if r.kind is Kind.EXIT)) + 2
    for run in (9, 1):
        records.insert(at, Record(START, Kind.EVIDENCE, f"of run {run}", "web", run))
    (incident,) = incidents(records)
    assert incident.evidence is not None
    assert incident.evidence.text == "of run 1"


def test_a_manager_that_dies_in_it_is_a_part_of_it() -> None:
    life = running()
    life.check = life.down
    life.advance(10.0)
    life.kill_manager(60.0)
    life.check = life.up
    life.advance(2.0)
    incident = only(life)
    assert [r.data["event"] for r in incident.records if r.kind is Kind.MANAGER] == ["began", "took back"]
    assert incident.outcome == "running again after 1m1s"


def test_what_dies_while_no_manager_runs_is_an_incident_of_the_next_one() -> None:
    life = running()
    life.kill_manager(60.0, app_dies=True)
    life.advance(1.0)
    incident = only(life)
    assert incident.cause == "ended unseen"
    assert incident.outcome == "running again after 0.1s"


def test_a_reboot_ends_it_unseen() -> None:
    life = running()
    life.check = life.down
    life.advance(10.0)
    life.reboot(60.0)
    life.check = life.up
    life.send(Start())
    life.advance(1.0)
    incident = only(life)
    assert incident.outcome == "its end was not seen"
    assert incident.ended == pytest.approx(START + 71.0)


def test_what_concerns_all_apps_is_told_in_an_incident_and_nowhere_else() -> None:
    life = running()
    life.die(1)
    edit = Record(START + 1.0, Kind.RELOAD, "the file was applied: restart web")
    receipt = Record(START + 1.0, Kind.GONE, "stopped an orphan")
    before = incidents([edit, *life.records])
    within = incidents([*life.records, edit, receipt])
    assert edit not in before[0].records
    assert within[0].records[-1] == edit


def test_incidents_are_numbered_from_the_oldest() -> None:
    life = running()
    for _ in range(3):
        life.die(1)
        life.advance(100.0)
    assert [incident.number for incident in told(life)] == [1, 2, 3]


def test_a_history_that_begins_in_the_middle_is_told_as_far_as_it_goes() -> None:
    life = running()
    life.check = life.down
    life.advance(20.0)
    life.check = life.up
    life.advance(20.0)
    for cut in range(len(life.records)):
        for incident in incidents(life.records[cut:]):
            assert incident.ended is not None


def test_how_an_app_stands_is_its_newest_state_and_what_it_waits_for() -> None:
    life = Chronicle(CONFIG)
    assert standing(life.records) is None
    life.blocked = STRANGER
    life.advance(5.0)
    life.send(Start())
    found = standing(life.records)
    assert found is not None
    assert (found.state, found.since, found.reason) == ("waiting", START + 5.0, STRANGER.reason)


def test_a_check_that_could_not_be_made_is_none() -> None:
    life = running()
    life.check = lambda: Probed(life.app.generation, Outcome.UNKNOWN, "out of descriptors", Verdict.UNKNOWN)
    life.advance(30.0)
    assert told(life) == []
