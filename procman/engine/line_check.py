"""`check = { log = "regex" }`: an app is up when it has printed a line."""

from __future__ import annotations

from collections.abc import Callable

from procman.core.app import Outcome, State
from procman.core.config import CheckKind
from procman.core.events import Probed
from procman.engine.events import Problem
from procman.engine.supervised import Supervised
from procman.host.base import Host

MOST_OF_A_LINE = 80  # characters of a line of output in a message
WHAT_THEN = (
    "what came with that line is not looked at; without a repetition in a repetition it would be quick"
)


def wait_for_line(
    host: Host,
    supervised: Supervised,
    on_probed: Callable[[Probed], None],
    tell: Callable[[Problem], None],
) -> None:
    """Call `on_probed` once, with the line that ends the app's start; it may be there already.

    Args:
        host: the operating system.
        supervised: whose check it is; what was waited for before is not any more.
        on_probed: may be called before this returns.
        tell: called once if the pattern takes too long, for lines go unseen then.
    """
    check, generation = supervised.config.check, supervised.app.generation
    supervised.capture.unwatch()
    if check.kind is not CheckKind.LOG or check.pattern is None or supervised.run is None:
        return

    def matched(line: str) -> None:
        supervised.log_matched = True
        detail = f"a line matched `{check.pattern}`: {line.strip()[:MOST_OF_A_LINE]}"
        on_probed(Probed(generation, Outcome.UP, detail))

    def slow() -> None:
        cost = supervised.capture.watch_problem
        tell(Problem(supervised.name, host.wall(), f"its check for `{check.pattern}` {cost}; {WHAT_THEN}"))

    has_begun = supervised.app.state in (State.STARTING, State.UNHEALTHY)
    supervised.capture.watch(check.pattern, matched, slow, look_back=has_begun)


def says(supervised: Supervised) -> tuple[Outcome, str]:
    """Return what a check says, made at a time at which no line has come just now."""
    pattern = supervised.config.check.pattern
    if supervised.log_matched:
        return Outcome.UP, f"a line matched `{pattern}`"
    cost = supervised.capture.watch_problem
    return Outcome.DOWN, f"no line matched `{pattern}` yet{f', which {cost}' if cost else ''}"
