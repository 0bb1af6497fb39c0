"""What the engine tells its listeners: the same values reach the log, `up`, `wait` and every follower."""

from __future__ import annotations

from dataclasses import dataclass

from procman.core.receipt import Receipt

__all__ = ["Notice", "Problem", "Receipt", "Reloaded", "Transition"]


@dataclass(frozen=True, slots=True)
class Transition:
    """An app changed its state."""

    app: str
    at: float  # seconds since the epoch
    old: str
    new: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The file was read again: applied when `error` is None, else rejected with nothing changed."""

    at: float  # seconds since the epoch
    error: str | None
    summary: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong that changes no app's state; the text says what follows from it."""

    app: str | None
    at: float  # seconds since the epoch
    text: str


Notice = Transition | Receipt | Reloaded | Problem
