"""The arithmetic of a decision: when a check counts, how long a restart waits, when to give up.

Every function is a few lines over plain numbers; `core.machine` asks them and nobody else decides.
"""

from __future__ import annotations

from typing import assert_never

from procman.core.causes import Cause
from procman.core.config import AppConfig, Backoff, Check, CheckKind, GiveUp, Restart
from procman.core.values import duration_text

RENEWAL_SLACK = 0.5  # s: a watcher may start its new server just before the old one lets go of the port


def quick_interval(age: float) -> float:
    """Return the seconds to the next check of a run that is `age` seconds old and not yet up.

    A tenth of the age, from 20 ms to 500 ms: an Express app accepts after 0.3 s and is seen within 30 ms,
    a Next app that compiles for 10 s is not asked ten times a second.
    """
    return min(0.5, max(0.02, age / 10))


def passes_needed(check: Check, *, starting: bool) -> int:
    """Return how many passes in a row make an app healthy.

    A start by TCP needs two: Create React App binds, listens on and closes its real port 2.4 s before it
    serves, and looks up for that instant. An answer to HTTP, an exit code or a line can't be such a ghost.
    """
    ghosts = starting and check.kind is CheckKind.TCP
    return max(check.successes, 2 if ghosts else 1)


def steady_interval(config: AppConfig) -> float | None:
    """Return the seconds between the checks of a healthy app, or None if none is made."""
    match config.check.kind:
        case CheckKind.NONE:
            return None
        case CheckKind.LOG:  # readiness only; a port is still worth asking
            return None if config.port is None else config.check_interval
        case CheckKind.TCP | CheckKind.HTTP | CheckKind.EXEC:
            return config.check_interval
        case _ as unreachable:
            assert_never(unreachable)


def is_down(failures: int, failing_for: float, check: Check) -> bool:
    """Return whether failed checks in a row are reason enough for a restart.

    `failures` of them, over at least `failures` x `retry_interval`: nodemon, `node --watch` and Next close
    their port for 0.2 to 0.5 s on every edit (3 to 10 times that on a busy machine) and are back before. With
    `failures = 1` the first one is enough, at once.
    """
    if check.failures == 1:
        return True
    return failures >= check.failures and failing_for >= check.failures * check.retry_interval


def why_hold(
    port_taken: bool,
    since: float,
    newest_birth: float | None,
    now: float,
    config: AppConfig,
    cause: Cause | None = None,
) -> str | None:
    """Return why an app that fails its checks since `since` is left alone for now, or None."""
    if port_taken:
        return "not restarted: a restart can't free a port that somebody else holds"
    if config.restart is Restart.NEVER:
        return 'not restarted: `restart = "never"`'
    if cause is not None and cause.hopeless:  # nodemon lives on and waits for an edit: let it
        return "not restarted: a restart can't mend that"
    renewing = newest_birth is not None and newest_birth >= since - RENEWAL_SLACK
    if renewing and config.check.failures > 1 and now < since + config.start_timeout:
        return "it restarted its own server, which is still starting"
    return None


def proved_itself(healthy_since: float | None, now: float, backoff: Backoff) -> bool:
    """Return whether a run was healthy for long enough to forget the failures before it."""
    return healthy_since is not None and now - healthy_since >= backoff.reset_after


def delay(delays: int, backoff: Backoff, chance: float) -> float:
    """Return the seconds before the next start: initial x factor^delays, give or take jitter, at most max.

    Args:
        delays: how many restarts had to wait since the app last proved itself.
        backoff: the app's settings.
        chance: a random number in [0, 1); 0.5 means no jitter.
    """
    if not backoff.initial:
        return 0.0
    try:
        plain = min(backoff.max, backoff.initial * backoff.factor**delays)
    except OverflowError:
        plain = backoff.max
    return min(backoff.max, plain * (1 + backoff.jitter * (2 * chance - 1)))


def starts_within(starts: tuple[float, ...], now: float, give_up: GiveUp) -> tuple[float, ...]:
    """Return the starts that are still inside the window, at most as many as are reason to give up.

    The ones before are forgotten: an app that is never given up would have 600 of them in ten minutes.
    """
    recent = tuple(at for at in starts if now - at < give_up.within)
    return recent[-give_up.starts :] if give_up.starts else ()


def is_hopeless(starts: tuple[float, ...], give_up: GiveUp) -> bool:
    """Return whether so many starts in the window are reason to give up."""
    return give_up.starts != 0 and len(starts) >= give_up.starts


def gave_up(starts: int, give_up: GiveUp, reason: str) -> str:
    """Return the sentence for an app that is given up."""
    count = "1 start" if starts == 1 else f"{starts} starts"
    return f"gave up after {count} within {duration_text(give_up.within)}; the last one: {reason}"


def failed_checks(failures: int, detail: str) -> str:
    """Return the sentence for an app that is restarted because of its checks."""
    return f"check failed: {detail}" if failures == 1 else f"{failures} checks failed in a row: {detail}"


def with_cause(text: str, cause: Cause | None) -> str:
    """Return what happened, followed by why where that is known."""
    return text if cause is None else f"{text}: {cause.words}"


def start_timed_out(last_check: str | None, config: AppConfig) -> str:
    """Return the sentence for an app whose start took too long."""
    span = duration_text(config.start_timeout)
    return f"no check passed within {span} (`start_timeout`): {last_check or 'no check was answered'}"
