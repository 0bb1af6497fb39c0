"""The life of one app, by example: each test's name is the promise it keeps."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from procman.core.actions import Prepare, Spawn
from procman.core.app import ALIVE, App, Ending, Exit, Outcome, State
from procman.core.causes import Cause
from procman.core.config import (
    AppConfig,
    Backoff,
    Check,
    CheckKind,
    Command,
    GiveUp,
    Restart,
)
from procman.core.events import (
    Adopted,
    Cleared,
    Due,
    Event,
    Exceeded,
    Exited,
    Gone,
    Held,
    Moment,
    Probed,
    Reconfigured,
    Remedied,
    Restarted,
    Spawned,
    SpawnFailed,
    Start,
    Stop,
    Suspected,
    Unchanged,
    Unwanted,
)
from procman.core.machine import step
from procman.core.verdict import Verdict
from tests.fakes.world import World

WEB = AppConfig(
    name="web",
    command=Command(("npm", "run", "dev")),
    port=5173,
    check=Check(CheckKind.TCP, failures=3, retry_interval=1.0),
    check_interval=10.0,
    start_timeout=60.0,
    stop_timeout=10.0,
    backoff=Backoff(jitter=0.0),
)
NO_MODULES = Cause(
    "node_modules missing",
    "`vite` is not installed",
    "run `npm ci`",
    hopeless=True,
    files=("/web/node_modules",),
)
PORT_IN_USE = Cause("port in use", "port 9229 is in use by pid 7 (`node`)")
WORKER = replace(WEB, name="worker", port=None, check=Check())


def running(config: AppConfig = WEB) -> World:
    world = World(config)
    world.send(Start())
    world.advance(1)
    assert world.app.state is State.RUNNING
    world.log.clear()
    return world


def test_an_app_with_a_check_is_running_only_after_it_passed_twice_by_tcp() -> None:
    world = World(WEB)
    answers = iter([world.down, world.up, world.down, world.up, world.up])
    world.check = lambda: next(answers)()
    world.send(Start())
    states = []
    while world.app.state is State.STARTING:
        states.append(world.app.passes)
        world.advance(world.app.wake_at - world.now if world.app.wake_at else 1)
    assert world.app.state is State.RUNNING
    assert states == [0, 0, 1, 0, 1], "a listener that is closed again at once is not up"


def test_an_app_without_a_check_is_running_while_it_lives() -> None:
    world = World(WORKER)
    world.send(Start())
    assert world.app.state is State.STARTING, "a mistake in the command would end it at once"
    world.advance(1)
    assert world.app.state is State.RUNNING
    assert world.app.wake_at is None, "nothing to do costs no timer"


def test_an_app_that_ends_at_once_was_never_up() -> None:
    world = World(WORKER)
    world.send(Start())
    world.advance(0.5)
    world.die(127)
    assert world.app.state is State.BACKOFF


def test_a_listener_that_is_another_one_each_time_is_not_up() -> None:
    world = World(WEB)
    sockets = itertools.count()
    world.check = lambda: replace(world.up(), sockets=(next(sockets),))
    world.send(Start())
    world.advance(5)
    assert world.app.state is State.STARTING


def test_an_answer_by_http_needs_no_second_look() -> None:
    world = World(replace(WEB, check=Check(CheckKind.HTTP)))
    world.send(Start())
    world.advance(0.05)
    assert world.app.state is State.RUNNING


def test_an_app_that_needs_40_s_to_open_its_port_is_not_restarted_while_it_starts() -> None:
    world = World(WEB)
    world.check = lambda: world.up() if world.now > 40 else world.down()
    world.send(Start())
    world.advance(41)
    assert world.app.state is State.RUNNING
    assert world.log == ["0 spawn 1"]


def test_a_start_that_takes_too_long_is_ended_and_tried_again_after_a_while() -> None:
    world = World(WEB)
    world.check = lambda: world.down()
    world.send(Start())
    world.advance(61.5)
    assert world.log == ["0 spawn 1", "60 SIGTERM 1", "61 spawn 2"]
    assert "60s" in world.app.cause or "1m" in world.app.cause


def test_a_closed_port_is_mended_after_failures_x_retry_interval() -> None:
    world = running()
    world.check = lambda: world.up() if world.spawns[1:] else world.down()
    world.advance(15)
    assert world.log == ["13.12 SIGTERM 1", "13.12 spawn 2"]


def test_a_closed_port_is_mended_at_once_when_one_failure_is_enough() -> None:
    world = running(replace(WEB, check=Check(CheckKind.TCP, failures=1), check_interval=300.0))
    world.check = lambda: world.up() if world.spawns[1:] else world.down()
    world.advance(100)
    closed_at = world.now
    world.send(Suspected(1))
    assert world.spawns[1] == closed_at, "whatever `check_interval` is"


def test_a_server_that_is_back_within_three_seconds_is_left_alone() -> None:
    world = running()
    closed = world.now + 9
    world.check = lambda: world.down() if closed <= world.now < closed + 2.9 else world.up()
    world.advance(60)
    assert world.log == []
    assert world.app.state is State.RUNNING
    assert world.app.restarts == 0


def test_a_watcher_that_starts_a_new_server_is_not_restarted_on_top_of_it() -> None:
    world = running()
    closed = world.now + 9
    world.check = lambda: world.down(newest_birth=closed + 0.2) if world.now < closed + 20 else world.up()
    world.advance(50)
    assert world.log == []
    assert world.app.state is State.RUNNING


def test_a_watcher_that_sits_on_a_dead_server_is_restarted() -> None:
    world = running()
    world.check = lambda: world.up() if world.spawns[1:] else world.down(newest_birth=0.0)
    world.advance(20)
    assert world.app.restarts == 1


def test_a_stranger_on_the_port_is_never_a_reason_to_restart() -> None:
    world = running()
    world.check = lambda: world.down(Verdict.STRANGER)
    world.advance(600)
    assert world.log == []
    assert world.app.state is State.UNHEALTHY
    assert world.app.verdict is Verdict.STRANGER


def test_a_start_that_a_stranger_keeps_from_its_port_is_not_restarted() -> None:
    world = World(WEB)
    world.check = lambda: world.down(Verdict.STRANGER)
    world.send(Start())
    world.advance(100)
    assert world.log == ["0 spawn 1"]
    assert (world.app.state, world.app.verdict) == (State.UNHEALTHY, Verdict.STRANGER)
    assert "no check passed within" in world.app.reason or "nothing listens" in world.app.reason


def test_what_could_not_be_told_counts_as_up() -> None:
    world = running()
    world.check = lambda: world.unknown()
    world.advance(600)
    assert world.log == []
    assert world.app.state is State.RUNNING


def test_the_first_restart_after_a_healthy_run_is_immediate() -> None:
    world = running()
    world.advance(5)
    world.die(None, "SIGKILL")
    assert world.log == ["6 spawn 2"]
    assert world.app.last_exit is not None
    assert world.app.last_exit.signal == "SIGKILL"


def test_an_app_that_dies_after_1200_ms_is_slowed_down_and_given_up_by_the_rule() -> None:
    world = World(WORKER)
    world.send(Start())
    for _ in range(50):
        if world.app.state is State.FAILED:
            break
        world.advance(1.2)
        world.die()
        if world.app.state is State.BACKOFF and world.app.deadline is not None:
            world.advance(world.app.deadline - world.now)
    waits = [round(b - a - 1.2, 3) for a, b in itertools.pairwise(world.spawns)]
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert world.app.state is State.FAILED
    assert world.app.reason == "gave up after 10 starts within 10m; the last one: exited with code 1"


def test_a_run_that_was_healthy_for_reset_after_is_restarted_at_once_again() -> None:
    world = running()
    world.die()
    world.advance(60.2)
    world.die()
    assert world.spawns[-1] == world.now


def test_a_never_given_up_app_is_tried_for_ever() -> None:
    world = World(replace(WORKER, give_up=GiveUp(starts=0)))
    world.send(Start())
    for _ in range(200):
        world.die()
        world.advance(60)
    assert world.app.state in (State.STARTING, State.RUNNING)


def test_jitter_spreads_the_delay_by_its_share_in_both_directions() -> None:
    delays = []
    for chance in (0.0, 0.5, 1.0):
        world = World(replace(WEB, backoff=Backoff(initial=10, jitter=0.2)), chance=chance)
        world.send(Start())
        world.die()
        delays.append(world.app.deadline)
    assert delays == [8, 10, 12]


@pytest.mark.parametrize(
    ("restart", "code", "state"),
    [
        (Restart.ALWAYS, 0, State.STARTING),
        (Restart.ALWAYS, 1, State.STARTING),
        (Restart.ON_FAILURE, 0, State.COMPLETED),
        (Restart.ON_FAILURE, 1, State.STARTING),
        (Restart.NEVER, 0, State.COMPLETED),
        (Restart.NEVER, 1, State.COMPLETED),
    ],
)
def test_the_restart_key_decides_what_follows_an_exit(restart: Restart, code: int, state: State) -> None:
    world = running(replace(WORKER, restart=restart))
    world.die(code)
    assert world.app.state is state


def test_an_app_that_is_never_restarted_is_not_ended_for_its_checks_either() -> None:
    world = running(replace(WEB, restart=Restart.NEVER))
    world.check = lambda: world.down()
    world.advance(100)
    assert world.app.state is State.UNHEALTHY
    assert world.log == []


def test_a_stop_is_over_only_when_the_tree_is_gone_and_forced_after_stop_timeout() -> None:
    world = running()
    world.stubborn = True
    world.send(Stop())
    world.advance(9.9)
    assert world.app.state is State.STOPPING
    world.advance(1)
    assert world.log == ["1 SIGTERM 1", "11 SIGKILL 1"]
    assert world.app.state is State.STOPPED
    assert world.alive == set()


def test_a_second_stop_with_force_kills_at_once() -> None:
    world = running()
    world.stubborn = True
    world.send(Stop())
    world.advance(1)
    world.send(Stop(force=True))
    assert world.log == ["1 SIGTERM 1", "2 SIGKILL 1"]


def test_a_start_during_a_stop_waits_for_the_old_tree_to_be_gone() -> None:
    world = running()
    world.stubborn = True
    world.send(Stop())
    world.send(Start())
    world.advance(20)
    assert world.log == ["1 SIGTERM 1", "11 SIGKILL 1", "11 spawn 2"]


def test_a_stop_during_a_restart_wins() -> None:
    world = running()
    world.stubborn = True
    world.send(Restarted())
    world.send(Stop())
    world.advance(20)
    assert world.app.state is State.STOPPED
    assert world.log == ["1 SIGTERM 1", "11 SIGKILL 1"]


def test_what_is_not_wanted_any_more_is_not_restarted_when_it_ends() -> None:
    world = running(WORKER)
    world.send(Unwanted())
    assert world.app.state is State.RUNNING, "its dependents go first"
    world.die(1)
    assert world.app.state is State.STOPPED


def test_a_start_looks_again_at_what_an_app_waits_for() -> None:
    world = World(WEB)
    world.blocked = Held("a stranger holds its port")
    world.send(Start())
    world.blocked = None
    world.send(Start())
    assert world.app.state is State.STARTING


def test_a_notice_means_nothing_to_an_app_without_a_check() -> None:
    world = running(WORKER)
    world.send(Suspected(1))
    assert not world.app.probing


def test_a_stop_during_backoff_ends_it_and_a_start_skips_the_wait() -> None:
    world = World(WEB)
    world.send(Start())
    world.die()
    assert world.app.state is State.BACKOFF
    world.send(Stop())
    assert world.app.state is State.STOPPED
    assert world.app.wake_at is None
    world.send(Start())
    world.die()
    world.send(Start())
    assert world.app.state is State.STARTING
    assert world.app.attempts == 0


def test_prepare_runs_before_the_start_and_only_once() -> None:
    world = World(replace(WORKER, prepare=Command(("npm", "ci"))))
    world.send(Start())
    assert world.app.state is State.PREPARING
    world.die(0)
    assert world.app.state is State.STARTING
    world.advance(1)
    world.die(1)
    assert world.log == ["0 prepare 1", "0 spawn 2", "1 spawn 3"]


def test_a_file_brings_no_app_back_that_nobody_wants_any_more() -> None:
    world = running()
    world.check = lambda: replace(world.down(), cause=NO_MODULES)
    world.advance(100)
    world.send(Unwanted())
    world.send(Remedied("/web/node_modules"))
    assert (world.app.state, world.app.wanted) == (State.UNHEALTHY, False)


def test_no_state_of_a_prepare_tells_a_secret_of_its_command() -> None:
    world = World(replace(WEB, prepare=Command(("npm", "ci", "--token", "hunter2"))))
    world.send(Start())
    assert world.app.reason == "runs `npm ci --token (hidden)`"
    world.die(1)
    assert world.app.reason == "`prepare` failed: `npm ci --token (hidden)` exited with code 1"


def test_a_failed_prepare_is_reported_as_such_and_not_as_a_crash() -> None:
    world = World(replace(WEB, prepare=Command(("npm", "ci"))))
    world.send(Start())
    world.die(1)
    assert world.app.state is State.FAILED
    assert world.app.reason == "`prepare` failed: `npm ci` exited with code 1"
    assert world.app.restarts == 0


def test_a_command_that_does_not_exist_fails_at_once_with_its_reason() -> None:
    app, _ = step(App(), Start(), Moment(0), WEB)
    app, _ = step(app, Cleared(), Moment(0), WEB)
    app, actions = step(app, SpawnFailed(1, "no such file", permanent=True), Moment(0), WEB)
    assert (app.state, app.reason, actions) == (State.FAILED, "no such file", ())


def test_a_spawn_that_failed_for_want_of_processes_is_tried_again() -> None:
    app, _ = step(App(), Start(), Moment(0), WEB)
    app, _ = step(app, Cleared(), Moment(0), WEB)
    app, _ = step(app, SpawnFailed(1, "EAGAIN", permanent=False), Moment(0), WEB)
    assert app.state is State.BACKOFF


def test_a_held_app_says_what_for_and_is_asked_about_again() -> None:
    world = World(WEB)
    world.blocked = Held("port 5173 is held by pid 1", recheck=True, verdict=Verdict.STRANGER)
    world.send(Start())
    assert (world.app.state, world.app.reason) == (State.WAITING, "port 5173 is held by pid 1")
    world.advance(5)
    assert world.app.state is State.WAITING
    assert world.app.restarts == 0, "waiting for a port costs no restart"
    world.blocked = None
    world.advance(1)
    assert world.app.state is State.STARTING
    assert world.app.reason == "started by its user"


def test_an_event_of_another_run_dies() -> None:
    world = running()
    world.die()
    before = world.app
    for late in (
        Exited(1, 0, None, 0),
        Gone(1),
        Probed(1, Outcome.DOWN, "refused"),
        Suspected(1),
        Spawned(1),
    ):
        world.send(late)
    assert world.app is before


def test_a_notice_during_a_check_makes_another_check_at_once() -> None:
    world = running()
    world.check = lambda: None  # the check is under way
    world.advance(10)
    assert world.app.probing
    world.send(Suspected(1))
    world.check = lambda: world.down()
    world.send(world.up())
    assert world.app.probe_at == world.now
    world.advance(0)
    assert world.app.state is State.UNHEALTHY


def test_a_new_check_interval_applies_to_the_running_app() -> None:
    world = running()
    world.config = replace(WEB, check_interval=2.0)
    world.send(Reconfigured())
    assert world.app.wake_at == world.now + 2
    assert world.log == []


def test_an_edit_does_not_bring_the_next_of_two_passes_closer() -> None:
    world = World(replace(WEB, check=replace(WEB.check, successes=2)))
    world.check = lambda: world.up()
    world.send(Start())
    while not world.app.passes:
        world.advance(0.01)
    passed = world.now
    world.send(Reconfigured())
    while world.app.state is State.STARTING:
        world.advance(0.01)
    assert world.now - passed == pytest.approx(0.1, abs=0.015)


def test_taking_the_check_away_makes_an_unhealthy_app_run() -> None:
    world = running()
    world.check = lambda: world.down()
    world.advance(10)
    assert world.app.state is State.UNHEALTHY
    world.config = replace(WEB, check=Check())
    world.send(Reconfigured())
    assert world.app.state is State.RUNNING
    assert world.app.wake_at is None


def test_counts_of_failed_checks_belong_to_one_run() -> None:
    world = running()
    world.check = lambda: world.down()
    world.advance(11)
    assert world.app.failures == 2
    world.send(Restarted())
    assert (world.app.failures, world.app.failing_since) == (0, None)


GENERATION = 3


def test_a_held_check_judges_nothing_and_forgets_the_failures_before_it() -> None:
    world = running()
    world.check = lambda: world.down()
    world.advance(11)
    assert (world.app.state, world.app.failures) == (State.UNHEALTHY, 2)
    world.check = lambda: world.held()
    world.advance(600)
    assert (world.app.state, world.app.failures, world.log) == (State.UNHEALTHY, 0, [])
    assert world.app.reason == world.app.held == "held: `npm install` is running"
    world.check = lambda: world.down()
    world.advance(2.5)
    assert world.log == [], "the hold is over, and the rule begins anew"
    assert world.app.held is None
    world.advance(2)
    assert [line.split()[1] for line in world.log] == ["SIGTERM", "spawn"]


def test_a_running_app_stays_so_while_its_checks_are_held() -> None:
    world = running()
    world.check = lambda: world.held()
    world.advance(60)
    assert (world.app.state, world.app.held) == (State.RUNNING, "held: `npm install` is running")
    world.check = lambda: world.up()
    world.advance(2)
    assert (world.app.state, world.app.held) == (State.RUNNING, None)


def test_a_start_may_take_its_whole_time_after_a_hold() -> None:
    world = World(WEB)
    world.check = lambda: world.held()
    world.send(Start())
    world.advance(300)
    assert world.app.state is State.STARTING
    world.check = lambda: world.down()
    world.advance(58)
    assert world.app.state is State.STARTING
    world.advance(3)
    assert world.app.restarts == 1


def test_a_start_that_was_held_is_asked_before_its_time_is_over_again() -> None:
    impatient = replace(WEB, start_timeout=0.5)
    world = World(impatient)
    world.check = lambda: world.held()
    world.send(Start())
    world.advance(0.1)
    assert world.app.held is not None
    assert world.app.probe_at is not None
    assert world.app.deadline is not None
    assert world.app.probe_at + impatient.start_timeout <= world.app.deadline


def test_an_edit_gives_a_start_that_is_held_its_whole_time() -> None:
    world = World(WEB)
    world.check = lambda: world.held()
    world.send(Start())
    world.advance(10 * WEB.start_timeout)
    world.config = replace(WEB, check_interval=5.0)
    world.send(Reconfigured())
    world.check = lambda: world.up()
    world.advance(2)
    assert (world.app.state, world.log) == (State.RUNNING, ["0 spawn 1"])


def test_a_start_that_is_taken_back_late_is_asked_before_it_is_judged() -> None:
    world = World(WEB)
    world.check = lambda: world.down()
    world.send(Start())
    world.advance(1)
    world.now += 10 * WEB.start_timeout  # no manager runs
    world.check = lambda: world.up()
    world.send(Adopted(1))
    world.advance(1)
    assert (world.app.state, world.log) == (State.RUNNING, ["0 spawn 1"])


def test_what_a_restart_cannot_mend_burns_none_and_says_what_does() -> None:
    world = running(WORKER)
    world.die(127, cause=NO_MODULES)
    assert (world.app.state, world.app.restarts) == (State.FAILED, 0)
    assert world.app.reason == "exited with code 127: `vite` is not installed; run `npm ci`"
    assert world.app.wake_at is None
    world.send(Remedied("/web/node_modules"))
    world.advance(1)
    assert (world.app.state, world.app.diagnosis) == (State.RUNNING, None)
    assert world.app.cause == "restarted: `/web/node_modules` has changed"


def test_a_remedy_does_not_start_what_its_user_has_stopped() -> None:
    world = running(WORKER)
    world.die(127, cause=NO_MODULES)
    world.send(Stop())
    world.send(Remedied("/web/node_modules"))
    assert world.app.state is State.STOPPED


def test_a_remedy_starts_nothing_that_failed_for_another_reason() -> None:
    world = running(replace(WORKER, give_up=GiveUp(starts=1)))
    world.die(3)
    assert world.app.state is State.FAILED
    world.send(Remedied("/web/node_modules"))
    assert world.app.state is State.FAILED


def test_a_cause_that_may_pass_is_told_and_restarted_as_any_other() -> None:
    world = running(WORKER)
    world.die(1, cause=PORT_IN_USE)
    assert world.app.restarts == 1
    assert world.app.cause == ("restarted at once: exited with code 1: port 9229 is in use by pid 7 (`node`)")
    world.die(3)
    assert world.app.reason == "exited with code 3", "the cause of one run is not that of the next"


def test_a_watcher_that_sits_on_what_no_restart_can_mend_is_left_to_wait_for_the_edit() -> None:
    world = running()
    world.check = lambda: replace(world.down(), cause=NO_MODULES)
    world.advance(100)
    assert (world.app.state, world.log) == (State.UNHEALTHY, [])
    assert world.app.reason == (
        "nothing listens: `vite` is not installed; run `npm ci`; not restarted: a restart can't mend that"
    )
    world.send(Remedied("/web/node_modules"))
    assert [line.split()[1] for line in world.log] == ["SIGTERM", "spawn"]


@pytest.mark.parametrize(
    ("restart", "state"),
    [
        (Restart.ALWAYS, State.FAILED),
        (Restart.ON_FAILURE, State.FAILED),
        (Restart.NEVER, State.COMPLETED),
    ],
)
def test_an_app_that_is_never_restarted_completes_whatever_the_cause(restart: Restart, state: State) -> None:
    world = running(replace(WORKER, restart=restart))
    world.die(127, cause=NO_MODULES)
    assert world.app.state is state
    assert "run `npm ci`" in world.app.reason


def test_an_app_that_waits_for_an_install_says_so() -> None:
    world = World(WEB)
    world.blocked = Held("held: `npm install` is running in web", recheck=True, paused=True)
    world.send(Start())
    assert (world.app.state, world.app.held) == (State.WAITING, "held: `npm install` is running in web")
    world.blocked = None
    world.advance(3)
    assert (world.app.state, world.app.held) == (State.RUNNING, None)


EVERY_EVENT = [
    Start(),
    Stop(),
    Stop(force=True),
    Unwanted(),
    Restarted(),
    Cleared(),
    Cleared(prepare=True),
    Held("a dependency"),
    Held("a port", recheck=True),
    Held("next run at 2026-11-24 03:00", starts_at=1.0),
    Spawned(GENERATION),
    SpawnFailed(GENERATION, "ENOENT", permanent=True),
    SpawnFailed(GENERATION, "EAGAIN", permanent=False),
    Probed(GENERATION, Outcome.UP, "answers"),
    Probed(GENERATION, Outcome.DOWN, "refused"),
    Probed(GENERATION, Outcome.UNKNOWN, "can't tell"),
    Probed(GENERATION, Outcome.HELD, "held: `npm install` is running"),
    Suspected(GENERATION),
    Unchanged(GENERATION),
    Exceeded(GENERATION, "uses 612MB"),
    Exited(GENERATION, 0, None, 0.0),
    Exited(GENERATION, None, "SIGKILL", 0.0),
    Exited(GENERATION, 127, None, 0.0, NO_MODULES),
    Gone(GENERATION),
    Due(),
    Reconfigured(),
    Remedied("/web/node_modules"),
    Adopted(GENERATION),
]


def an_app_in(state: State, ending: Ending | None) -> App:
    alive = state in ALIVE
    return App(
        state=state,
        wanted=state is not State.STOPPED,
        generation=GENERATION,
        cause="started by its user",
        ending=ending,
        spawned_at=0.0 if alive else None,
        deadline=0.0 if state in (State.WAITING, State.STARTING, State.STOPPING, State.BACKOFF) else None,
        last_exit=Exit(1, None, 0.0, "test"),
    )


PLACES = [(state, None) for state in State if state is not State.STOPPING] + [
    (State.STOPPING, ending) for ending in Ending
]


@pytest.mark.parametrize(("state", "ending"), PLACES)
@pytest.mark.parametrize("event", EVERY_EVENT, ids=repr)
def test_every_event_has_an_answer_in_every_state(state: State, ending: Ending | None, event: Event) -> None:
    config = replace(WEB, prepare=Command(("npm", "ci")))
    app, actions = step(an_app_in(state, ending), event, Moment(100.0), config)
    assert app.reason, "every state has a reason"
    assert (app.ending is not None) == (app.state is State.STOPPING)
    if app.state is State.STOPPING:
        assert app.deadline is not None, "a stop that nothing forces may last for ever"
    if app.state in (State.STOPPED, State.COMPLETED, State.FAILED):
        assert app.wake_at is None, "what has come to rest wakes nobody"
    spawned = any(isinstance(action, Spawn | Prepare) for action in actions)
    assert not spawned or state is State.WAITING, "a run begins only from waiting, where nothing is alive"


def test_every_event_type_is_among_those_tried() -> None:
    tried = {type(event) for event in EVERY_EVENT}
    assert tried == set(Event.__args__)
