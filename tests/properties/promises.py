"""A property as a value: held for every example, and hunted for the example that a planted bug breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

HUNT = settings(
    max_examples=600,
    derandomize=True,  # the same example in every run
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Promise:
    """What `check` says of every example; it raises if that is not so."""

    check: Callable[[Any], None]
    examples: SearchStrategy[Any]

    def holds(self) -> None:
        """Fail if an example breaks the promise."""
        given(self.examples)(self._renamed())()

    def is_broken(self) -> None:
        """Fail unless an example breaks the promise: for a test that has planted a bug."""
        hunted = HUNT(given(self.examples)(self._renamed()))
        with pytest.raises(Exception):  # noqa: B017 - whatever the bug does, somebody must notice
            hunted()

    def _renamed(self) -> Callable[[Any], None]:
        # A function of its own each time, for settings stick to the one that they were applied to.
        def check(example: Any) -> None:
            self.check(example)

        return check


def promise(examples: SearchStrategy[Any]) -> Callable[[Callable[[Any], None]], Promise]:
    """Return a decorator that makes a promise about all `examples` of a check."""
    return lambda check: Promise(check, examples)
