"""The arithmetic of decisions, at and beside every edge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procman.core import policy
from procman.core.causes import Cause
from procman.core.config import AppConfig, Backoff, Check, CheckKind, Command, GiveUp, Restart

TCP = Check(CheckKind.TCP, failures=3, retry_interval=1.0)
WEB = AppConfig("web", Command(("npm", "start")), port=5173, check=TCP, check_interval=10.0)
STEADY = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.0)


@pytest.mark.parametrize(("age", "seconds"), [(0, 0.02), (0.2, 0.02), (0.3, 0.03), (5, 0.5), (3600, 0.5)])
def test_checks_of_a_start_come_at_a_tenth_of_its_age(age: float, seconds: float) -> None:
    assert policy.quick_interval(age) == pytest.approx(seconds)


@pytest.mark.parametrize("kind", CheckKind)
@pytest.mark.parametrize("starting", [True, False])
@pytest.mark.parametrize("successes", [1, 3])
def test_only_a_start_by_tcp_needs_a_second_look(kind: CheckKind, starting: bool, successes: int) -> None:
    needed = policy.passes_needed(Check(kind, successes=successes), starting=starting)
    assert needed == (2 if kind is CheckKind.TCP and starting and successes == 1 else successes)


@pytest.mark.parametrize(
    ("kind", "port", "seconds"),
    [
        (CheckKind.NONE, None, None),
        (CheckKind.LOG, None, None),
        (CheckKind.LOG, 5173, 10.0),
        (CheckKind.TCP, 5173, 10.0),
        (CheckKind.HTTP, 5173, 10.0),
        (CheckKind.EXEC, None, 10.0),
    ],
)
def test_a_healthy_app_is_asked_at_its_interval_if_there_is_something_to_ask(
    kind: CheckKind, port: int | None, seconds: float | None
) -> None:
    assert policy.steady_interval(replace(WEB, check=Check(kind), port=port)) == seconds


@pytest.mark.parametrize(
    ("failures", "failing_for", "down"),
    [(1, 100.0, False), (2, 3.0, False), (3, 2.9, False), (3, 3.0, True), (9, 2.9, False)],
)
def test_a_restart_takes_enough_failures_over_enough_time(
    failures: int, failing_for: float, down: bool
) -> None:
    assert policy.is_down(failures, failing_for, TCP) is down


def test_one_failure_is_enough_at_once_where_that_is_asked_for() -> None:
    assert policy.is_down(1, 0.0, replace(TCP, failures=1))


def hold(config: AppConfig = WEB, **facts: object) -> str | None:
    values = {"port_taken": False, "since": 100.0, "newest_birth": None, "now": 103.0} | facts
    return policy.why_hold(**values, config=config)  # type: ignore[arg-type]


def test_a_closed_port_is_no_reason_to_hold() -> None:
    assert hold() is None


def test_a_stranger_is_waited_for() -> None:
    assert hold(port_taken=True) == ("not restarted: a restart can't free a port that somebody else holds")


def test_what_is_never_restarted_is_left_alone() -> None:
    assert hold(replace(WEB, restart=Restart.NEVER)) == 'not restarted: `restart = "never"`'


@pytest.mark.parametrize(
    ("born", "now", "held"),
    [
        (99.4, 103.0, False),
        (99.5, 103.0, True),
        (102.0, 159.9, True),
        (102.0, 160.0, False),
    ],
)
def test_a_new_process_of_the_tree_has_a_start_timeout_to_open_the_port(
    born: float, now: float, held: bool
) -> None:
    assert (hold(newest_birth=born, now=now) is not None) is held


def test_a_new_process_buys_no_time_where_one_failure_is_enough() -> None:
    assert hold(replace(WEB, check=replace(TCP, failures=1)), newest_birth=102.0) is None


@pytest.mark.parametrize(("since", "proved"), [(None, False), (40.1, False), (40.0, True), (0.0, True)])
def test_a_run_proves_itself_by_being_healthy_for_reset_after(since: float | None, proved: bool) -> None:
    assert policy.proved_itself(since, 100.0, STEADY) is proved


def test_delays_double_up_to_the_longest() -> None:
    assert [policy.delay(n, STEADY, 0.5) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_jitter_varies_a_delay_in_both_directions(chance: float, seconds: float) -> None:
    assert policy.delay(0, replace(STEADY, initial=10.0, jitter=0.2), chance) == pytest.approx(seconds)


def test_no_delay_is_longer_than_the_longest_whatever_the_jitter() -> None:
    assert policy.delay(9, replace(STEADY, jitter=0.2), 0.99) == 60.0
    assert policy.delay(9, replace(STEADY, jitter=0.2), 0.0) == 48.0


def test_a_delay_stays_finite_after_thousands_of_restarts() -> None:
    assert policy.delay(100_000, STEADY, 0.5) == 60.0
    assert policy.delay(100_000, replace(STEADY, initial=0.0), 0.5) == 0.0, "no delay stays none"


def test_starts_before_the_window_are_forgotten() -> None:
    assert policy.starts_within((0.0, 10.0, 10.1, 70.0), 70.0, GiveUp(10, 60.0)) == (10.1, 70.0)


def test_what_no_restart_can_mend_is_left_alone_and_what_may_pass_is_not() -> None:
    missing = Cause("missing module", "`express` is not installed", "`npm ci`", hopeless=True)
    hold = policy.why_hold(False, 100.0, None, 103.0, WEB, missing)
    assert hold == "not restarted: a restart can't mend that"
    assert policy.why_hold(False, 100.0, None, 103.0, WEB, replace(missing, hopeless=False)) is None


@pytest.mark.parametrize(("limit", "starts", "hopeless"), [(3, 2, False), (3, 3, True), (0, 99, False)])
def test_an_app_is_given_up_at_its_limit_of_starts(limit: int, starts: int, hopeless: bool) -> None:
    assert policy.is_hopeless((0.0,) * starts, GiveUp(limit, 60.0)) is hopeless


def test_the_sentences_name_what_was_configured_exactly() -> None:
    assert policy.gave_up(10, GiveUp(10, 600.0), "exited with code 1") == (
        "gave up after 10 starts within 10m; the last one: exited with code 1"
    )
    assert policy.gave_up(1, GiveUp(1, 0.25), "killed by SIGSEGV") == (
        "gave up after 1 start within 250ms; the last one: killed by SIGSEGV"
    )
    assert policy.failed_checks(1, "refused") == "check failed: refused"
    assert policy.failed_checks(3, "refused") == "3 checks failed in a row: refused"
    slow = replace(WEB, start_timeout=90.5)
    assert policy.start_timed_out("refused", slow) == (
        "no check passed within 1m30.5s (`start_timeout`): refused"
    )
    assert policy.start_timed_out(None, slow) == (
        "no check passed within 1m30.5s (`start_timeout`): no check was answered"
    )


def test_no_more_starts_are_remembered_than_are_reason_to_give_up() -> None:
    starts = tuple(map(float, range(100)))
    assert policy.starts_within(starts, 99.0, GiveUp(starts=3, within=1000.0)) == (97.0, 98.0, 99.0)
    assert policy.starts_within(starts, 99.0, GiveUp(starts=10, within=2.5)) == (97.0, 98.0, 99.0)
    assert policy.starts_within(starts, 99.0, GiveUp(starts=0, within=1000.0)) == ()
