"""One app and a clock that moves only when told: the machine without an engine, a host or a process."""

from __future__ import annotations

from collections.abc import Callable

from procman.core.actions import Kill, Look, Prepare, Probe, RecordPrepared, Spawn, Terminate
from procman.core.app import App, Outcome
from procman.core.causes import Cause
from procman.core.config import AppConfig
from procman.core.events import Cleared, Due, Event, Exited, Gone, Moment, Probed, Spawned
from procman.core.machine import step
from procman.core.transitions import Step
from procman.core.verdict import Verdict

StepFunction = Callable[[App, Event, Moment, AppConfig], Step]


class World:
    """Performs the machine's actions as a well-behaved host would, and writes down each with its time.

    A check is answered by `check`, which a test may replace. A process ends at SIGTERM unless `stubborn`.
    """

    def __init__(self, config: AppConfig, step: StepFunction = step, *, chance: float = 0.5) -> None:
        self.config, self.app, self.now, self.chance = config, App(), 0.0, chance
        self.step = step
        self.alive: set[int] = set()
        self.spawns: list[float] = []
        self.log: list[str] = []
        self.stubborn = False
        self.blocked: Event | None = None  # what a waiting app is told instead of `Cleared`
        self.prepare_due = config.prepare is not None
        self.check: Callable[[], Probed | None] = lambda: self.up()

    def up(self) -> Probed:
        return Probed(self.app.generation, Outcome.UP, "answers", Verdict.OWN)

    def down(self, verdict: Verdict = Verdict.CLOSED, newest_birth: float | None = None) -> Probed:
        return Probed(
            self.app.generation,
            Outcome.DOWN,
            "nothing listens",
            verdict,
            port_taken=verdict is Verdict.STRANGER,
            newest_birth=newest_birth,
        )

    def held(self) -> Probed:
        return Probed(self.app.generation, Outcome.HELD, "held: `npm install` is running", Verdict.CLOSED)

    def unknown(self) -> Probed:
        return Probed(self.app.generation, Outcome.UNKNOWN, "could not tell", Verdict.UNKNOWN)

    def send(self, event: Event) -> None:
        pending = [event]
        while pending:
            self.app, actions = self.step(
                self.app, pending.pop(0), Moment(self.now, self.chance), self.config
            )
            for action in actions:
                pending.extend(self._perform(action))

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.app.wake_at is not None and self.app.wake_at <= end:
            self.now = max(self.now, self.app.wake_at)
            before = self.app
            self.send(Due())
            assert self.app != before, "a deadline that stays due is an endless loop"
        self.now = end

    def die(self, code: int | None = 1, signal: str | None = None, cause: Cause | None = None) -> None:
        """Let the present run's process end by itself."""
        generation = self.app.generation
        self.alive.discard(generation)
        self.send(Exited(generation, code, signal, self.now, cause))

    def _perform(self, action: object) -> list[Event]:
        match action:
            case Look():
                return [self.blocked or Cleared(prepare=self.prepare_due)]
            case Spawn(generation) | Prepare(generation):
                what = "spawn" if isinstance(action, Spawn) else "prepare"
                self._note(f"{what} {generation}")
                self.alive.add(generation)
                self.spawns.append(self.now)
                return [Spawned(generation)]
            case RecordPrepared():
                self.prepare_due = False
                return []
            case Probe():
                answer = self.check()
                return [] if answer is None else [answer]
            case Terminate(generation, name):
                if generation not in self.alive:
                    return [Gone(generation)]
                self._note(f"{name} {generation}")
                return [] if self.stubborn else self._end(generation, name)
            case Kill(generation):
                self._note(f"SIGKILL {generation}")
                return self._end(generation, "SIGKILL")
        raise AssertionError(f"an action that nobody performs: {action}")

    def _end(self, generation: int, signal: str) -> list[Event]:
        self.alive.discard(generation)
        return [Exited(generation, None, signal, self.now), Gone(generation)]

    def _note(self, text: str) -> None:
        self.log.append(f"{self.now:g} {text}")
