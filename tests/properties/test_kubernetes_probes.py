"""The rhythms of probes against procman's own rule, and mistakes in them that have to be found.

A kubelet is a few lines here: it asks every `period`, from any moment on, and acts at the last of so many
failures in a row. procman's rule is that of the health page: an outage shorter than `failures` x
`retry_interval` is forgiven, and one is noticed `check_interval` after that at the latest.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.config.exports.kubernetes_probes import Rhythm, start_rhythm, steady_rhythm
from procman.core.config import AppConfig, Check, Command

PHASES = 16  # moments of a period at which an outage may begin
Steady = Callable[[AppConfig], tuple[Rhythm, bool]]
Start = Callable[[AppConfig], Rhythm]


def app(interval: float, failures: int, retry: float, timeout: float = 2.0, start: float = 60.0) -> AppConfig:
    """Return an app with such a check."""
    check = Check(failures=failures, retry_interval=retry, timeout=timeout)
    return AppConfig("web", Command(("node",)), check_interval=interval, check=check, start_timeout=start)


def failed(rhythm: Rhythm, outage: float, phase: float) -> int:
    """Return how many probes in a row fail in an outage that begins `phase` after one."""
    first = (rhythm.period - phase) % rhythm.period
    return 0 if first >= outage else math.ceil((outage - first) / rhythm.period)


def steady_fault(rhythm: Rhythm, is_same: bool, config: AppConfig) -> str | None:
    """Return what a kubelet does otherwise than procman while the app is healthy, or None."""
    check = config.check
    forgiven = 0.0 if check.failures == 1 else check.failures * check.retry_interval
    latest = config.check_interval + forgiven
    phases = [rhythm.period * each / PHASES for each in range(PHASES)]
    if any(failed(rhythm, forgiven * 0.999, phase) >= rhythm.failures for phase in phases):
        return "it kills what procman forgives"
    if is_same and any(failed(rhythm, latest, phase) < rhythm.failures for phase in phases):
        return "it does not notice what procman restarts"
    if not is_same and config.check_interval >= 2 and check.retry_interval >= 1:
        return "it gives up where whole seconds would do"
    return None if rhythm.failures >= check.failures else "it asks less often than procman before it kills"


def start_fault(rhythm: Rhythm, config: AppConfig) -> str | None:
    """Return what a kubelet does otherwise than procman with a start that never ends, or None."""
    for answer in (0.0, config.check.timeout):  # it is refused at once, or hangs
        killed = (rhythm.failures - 1) * max(rhythm.period, answer) + answer
        if killed < config.start_timeout:
            return "it kills a start that procman waits for"
        slack = 2 * rhythm.period + config.check.timeout
        if killed > config.start_timeout + slack:
            return "it lets a start go on for too long"
    return None


SECONDS = st.one_of(st.floats(0.01, 10.0), st.floats(0.01, 3600.0), st.integers(1, 600).map(float))
CONFIGS = st.builds(app, SECONDS, st.integers(1, 50), SECONDS, st.floats(0.01, 60.0), SECONDS)


@given(CONFIGS)
def test_a_kubelet_kills_when_procman_would_restart(config: AppConfig) -> None:
    assert steady_fault(*steady_rhythm(config), config) is None


@given(CONFIGS)
def test_a_kubelet_waits_for_a_start_as_long_as_procman(config: AppConfig) -> None:
    assert start_fault(start_rhythm(config), config) is None


# What a planted mistake is looked for in: the defaults, and the corners around them.
CASES = [
    app(interval, failures, retry, timeout, start)
    for interval in (0.2, 1.0, 2.0, 10.0, 300.0)
    for failures in (1, 2, 3, 10)
    for retry in (0.1, 1.0, 1.5, 30.0)
    for timeout in (0.5, 2.0, 5.0)
    for start in (0.5, 60.0, 61.0)
]


def test_the_cases_have_no_fault() -> None:
    for config in CASES:
        assert steady_fault(*steady_rhythm(config), config) is None
        assert start_fault(start_rhythm(config), config) is None


def rhythm(period: float, failures: float) -> Rhythm:
    """Return a rhythm of any numbers, as a mistake may have them."""
    return Rhythm(max(1, math.floor(period)), max(1, math.floor(failures)))


PLANTED_STEADY: dict[str, Steady] = {
    "the period is check_interval": lambda a: (rhythm(a.check_interval, a.check.failures), True),
    "the period is retry_interval": lambda a: (rhythm(a.check.retry_interval, a.check.failures), True),
    "one failure less": lambda a: (_less(steady_rhythm(a)[0]), steady_rhythm(a)[1]),
    "the period is rounded up": lambda a: (
        Rhythm(steady_rhythm(a)[0].period + 1, steady_rhythm(a)[0].failures), steady_rhythm(a)[1]
    ),
    "what is forgiven is forgotten": lambda a: (
        rhythm((a.check_interval + a.check.failures * a.check.retry_interval) / a.check.failures,
               a.check.failures), True
    ),
    "it never says the same": lambda a: (steady_rhythm(a)[0], False),
}  # fmt: skip
PLANTED_START: dict[str, Start] = {
    "the first probe is not at once": lambda a: _less(start_rhythm(a)),
    "a hanging probe is forgotten": lambda a: rhythm(
        max(1.0, a.check.retry_interval), math.ceil(a.start_timeout / max(1.0, a.check.retry_interval)) + 1
    ),
    "failures of the check count": lambda a: rhythm(start_rhythm(a).period, a.check.failures),
}


def _less(rhythm: Rhythm) -> Rhythm:
    return Rhythm(rhythm.period, max(1, rhythm.failures - 1))


@pytest.mark.parametrize("mistake", PLANTED_STEADY)
def test_a_mistake_in_the_steady_rhythm_is_found(mistake: str) -> None:
    assert any(steady_fault(*PLANTED_STEADY[mistake](config), config) for config in CASES)


@pytest.mark.parametrize("mistake", PLANTED_START)
def test_a_mistake_in_the_rhythm_of_the_start_is_found(mistake: str) -> None:
    assert any(start_fault(PLANTED_START[mistake](config), config) for config in CASES)
