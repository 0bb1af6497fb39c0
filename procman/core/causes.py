"""Why a run ended or does not answer, told from its exit code and its last lines."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A recognised cause, with what mends it."""

    kind: str  # a word for programs: `port in use`, `missing module`…
    sentence: str  # what happened, for people
    remedy: str | None = None  # what to do about it; commands in backticks
    hopeless: bool = False  # a restart can't help before one of `files` has changed
    files: tuple[str, ...] = ()  # whose change may mend it; absolute paths, which need not exist

    @property
    def words(self) -> str:
        """The sentence with its remedy."""
        return self.sentence if self.remedy is None else f"{self.sentence}; {self.remedy}"
