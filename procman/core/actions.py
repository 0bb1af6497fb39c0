"""What the engine is to do about an app, in order."""

from __future__ import annotations

from procman.core.frozen import Frozen


class Look(Frozen):
    """Find out what holds a waiting app; answer with `Cleared` or `Held`."""


class Spawn(Frozen):
    """Start the command as this run; answer with `Spawned` or `SpawnFailed`, and `Exited` later."""

    generation: int


class Prepare(Frozen):
    """Start the `prepare` command as this run; answers as `Spawn`."""

    generation: int


class RecordPrepared(Frozen):
    """Remember that `prepare` succeeded, with its inputs as they are now."""

    generation: int


class Probe(Frozen):
    """Make the app's check; answer with `Probed`."""

    generation: int


class Terminate(Frozen):
    """Signal every process of the run, now and as they appear; answer with `Gone` once none is left."""

    generation: int
    signal: str


class Kill(Frozen):
    """Send SIGKILL to every process of the run that still lives; `Gone` follows as for `Terminate`."""

    generation: int


Action = Look | Spawn | Prepare | RecordPrepared | Probe | Terminate | Kill
