"""What the outside sees of an app: the JSON of `procman status`, from the machine's own values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from procman.core.app import ALIVE, App, State
from procman.core.causes import Cause
from procman.core.config import AppConfig
from procman.core.verdict import Verdict

UNREMARKABLE = frozenset({Verdict.OWN, Verdict.UNKNOWN, None})


def spell_time(seconds: float) -> str:
    """Return seconds since the epoch as `2026-11-23T09:00:00.000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message(app: App) -> str | None:
    """Return what there is to say about an app, or None when all is as it should be."""
    if app.state is State.RUNNING and app.verdict in UNREMARKABLE and app.held is None:
        return None
    return app.reason


def view(
    app: App,
    config: AppConfig,
    *,
    now: float,
    wall: float,
    pids: Sequence[int] = (),
    leader: int | None = None,
    stale: Sequence[str] = (),
    log_problem: str | None = None,
) -> dict[str, Any]:
    """Return one element of `apps` in `procman status --json`.

    Args:
        app: its state.
        config: its configuration.
        now: monotonic seconds, on the clock of the machine.
        wall: seconds since the epoch at that moment.
        pids: the living processes of its tree.
        leader: the first process of its present run.
        stale: what differs between the running app and what is on disk.
        log_problem: what keeps its output from being stored.
    """
    alive = app.state in ALIVE
    starts_at = app.starts_at
    if app.state is State.BACKOFF and app.deadline is not None:
        starts_at = wall + app.deadline - now
    uptime = now - app.spawned_at if alive and app.spawned_at is not None else None
    return {
        "name": config.name,
        "state": app.state.value,
        "message": message(app),
        "pid": leader if alive else None,
        "pids": list(pids),
        "port": config.port,
        "verdict": app.verdict.value if app.verdict is not None else None,
        "listening": list(app.listening),
        "uptime_s": None if uptime is None else round(uptime, 3),
        "restarts": app.restarts,
        "last_exit": _last_exit(app),
        "next_start_at": None if starts_at is None else spell_time(starts_at),
        "stale": list(stale),
        "since_s": round(now - app.since, 3),
        "last_event": app.cause if app.state is State.RUNNING else app.reason,
        "wanted": "up" if app.wanted else "down",
        "held": app.held,
        "cause": None if app.diagnosis is None else cause_data(app.diagnosis),
        "check": {"kind": config.check.kind.value, "last": app.last_check, "failures": app.failures},
        "tags": list(config.tags),
        "family": config.family,
        "log_problem": log_problem,
    }


def cause_data(cause: Cause) -> dict[str, Any]:
    """Return a recognised cause as it is shown to programs."""
    return {"kind": cause.kind, "sentence": cause.sentence, "remedy": cause.remedy}


def _last_exit(app: App) -> dict[str, Any] | None:
    end = app.last_exit
    if end is None:
        return None
    return {"code": end.code, "signal": end.signal, "at": spell_time(end.at), "reason": end.reason}
