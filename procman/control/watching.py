"""Follows the engine for one request: passes its notices on, and waits until apps are what they are to be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import assert_never

from procman.control.contract import Engine
from procman.control.protocol import Frame, Keys, Request, Resize
from procman.core.goal import Goal, progress
from procman.engine.events import Notice, Problem, Receipt, Reloaded, Transition

Answers = dict[str, bool | None]
# Seconds for each app until all are judged again, which takes 2.5 us for each: of 1,000 that come up one by
# one it would be done 1,000 times.
BETWEEN_JUDGEMENTS = 2e-5


@dataclass(frozen=True, slots=True)
class Call:
    """One request with everything that its answer needs."""

    engine: Engine
    request: Request
    send: Callable[[Frame], None]  # puts a frame into the client's buffer; never blocks
    ended: asyncio.Future[None]  # done once every app is stopped and the manager is about to end
    clock: Callable[[], float]  # monotonic seconds
    backlog: Callable[[], int] = lambda: 0  # bytes of frames that the client has not read yet
    incoming: asyncio.Queue[Keys | Resize] = field(
        default_factory=asyncio.Queue
    )  # what an attached one sends

    async def until_ended(self) -> None:
        """Wait for the end of every app; a client that leaves meanwhile takes its own wait along."""
        await asyncio.shield(self.ended)  # cancelling a task cancels the future that it awaits, for all


class Watch:
    """The notices of the engine while one request waits; owned by that request's task.

    Until it is aimed it keeps what it hears: which apps an action is about is known only after it.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._changed = asyncio.Event()
        self._kept: list[Notice] | None = []
        self._aim: Collection[str] | None = None
        self._answers: Answers = {}
        self._last: dict[str, tuple[str, str]] = {}  # by app: its newest state, and why
        self._began = call.clock()
        self.survivors: dict[str, tuple[str, ...]] = {}  # by app: what outlived SIGKILL

    def __enter__(self) -> Watch:
        self._unsubscribe = self._call.engine.subscribe(self._hear)
        self._call.ended.add_done_callback(self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.ended.remove_done_callback(self._end)
        self._unsubscribe()

    def aim(self, names: Sequence[str], *, everything: bool = False) -> None:
        """Tell the client which apps it is about, and pass on what is heard of them, or of all."""
        self._call.send({"type": "chosen", "apps": list(names)})
        self._aim = None if everything else frozenset(names)
        kept, self._kept = self._kept or [], None
        for notice in kept:
            self._pass_on(notice)

    async def until(self, names: Sequence[str], goal: Goal) -> Answers:
        """Return for each app whether it has reached `goal`, once that is settled or time is up.

        An answer is not final before all are: what was up may fail while others still start.
        """
        answers = self._judge(names, goal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._call.request.timeout):
                while None in answers.values() and not self._call.ended.done():
                    await asyncio.sleep(len(answers) * BETWEEN_JUDGEMENTS)
                    await self._changed.wait()
                    self._changed.clear()
                    answers = self._judge(names, goal)
        return answers

    def _hear(self, notice: Notice) -> None:
        if isinstance(notice, Transition):
            self._last[notice.app] = notice.new, notice.reason
        elif isinstance(notice, Receipt):
            if notice.survivors:
                self.survivors[notice.app] = notice.survivors
            else:
                self.survivors.pop(notice.app, None)
        if self._kept is not None:
            self._kept.append(notice)
        else:
            self._pass_on(notice)
        self._changed.set()  # judged in a later turn: the engine may be in the middle of a round

    def _pass_on(self, notice: Notice) -> None:
        if self._aim is None or (not isinstance(notice, Reloaded) and notice.app in self._aim):
            self._call.send(frame_of(notice))

    def _end(self, _: asyncio.Future[None]) -> None:
        self._changed.set()

    def _judge(self, names: Sequence[str], goal: Goal) -> Answers:
        engine = self._call.engine
        answers = progress(names, engine.apps, engine.configs, goal)
        # What outlives SIGKILL is not waited for, nor what can't be started before it is gone.
        answers |= {name: False for name in self.survivors if name in answers}
        for name, reached in answers.items():
            if reached is not None and self._answers.get(name) is not reached:
                self._call.send(self._progress(name, reached))
        self._answers = answers
        return answers

    def _progress(self, name: str, reached: bool) -> Frame:
        app = self._call.engine.apps.get(name)
        if app is not None:
            state, reason = app.state.value, app.reason
        else:
            state, reason = self._last.get(name, ("gone", "it has left the file"))
        return {
            "type": "progress",
            "app": name,
            "reached": reached,
            "state": state,
            "reason": reason,
            "seconds": round(self._call.clock() - self._began, 3),
        }


def frame_of(notice: Notice) -> Frame:
    """Return a notice as a frame."""
    match notice:
        case Transition():
            return {
                "type": "transition",
                "app": notice.app,
                "at": notice.at,
                "old": notice.old,
                "new": notice.new,
                "reason": notice.reason,
            }
        case Receipt():
            return {
                "type": "receipt",
                "app": notice.app,
                "at": notice.at,
                "text": notice.text,
                "survivors": list(notice.survivors),
            }
        case Reloaded():
            return {
                "type": "reloaded",
                "at": notice.at,
                "error": notice.error,
                "summary": notice.summary,
                "applied": notice.applied and notice.error is None,
            }
        case Problem():
            return {"type": "problem", "app": notice.app, "at": notice.at, "text": notice.text}
        case _ as unreachable:
            assert_never(unreachable)
