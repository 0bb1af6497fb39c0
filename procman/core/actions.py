"""What the engine is to do about an app, in order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """Find out what holds a waiting app; answer with `Cleared` or `Held`."""


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start the command as this run; answer with `Spawned` or `SpawnFailed`, and `Exited` later."""

    generation: int


@dataclass(frozen=True, slots=True)
class Prepare:
    """Start the `prepare` command as this run; answers as `Spawn`."""

    generation: int


@dataclass(frozen=True, slots=True)
class RecordPrepared:
    """Remember that `prepare` succeeded, with its inputs as they are now."""

    generation: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Make the app's check; answer with `Probed`."""

    generation: int


@dataclass(frozen=True, slots=True)
class Terminate:
    """Signal every process of the run, now and as they appear; answer with `Gone` once none is left."""

    generation: int
    signal: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Send SIGKILL to every process of the run that still lives; `Gone` follows as for `Terminate`."""

    generation: int


Action = Look | Spawn | Prepare | RecordPrepared | Probe | Terminate | Kill
