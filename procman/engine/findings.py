"""What a check of `procman doctor` has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # works, and not as well as it could
    FAIL = "fail"  # does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what it was about, how bad it is, a sentence, and what to type."""

    subject: str
    grade: Grade
    text: str
    hint: str | None = None


def ok(subject: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(subject, Grade.OK, text)


def warn(subject: str, text: str, hint: str | None = None) -> Finding:
    """Return that something could be better."""
    return Finding(subject, Grade.WARN, text, hint)


def fail(subject: str, text: str, hint: str | None = None) -> Finding:
    """Return that something does not work."""
    return Finding(subject, Grade.FAIL, text, hint)
