"""The machine under any order of commands, answers, deaths and waits; and the bugs that prove this can fail.

Promises inside the rules catch what a list of invariants cannot: each rule knows what its event must do.
The weights keep runs in RUNNING and UNHEALTHY long enough to matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from procman.core import policy
from procman.core.actions import Kill, Look
from procman.core.app import ALIVE, App, Outcome, State
from procman.core.causes import Cause
from procman.core.config import AppConfig, Backoff, Check, CheckKind, Command, GiveUp, Restart
from procman.core.events import (
    Due,
    Event,
    Exited,
    Gone,
    Moment,
    Probed,
    Remedied,
    Restarted,
    Start,
    Stop,
    Suspected,
)
from procman.core.machine import step
from procman.core.transitions import Step
from procman.core.verdict import Verdict
from tests.fakes.world import StepFunction, World

CONFIG = AppConfig(
    name="web",
    command=Command(("npm", "start")),
    port=3000,
    check=Check(CheckKind.TCP, failures=3, retry_interval=1.0),
    check_interval=5.0,
    start_timeout=20.0,
    stop_timeout=4.0,
    backoff=Backoff(initial=1.0, factor=2.0, max=8.0, jitter=0.2, reset_after=30.0),
    give_up=GiveUp(starts=5, within=120.0),
)
HOPELESS = Cause("missing script", "there is no script `dev`", "add it", hopeless=True)
LIVING = (State.STARTING, State.RUNNING, State.UNHEALTHY)


class OneApp(RuleBasedStateMachine):
    """Commands, answers to checks, deaths and waits, in any order, keep these promises."""

    step: StepFunction = staticmethod(step)

    def __init__(self) -> None:
        super().__init__()
        self.world = World(CONFIG, type(self).step)
        self.answers = "up"
        self.world.check = self.answer
        self.world.send(Start())
        self.world.advance(1)

    def answer(self) -> Probed | None:
        match self.answers:
            case "up":
                return self.world.up()
            case "down":
                return self.world.down()
            case "stranger":
                return self.world.down(Verdict.STRANGER)
            case "unknown":
                return self.world.unknown()
            case "held":
                return self.world.held()
        return None

    @rule(event=st.sampled_from([Start(), Start(), Start(), Stop(), Restarted(), Stop(force=True)]))
    def a_user_commands(self, event: Start | Stop | Restarted) -> None:
        self.world.send(event)
        app = self.world.app
        assert app.wanted == (not isinstance(event, Stop)), "what the user wants is what is wanted"
        if isinstance(event, Stop):
            assert app.state in (State.STOPPED, State.STOPPING)
        else:
            assert app.state not in (State.STOPPED, State.BACKOFF, State.FAILED, State.COMPLETED)

    @rule(answers=st.sampled_from(["up", "up", "up", "down", "down", "stranger", "unknown", "held"]))
    def the_app_changes(self, answers: str) -> None:
        self.answers = answers

    @rule(age=st.sampled_from([1, 2]), event=st.sampled_from(["exit", "gone", "probe"]))
    def something_late_arrives(self, age: int, event: str) -> None:
        before, old = self.world.app, self.world.app.generation - age
        late: dict[str, Event] = {
            "exit": Exited(old, 1, None, 0.0),
            "gone": Gone(old),
            "probe": Probed(old, Outcome.DOWN, "refused", Verdict.CLOSED),
        }
        self.world.send(late[event])
        assert self.world.app is before, "an event about a dead process counted"

    @precondition(lambda self: self.world.app.state in LIVING)
    @rule(code=st.sampled_from([0, 1, 137]), times=st.sampled_from([1, 1, 1, 6]))
    def the_process_dies(self, code: int, times: int) -> None:
        for _ in range(times):
            if self.world.app.state in LIVING:
                self.one_death(code)
            if self.world.app.state is State.BACKOFF and times > 1:
                self.world.advance((self.world.app.deadline or 0) - self.world.now)

    def one_death(self, code: int) -> None:
        before = self.world.app
        self.world.die(code)
        after, now = self.world.app, self.world.now
        healthy_for = None if before.healthy_since is None else now - before.healthy_since
        proven = healthy_for is not None and (
            before.attempts == 0 or healthy_for >= CONFIG.backoff.reset_after
        )
        starts = policy.starts_within(before.starts, now, CONFIG.give_up)
        if len(starts) >= CONFIG.give_up.starts:
            assert after.state is State.FAILED, "an app that keeps dying is given up"
        elif proven:
            assert after.generation == before.generation + 1, "the first restart after health is immediate"
        else:
            assert after.state is State.BACKOFF, "a restart that did not prove itself waits"
            delay = (after.deadline or 0) - now
            assert 0.8 <= delay <= 8 * 1.2

    @precondition(lambda self: self.world.app.state in LIVING)
    @rule(mended=st.booleans())
    def the_process_dies_of_what_no_restart_can_mend(self, mended: bool) -> None:
        before = self.world.app
        self.world.die(127, cause=HOPELESS)
        self.world.advance(120)
        after = self.world.app
        assert (after.state, after.generation) == (State.FAILED, before.generation), "it burns no restart"
        if mended:
            self.world.send(Remedied("package.json"))
            assert self.world.app.generation == before.generation + 1

    @precondition(lambda self: self.world.app.state in (State.RUNNING, State.UNHEALTHY))
    @rule()
    def a_check_is_due(self) -> None:
        before = self.world.app
        if before.wake_at is not None:
            self.world.advance(max(0.0, before.wake_at - self.world.now))
        after = self.world.app
        if (
            before.probing
            or after.generation != before.generation
            or after.state not in (State.RUNNING, State.UNHEALTHY)
        ):
            return
        if self.answers in ("up", "unknown"):
            assert (after.state, after.failures) == (State.RUNNING, 0)
        elif self.answers == "held":
            assert (after.state, after.failures) == (before.state, 0)
            assert after.held is not None
        else:
            assert after.failures == before.failures + 1
            assert after.state is State.UNHEALTHY

    @precondition(lambda self: self.world.app.state is State.RUNNING and not self.world.app.probing)
    @rule()
    def the_port_closes_and_the_kernel_says_so(self) -> None:
        self.answers = "down"
        self.world.send(Suspected(self.world.app.generation))
        assert self.world.app.state is State.UNHEALTHY, "a closed port is seen at once"

    @precondition(lambda self: self.world.app.state is State.RUNNING)
    @rule(answers=st.sampled_from(["unknown", "stranger", "held"]))
    def something_is_wrong_that_a_restart_cannot_mend(self, answers: str) -> None:
        self.answers, generation = answers, self.world.app.generation
        self.world.advance(60)
        assert self.world.app.generation == generation
        assert self.world.app.state is (State.UNHEALTHY if answers == "stranger" else State.RUNNING)

    @precondition(lambda self: self.world.app.state in LIVING)
    @rule()
    def a_user_stops_what_is_being_restarted(self) -> None:
        self.world.stubborn = True
        self.world.send(Restarted())
        self.world.send(Stop())
        self.world.advance(CONFIG.stop_timeout + 1)
        assert self.world.app.state is State.STOPPED

    @rule(seconds=st.sampled_from([0.05, 0.5, 1.0, 2.0, 5.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        ending_since = self.world.app.since if self.world.app.state is State.STOPPING else None
        before = self.world.app
        self.world.advance(seconds)
        app = self.world.app
        if self.answers in ("up", "unknown", "stranger", "held") and before.state is State.RUNNING:
            assert app.generation == before.generation, "restarted without a reason"
        if ending_since is not None and self.world.now - ending_since > CONFIG.stop_timeout + 1:
            assert app.since > ending_since, "a stop that lasts longer than its budget"

    @rule(stubborn=st.booleans())
    def the_process_ignores_signals_or_not(self, stubborn: bool) -> None:
        self.world.stubborn = stubborn

    @invariant()
    def there_is_one_process_at_most_and_the_state_knows_it(self) -> None:
        assert len(self.world.alive) == (self.world.app.state in ALIVE)

    @invariant()
    def what_rests_has_no_timer_and_what_moves_has_one(self) -> None:
        app = self.world.app
        rests = app.state in (State.STOPPED, State.FAILED, State.COMPLETED)
        assert (app.wake_at is None) == (rests or (app.probing and app.deadline is None))

    @invariant()
    def what_is_not_wanted_is_down_or_on_its_way(self) -> None:
        app = self.world.app
        assert app.wanted or app.state in (State.STOPPED, State.STOPPING)
        assert not app.wanted or app.state is not State.STOPPED

    @invariant()
    def failures_count_only_while_unhealthy(self) -> None:
        app = self.world.app
        assert app.failures == 0 or app.state not in (State.STARTING, State.RUNNING)

    @invariant()
    def the_window_of_starts_is_bounded(self) -> None:
        assert len(self.world.app.starts) <= CONFIG.give_up.starts


def holds(candidate: StepFunction, examples: int) -> None:
    """Fail when `candidate` breaks a promise."""
    world = type("World", (OneApp,), {"step": staticmethod(candidate)})
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_machine_keeps_its_promises() -> None:
    holds(step, 150)


# Planted bugs: each is a mistake that a peer made, or that is easily made here.


def believes_late_events(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if hasattr(event, "generation"):
        event = replace(event, generation=app.generation)
    return step(app, event, moment, config)


def starts_before_the_old_tree_is_gone(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, Exited) and app.state is State.RUNNING and event.generation == app.generation:
        waiting = replace(app, state=State.WAITING, probe_at=None, deadline=moment.now + 1)
        return waiting, (Look(),)
    return step(app, event, moment, config)


def counts_failures_over_restarts(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    after, actions = step(app, event, moment, config)
    if after.generation != app.generation:
        after = replace(after, failures=app.failures)
    return after, actions


def never_forces(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    after, actions = step(app, event, moment, config)
    if any(isinstance(action, Kill) for action in actions) and isinstance(event, Due):
        return replace(app, deadline=moment.now + 1), ()
    return after, actions


def restarts_for_a_stranger(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, Probed) and event.verdict is Verdict.STRANGER:
        event = replace(event, verdict=Verdict.CLOSED, port_taken=False)
    return step(app, event, moment, config)


def takes_unknown_for_down(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, Probed) and event.outcome is Outcome.UNKNOWN:
        event = replace(event, outcome=Outcome.DOWN)
    return step(app, event, moment, config)


def takes_a_held_check_for_a_failed_one(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, Probed) and event.outcome is Outcome.HELD:
        event = replace(event, outcome=Outcome.DOWN)
    return step(app, event, moment, config)


def burns_restarts_for_what_cannot_be_mended(
    app: App, event: Event, moment: Moment, config: AppConfig
) -> Step:
    if isinstance(event, Exited):
        event = replace(event, cause=None)
    return step(app, event, moment, config)


def forgets_to_come_back_when_it_is_mended(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return (app, ()) if isinstance(event, Remedied) else step(app, event, moment, config)


def forgets_the_stop_when_the_process_is_gone(
    app: App, event: Event, moment: Moment, config: AppConfig
) -> Step:
    if isinstance(event, Stop) and app.state is State.STOPPING:
        return replace(app, wanted=False), ()
    return step(app, event, moment, config)


def never_gives_up(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return step(app, event, moment, replace(config, give_up=GiveUp(starts=1000, within=120.0)))


def restarts_at_once_for_ever(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return step(replace(app, attempts=0), event, moment, config)


def forgets_the_next_check(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    after, actions = step(app, event, moment, config)
    if isinstance(event, Probed) and after.state is State.RUNNING:
        after = replace(after, probe_at=None)
    return after, actions


def ignores_the_kernel(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return (app, ()) if isinstance(event, Suspected) else step(app, event, moment, config)


BUGS: list[Callable[[App, Event, Moment, AppConfig], Step]] = [
    believes_late_events,
    starts_before_the_old_tree_is_gone,
    counts_failures_over_restarts,
    never_forces,
    restarts_for_a_stranger,
    takes_unknown_for_down,
    takes_a_held_check_for_a_failed_one,
    burns_restarts_for_what_cannot_be_mended,
    forgets_to_come_back_when_it_is_mended,
    forgets_the_stop_when_the_process_is_gone,
    never_gives_up,
    restarts_at_once_for_ever,
    forgets_the_next_check,
    ignores_the_kernel,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: StepFunction) -> None:
    with pytest.raises(AssertionError):
        holds(bug, 400)


def test_no_run_is_restarted_where_restart_is_never() -> None:
    for code in (0, 1):
        world = World(replace(CONFIG, restart=Restart.NEVER))
        world.send(Start())
        world.advance(1)
        world.die(code)
        world.advance(1000)
        assert len(world.spawns) == 1
