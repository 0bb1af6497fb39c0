"""What happened in a world, in order: what was done to it, and what the manager saw and did."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from procman.core.journal import Kind, Record
from tests.simulation.world.scenario import Scenario, Step
from tests.simulation.world.table import written
from tests.simulation.world.watched import Broken


@dataclass(slots=True)
class Story:
    """The story of one world.

    Attributes:
        scenario: what was to happen.
        began: the machine's time at the beginning.
        folder: of the project, which has another name in each run.
        broken: the promise that was not kept; None if all were.
        trace: where the engine raised, if it did.
    """

    scenario: Scenario
    began: float
    folder: str
    broken: Broken | None = None
    trace: str | None = None
    _told: list[tuple[float, Step | Record | str]] = field(default_factory=list)

    def step(self, now: float, step: Step) -> None:
        """Note what is done to the world."""
        self._told.append((now, step))

    def record(self, now: float, record: Record) -> None:
        """Note what the manager tells."""
        self._told.append((now, record))

    @property
    def length(self) -> int:
        """How much was told."""
        return len(self._told)

    def note(self, now: float, text: str) -> None:
        """Note something else."""
        self._told.append((now, text))

    def lines(self) -> list[str]:
        """Return the story: `>>` marks what was done to the world."""
        return [f"{now - self.began:10.4f}  {self._spell(told)}" for now, told in self._told]

    def states(self) -> set[str]:
        """Return the states that any app was in."""
        records = [told for _, told in self._told if isinstance(told, Record) and told.kind is Kind.STATE]
        return {str(record.data[key]) for record in records for key in ("old", "new")}

    def digest(self) -> str:
        """Return what is equal for equal stories."""
        return hashlib.sha256("\n".join([*self.lines(), str(self.broken)]).encode()).hexdigest()

    def text(self) -> str:
        """Return the whole: the file, the story, and how it ended."""
        file = "\n".join(
            f"    {line}" for line in written(self.scenario.tables, self.scenario.reload).splitlines()
        )
        end = f"broken: {self.broken}" if self.broken is not None else "all promises were kept"
        trace = f"\n{self.trace}" if self.trace else ""
        lines = "\n".join(self.lines())
        return f"seed {self.scenario.seed}; the file at the beginning:\n\n{file}\n\n{lines}\n\n{end}{trace}"

    def _spell(self, told: Step | Record | str) -> str:
        if isinstance(told, Step):
            return f">> {told.words}   (step {told.number})"
        if isinstance(told, str):
            return f">> {told}"
        who = f"{told.app}#{told.run}" if told.run is not None else told.app or "manager"
        text = told.text.replace(self.folder, "").replace("\n", " / ")
        return f"   {who}: {told.kind.value}: {text}"
