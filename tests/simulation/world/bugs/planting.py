"""Plants a mistake into the real engine for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from procman.core.app import App
from procman.core.config import AppConfig
from procman.core.events import Event, Moment
from procman.core.transitions import Step

StepFunction = Callable[[App, Event, Moment, AppConfig], Step]


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake, whose it was, and what plants it."""

    name: str
    whose: str
    plant: Callable[[], AbstractContextManager[Any]]


BUGS: list[Bug] = []


def decides(whose: str) -> Callable[[StepFunction], StepFunction]:
    """Plant a mistake in the decisions: another `step`."""

    def keep(mistaken: StepFunction) -> StepFunction:
        BUGS.append(Bug(mistaken.__name__, whose, lambda: patch("procman.engine.circle.step", mistaken)))
        return mistaken

    return keep


def replaces(where: Any, name: str, whose: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Plant a mistake in the place of one function or method."""

    def keep(mistaken: Callable[..., Any]) -> Callable[..., Any]:
        plant = (
            (lambda: patch(f"{where}.{name}", mistaken))
            if isinstance(where, str)
            else (lambda: patch.object(where, name, mistaken))
        )
        BUGS.append(Bug(mistaken.__name__, whose, plant))
        return mistaken

    return keep


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Have a bug in the engine for a while."""
    with ExitStack() as stack:
        stack.enter_context(bug.plant())
        yield
