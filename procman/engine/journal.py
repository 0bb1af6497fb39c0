"""What the engine tells, as records of the history: a sentence and its data."""

from __future__ import annotations

from typing import Any, assert_never

from procman.core import events
from procman.core.app import App, Outcome, State
from procman.core.events import Event, Probed
from procman.core.journal import Kind, Record
from procman.core.receipt import Receipt
from procman.core.secrets import show_command
from procman.core.view import cause_data
from procman.engine import evidence
from procman.engine.events import (
    Checked,
    Examined,
    Exited,
    Happening,
    Problem,
    Reloaded,
    Signalled,
    Spawned,
    TakenBack,
    Trace,
    Transition,
    Waits,
)

CHECKED = frozenset({State.STARTING, State.RUNNING, State.UNHEALTHY})


def observed(
    name: str, event: Event, before: App, after: App, wall: float, failures_allowed: int
) -> Trace | None:
    """Return what is to be told of an event about the present run, beside what was decided about it."""
    match event:
        case events.Exited(run, code, signal, at, cause) if run == before.generation:
            return Exited(name, at, run, code, signal, cause)
        case events.Probed(run, outcome, detail, verdict) if run == before.generation:
            decided = outcome is Outcome.DOWN and after.state is not before.state
            if before.state in CHECKED and (decided or is_news(before, event, failures_allowed)):
                return Checked(name, wall, run, outcome, detail, verdict, after.failures, event.answers)
        case events.Held(reason, _, verdict, paused) if before.state is State.WAITING:
            if reason != before.reason:
                return Waits(name, wall, before.generation, reason, verdict, paused)
    return None


def transition_of(name: str, before: App, after: App, wall: float) -> Transition:
    """Return what is to be told of a change of state."""
    ending = None if after.ending is None else after.ending.value
    states = before.state.value, after.state.value
    hopeless = after.diagnosis is not None and after.diagnosis.hopeless
    comes_back = after.state is State.FAILED and after.wanted and hopeless
    return Transition(name, wall, after.generation, *states, after.reason, after.wanted, ending, comes_back)


def is_news(before: App, probed: Probed, failures_allowed: int) -> bool:
    """Return whether a check is worth a record: a failure that counts, or what differs from the one before.

    A passing check every second says the same for days; so does a failing one that is not acted upon.
    """
    changed = probed.outcome is not before.last_outcome or probed.verdict is not before.verdict
    if changed or probed.outcome is Outcome.UP:
        return changed
    judged = probed.outcome is Outcome.DOWN and before.state is not State.STARTING
    counts = judged and before.failures < failures_allowed
    return counts or probed.detail != before.last_check


def record_of(told: Happening) -> Record:
    """Return what is kept of something that happened."""
    match told:
        case Transition(app, at, run, old, new, reason, wanted, ending, comes_back):
            data = {"old": old, "new": new, "reason": reason, "wanted": wanted, "ending": ending}
            data |= {"comes_back": True} if comes_back else {}
            return Record(at, Kind.STATE, f"{old} -> {new}: {_line(reason)}", app, run, data)
        case Receipt():
            app = told.app if told.run is not None else None  # else an orphan, which is named in the text
            return Record(told.at, Kind.GONE, told.text, app, told.run, _end(told))
        case Reloaded(at, error, summary, applied):
            happened = "applied" if applied else "edited and is not applied"
            text = f"the file was {summary}" if error is not None else f"the file was {happened}: {summary}"
            is_applied = applied and error is None
            return Record(
                at, Kind.RELOAD, text, data={"error": error, "summary": summary, "applied": is_applied}
            )
        case Problem(app, at, text):
            return Record(at, Kind.PROBLEM, _line(text), app)
        case Spawned():
            return _spawn(told)
        case TakenBack(app, at, run, pids):
            text = f"taken back from a former manager: pid {', '.join(map(str, pids)) or 'unknown'}"
            return Record(at, Kind.MANAGER, text, app, run, {"event": "took back", "pids": list(pids)})
        case Waits(app, at, run, reason, verdict, paused):
            data = {
                "reason": reason,
                "verdict": None if verdict is None else verdict.value,
                "paused": paused,
            }
            return Record(at, Kind.WAIT, _line(reason), app, run, data)
        case Checked():
            return _check(told)
        case Signalled(app, at, run, signal, reached):
            text = f"{signal} to {', '.join(reached)}"
            return Record(at, Kind.SIGNAL, text, app, run, {"signal": signal, "reached": list(reached)})
        case Examined():
            text = evidence.words(told)
            return Record(told.at, Kind.EVIDENCE, text, told.app, told.run, evidence.data(told))
        case Exited():
            return _exit(told)
        case _ as unreachable:
            assert_never(unreachable)


def _spawn(told: Spawned) -> Record:
    what = "`prepare`" if told.prepare else "started"
    command = show_command((told.command,))
    data = {
        "pid": told.pid,
        "command": command,
        "cwd": told.cwd,
        "cause": told.cause,
        "prepare": told.prepare,
    }
    text = f"{what}: pid {told.pid}, `{command}` in {told.cwd}"
    return Record(told.at, Kind.SPAWN, text, told.app, told.run, data)


def _check(told: Checked) -> Record:
    words = {
        Outcome.UP: "check passed",
        Outcome.DOWN: "check failed",
        Outcome.UNKNOWN: "check not made",
        Outcome.HELD: "check held",
    }[told.outcome]
    answers = ", ".join(f"{address}: {answer}" for address, answer in told.answers)
    text = f"{words}: {_line(told.detail)}" + (f" ({answers})" if answers else "")
    data = {
        "outcome": told.outcome.value,
        "detail": told.detail,
        "verdict": None if told.verdict is None else told.verdict.value,
        "failures": told.failures,
        "answers": dict(told.answers),
    }
    return Record(told.at, Kind.CHECK, text, told.app, told.run, data)


def _exit(told: Exited) -> Record:
    end = f"killed by {told.signal}" if told.signal is not None else f"exited with code {told.code}"
    if told.signal is None and told.code is None:
        end = "ended unseen"
    text = end if told.cause is None else f"{end}: {told.cause.words}"
    data = {
        "code": told.code,
        "signal": told.signal,
        "cause": None if told.cause is None else cause_data(told.cause),
    }
    return Record(told.at, Kind.EXIT, text, told.app, told.run, data)


def _end(receipt: Receipt) -> dict[str, Any]:
    return {
        "ended": [{"name": each.name, "pid": each.pid, "forced": each.forced} for each in receipt.ended],
        "took_s": round(receipt.took_s, 3),
        "forced_after_s": None if receipt.forced_after_s is None else round(receipt.forced_after_s, 3),
        "port": receipt.port,
        "port_holder": receipt.port_holder,
        "survivors": list(receipt.survivors),
    }


def _line(text: str) -> str:
    """Return the first line of a text: a message about the file has its place and its hint below."""
    return text.partition("\n")[0]
