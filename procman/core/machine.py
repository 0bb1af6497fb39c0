"""The life of one app: `step(app, event, moment, config)` returns the app after the event, and what to do.

Two values per app: what is *wanted* (up or not) and what *is* (its state). Every event moves the second
toward the first. The table of states is in docs/ARCHITECTURE.md; here each event has a function, and each
function names every state: the type checker refuses a new state until every decision about it is taken.

Each run (a spawn, or a `prepare`) has a generation. An event that is about another run dies in one line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from procman.core import policy
from procman.core.causes import Cause
from procman.core.config import AppConfig, CheckKind, Restart
from procman.core.secrets import show_command
from procman.core.verdict import Verdict


class State(Enum):
    """What an app is doing; the words are the public ones."""

    STOPPED = "stopped"  # by its user, or not started yet
    WAITING = "waiting"  # wanted; for a dependency, or for its port
    PREPARING = "preparing"  # its `prepare` command runs
    STARTING = "starting"  # spawned; no check has passed yet
    RUNNING = "running"  # alive, and its checks pass or it has none
    UNHEALTHY = "unhealthy"  # alive; checks fail
    STOPPING = "stopping"  # signalled or ended by itself; its tree not yet proven gone
    BACKOFF = "backoff"  # gone; starts again at the deadline
    COMPLETED = "completed"  # ended by itself and is not to be restarted
    FAILED = "failed"  # given up; only its user, or an edit, leaves this state


ALIVE = frozenset({State.PREPARING, State.STARTING, State.RUNNING, State.UNHEALTHY, State.STOPPING})


class Ending(Enum):
    """Why a run is being ended, which decides what comes after it."""

    STOP = "stop"  # its user wants it down
    RESTART = "restart"  # its user, or an edit of the file, wants a new run
    UNHEALTHY = "unhealthy"  # its checks failed
    EXITED = "exited"  # it ended by itself; what it left behind is ended too
    PREPARED = "prepared"  # its `prepare` succeeded
    NOT_PREPARED = "not prepared"  # its `prepare` failed


class Outcome(Enum):
    """What a check says. Only `DOWN` ever counts against an app."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"  # the check could not be made: our trouble, not the app's
    HELD = "held"  # it would be down, but for something that its user does: an install, a breakpoint


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run's first process ended: an exit code, or the name of the signal that killed it.

    Neither is known of a process whose parent was a manager that is gone.
    """

    code: int | None
    signal: str | None
    at: float  # seconds since the epoch
    reason: str  # why, as far as it is known

    @property
    def clean(self) -> bool:
        """Whether it ended by itself and without an error."""
        return self.code == 0

    @property
    def words(self) -> str:
        """How it ended, as words for a sentence."""
        if self.signal is not None:
            return f"killed by {self.signal}"
        return "ended unseen" if self.code is None else f"exited with code {self.code}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What the world gives a decision: the time, in monotonic seconds, and one random number in [0, 1)."""

    now: float
    chance: float = 0.5


# Events: what happened. Those with a generation are about one run.


@dataclass(frozen=True, slots=True)
class Start:
    """Somebody wants the app up; `reason` says who and why."""

    reason: str = "started by its user"


@dataclass(frozen=True, slots=True)
class Stop:
    """Somebody wants the app down; `force` does not wait for `stop_timeout`."""

    reason: str = "stopped by its user"
    force: bool = False


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Somebody wants the app down, and `Stop` follows once nothing that depends on it is left."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """Somebody wants a new run, at once and with all counts forgotten."""

    reason: str = "restarted by its user"


@dataclass(frozen=True, slots=True)
class Cleared:
    """Nothing holds a waiting app any more."""

    prepare: bool = False  # its `prepare` is due first


@dataclass(frozen=True, slots=True)
class Held:
    """A waiting app has to wait on, and why; `recheck` asks again after a while by itself."""

    reason: str
    recheck: bool = False
    verdict: Verdict | None = None  # of its port, if that is what it waits for
    paused: bool = False  # for something that its user does, as `Outcome.HELD`
    starts_at: float | None = None  # its next time, in seconds since the epoch, if that is what it waits for


@dataclass(frozen=True, slots=True)
class Spawned:
    """The run's first process exists."""

    generation: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The run's first process could not be made; `permanent` when trying again can't help."""

    generation: int
    reason: str
    permanent: bool
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """A check was made."""

    generation: int
    outcome: Outcome
    detail: str
    verdict: Verdict | None = None
    listening: tuple[str, ...] = ()
    sockets: tuple[int, ...] = ()  # the listeners among them, to be known again
    port_taken: bool = False  # somebody else holds the port, which no restart can change
    newest_birth: float | None = None  # when the youngest process of the tree was born, monotonic
    answers: tuple[tuple[str, str], ...] = ()  # what each address answered, in the kernel's words
    cause: Cause | None = None  # of a failure, where the app has printed it


@dataclass(frozen=True, slots=True)
class Suspected:
    """The kernel announced that a listener on the app's port was closed: look at once."""

    generation: int


@dataclass(frozen=True, slots=True)
class Exceeded:
    """The run uses more than it may, and why that is so."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The run's first process ended."""

    generation: int
    code: int | None
    signal: str | None
    at: float  # seconds since the epoch
    cause: Cause | None = None  # where the app has printed it


@dataclass(frozen=True, slots=True)
class Gone:
    """No process of the run is left, and its port is free or somebody else's."""

    generation: int


@dataclass(frozen=True, slots=True)
class Due:
    """The time the app asked for has come."""


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """The app's configuration changed in a way that a running app takes over."""


@dataclass(frozen=True, slots=True)
class Remedied:
    """A file has changed without which a restart could not help."""

    file: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """A former manager's run is ours now: its processes live, and what it was doing goes on."""

    generation: int


Event = (
    Start
    | Stop
    | Unwanted
    | Restarted
    | Cleared
    | Held
    | Spawned
    | SpawnFailed
    | Probed
    | Suspected
    | Exceeded
    | Exited
    | Gone
    | Due
    | Reconfigured
    | Remedied
    | Adopted
)


# Actions: what to do, in order.


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


@dataclass(frozen=True, slots=True)
class App:
    """Everything the manager knows of one app. Times are monotonic seconds."""

    state: State = State.STOPPED
    wanted: bool = False
    reason: str = "not started yet"  # why it is in this state; shown by every command
    cause: str = ""  # why the present run was started, or the next one will be
    since: float = 0.0  # when it entered this state
    generation: int = 0  # of the newest run
    deadline: float | None = None  # when the state itself is due
    probe_at: float | None = None  # when the next check is due
    probing: bool = False  # a check is under way
    suspected: bool = False  # and something happened meanwhile that its answer may not know of
    ending: Ending | None = None  # while STOPPING
    forced: bool = False  # while STOPPING: SIGKILL was sent
    spawned_at: float | None = None  # of the present run
    healthy_since: float | None = None  # first passing check of the present run
    failing_since: float | None = None  # first of the failed checks in a row
    passes: int = 0  # in a row, and while starting of the same listeners
    sockets: tuple[int, ...] = ()  # of the newest pass
    failures: int = 0  # in a row
    verdict: Verdict | None = None
    port_taken: bool = False  # by somebody else, as the newest check saw it
    listening: tuple[str, ...] = ()
    last_check: str | None = None  # what the newest check of the run said
    last_outcome: Outcome | None = None  # and what that came to
    held: str | None = None  # why it is not judged at present
    starts_at: float | None = None  # its next run by its schedule, in seconds since the epoch
    diagnosis: Cause | None = None  # of its newest failure, until it is up again
    attempts: int = 0  # restarts since the app last proved itself
    delays: int = 0  # those of them that had to wait
    starts: tuple[float, ...] = ()  # oldest first, inside `give_up.within`
    restarts: int = 0  # made by the manager because a run failed or ended
    last_exit: Exit | None = None

    @property
    def wake_at(self) -> float | None:
        """When the next `Due` is owed, if at all."""
        times = [at for at in (self.deadline, self.probe_at) if at is not None]
        return min(times, default=None)


Step = tuple[App, tuple[Action, ...]]

RECHECK = 1.0  # seconds between looks at a port that somebody else holds
CONFIRM = 0.1  # between the passes of a start: a listener that is closed again at once is not up
SETTLE = 1.0  # until an app without a check is up: a mistake in its command ends it sooner (npm takes 0.5 s)
ALIVE_ALONE = "alive, and no check is declared"
KILL_AGAIN = 1.0  # between SIGKILLs to what survives one


def step(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    """Return the app after `event`, and the actions that make it true, in order."""
    generation = getattr(event, "generation", app.generation)
    if generation != app.generation:
        return app, ()
    match event:
        case Start():
            return _on_start(app, event, moment)
        case Stop():
            return _on_stop(app, event, moment, config)
        case Unwanted():
            return replace(app, wanted=False), ()
        case Restarted():
            return _on_restarted(app, event, moment, config)
        case Cleared():
            return _on_cleared(app, event, moment, config)
        case Held():
            return _on_held(app, event, moment)
        case Spawned():
            return _on_spawned(app, moment, config)
        case SpawnFailed():
            return _on_spawn_failed(app, event, moment, config)
        case Probed():
            return _on_probed(app, event, moment, config)
        case Suspected():
            return _on_suspected(app, config)
        case Exceeded():
            return _on_exceeded(app, event, moment, config)
        case Exited():
            return _on_exited(app, event, moment, config)
        case Gone():
            return _on_gone(app, moment, config)
        case Due():
            return _on_due(app, moment, config)
        case Reconfigured():
            return _on_reconfigured(app, moment, config)
        case Remedied():
            return _on_remedied(app, event, moment, config)
        case Adopted():
            return _on_adopted(app, moment, config)
        case _ as unreachable:
            assert_never(unreachable)


def _enter(app: App, state: State, reason: str, now: float) -> App:
    """Return `app` in `state`, with everything dropped that the new state has no right to."""
    checked = state in (State.STARTING, State.RUNNING, State.UNHEALTHY)
    return replace(
        app,
        state=state,
        reason=reason,
        since=now,
        deadline=None,
        probe_at=app.probe_at if checked else None,
        ending=app.ending if state is State.STOPPING else None,
        forced=app.forced and state is State.STOPPING,
        verdict=app.verdict if checked else None,
        port_taken=app.port_taken and checked,
        listening=app.listening if checked else (),
        held=app.held if checked else None,
        starts_at=None,
        spawned_at=app.spawned_at if state in ALIVE else None,
    )


def _wait(app: App, reason: str, now: float) -> Step:
    """Put the app in line for a run."""
    return replace(_enter(app, State.WAITING, reason, now), cause=reason), (Look(),)


def _afresh(app: App) -> App:
    """Return `app` wanted up, with the counts of earlier failures forgotten."""
    return replace(app, wanted=True, attempts=0, delays=0, starts=())


def _end(app: App, ending: Ending, reason: str, now: float, config: AppConfig, force: bool = False) -> Step:
    """Begin to end the present run."""
    gone = _enter(replace(app, ending=ending), State.STOPPING, reason, now)
    if force:
        return replace(gone, forced=True, deadline=now + KILL_AGAIN), (Kill(app.generation),)
    return replace(gone, deadline=now + config.stop_timeout), (Terminate(app.generation, config.stop_signal),)


def _on_start(app: App, event: Start, moment: Moment) -> Step:
    match app.state:
        case State.STOPPED | State.BACKOFF | State.COMPLETED | State.FAILED:
            return _wait(_afresh(app), event.reason, moment.now)
        case State.WAITING if app.starts_at is not None:
            return _wait(_afresh(app), event.reason, moment.now)
        case State.WAITING:
            return _afresh(app), (Look(),)
        case State.PREPARING | State.STARTING | State.RUNNING | State.UNHEALTHY:
            return replace(app, wanted=True), ()
        case State.STOPPING:
            ending = Ending.RESTART if app.ending is Ending.STOP else app.ending
            return replace(app, wanted=True, ending=ending), ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_stop(app: App, event: Stop, moment: Moment, config: AppConfig) -> Step:
    app = replace(app, wanted=False)
    match app.state:
        case State.STOPPED:
            return app, ()
        case State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            return _enter(app, State.STOPPED, event.reason, moment.now), ()
        case State.PREPARING | State.STARTING | State.RUNNING | State.UNHEALTHY:
            return _end(app, Ending.STOP, event.reason, moment.now, config, event.force)
        case State.STOPPING:
            app = replace(app, ending=Ending.STOP, reason=event.reason)
            if event.force and not app.forced:
                return _end(app, Ending.STOP, event.reason, moment.now, config, force=True)
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_restarted(app: App, event: Restarted, moment: Moment, config: AppConfig) -> Step:
    app = _afresh(app)
    match app.state:
        case State.STOPPED | State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            return _wait(app, event.reason, moment.now)
        case State.PREPARING | State.STARTING | State.RUNNING | State.UNHEALTHY:
            return _end(app, Ending.RESTART, event.reason, moment.now, config)
        case State.STOPPING:
            return replace(app, ending=Ending.RESTART, reason=event.reason), ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_cleared(app: App, event: Cleared, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.WAITING:
            return _run(app, event.prepare, moment, config)
        case (
            State.STOPPED
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _run(app: App, prepare: bool, moment: Moment, config: AppConfig) -> Step:
    """Begin a new run: of `prepare`, or of the app itself."""
    generation = app.generation + 1
    fresh = replace(
        app,
        generation=generation,
        spawned_at=moment.now,
        healthy_since=None,
        failing_since=None,
        passes=0,
        failures=0,
        last_check=None,
        last_outcome=None,
        diagnosis=None,
        probe_at=None,
        probing=False,
        suspected=False,
    )
    if prepare:
        assert config.prepare is not None, "a prepare is due only where one is declared"
        text = f"runs `{show_command([config.prepare.text])}`"
        return _enter(fresh, State.PREPARING, text, moment.now), (Prepare(generation),)
    starting = _enter(fresh, State.STARTING, app.cause, moment.now)
    window = policy.starts_within(app.starts, moment.now, config.give_up)
    return replace(starting, starts=(*window, moment.now)), (Spawn(generation),)


def _on_held(app: App, event: Held, moment: Moment) -> Step:
    match app.state:
        case State.WAITING:
            deadline = moment.now + RECHECK if event.recheck else None
            taken = event.verdict is Verdict.STRANGER
            held = replace(app, reason=event.reason, verdict=event.verdict, port_taken=taken)
            held = replace(held, starts_at=event.starts_at)
            return replace(held, deadline=deadline, held=event.reason if event.paused else None), ()
        case (
            State.STOPPED
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_spawned(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING:
            if config.check.kind is CheckKind.NONE:
                return replace(app, deadline=moment.now + SETTLE), ()
            deadline = moment.now + config.start_timeout
            first = moment.now + policy.quick_interval(0.0)
            return replace(app, deadline=deadline, probe_at=first), ()
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_spawn_failed(app: App, event: SpawnFailed, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING | State.PREPARING:
            app = replace(app, diagnosis=event.cause)
            if event.permanent:
                reason = policy.with_cause(event.reason, event.cause)
                return _enter(app, State.FAILED, reason, moment.now), ()
            return _again(app, event.reason, moment, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_probed(app: App, event: Probed, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            seen = replace(
                app,
                probing=False,
                suspected=False,
                verdict=event.verdict,
                port_taken=event.port_taken,
                listening=event.listening,
                last_check=event.detail,
                last_outcome=event.outcome,
                held=event.detail if event.outcome is Outcome.HELD else None,
            )
            if event.outcome is Outcome.DOWN:
                return _failed_check(seen, event, moment, config)
            if event.outcome is Outcome.HELD:
                return _held_check(seen, event, moment, config), ()
            passed = _passed_check(seen, event, moment, config)
            if app.suspected and passed.probe_at is not None:
                return replace(passed, probe_at=moment.now), ()
            return passed, ()
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _passed_check(app: App, event: Probed, moment: Moment, config: AppConfig) -> App:
    same = app.state is not State.STARTING or event.sockets == app.sockets
    app = replace(app, passes=app.passes + 1 if same else 1, sockets=event.sockets)
    needed = policy.passes_needed(config.check, starting=app.state is State.STARTING)
    if app.state is State.RUNNING or app.passes >= needed:
        return _healthy(app, event.detail, moment, config)
    soon = CONFIRM if app.state is State.STARTING else config.check.retry_interval
    return replace(app, probe_at=moment.now + soon)


def _healthy(app: App, reason: str, moment: Moment, config: AppConfig) -> App:
    """Return `app` running, its next check at the steady rhythm."""
    if app.state is not State.RUNNING:
        app = _enter(app, State.RUNNING, reason, moment.now)
    app = replace(app, reason=reason)
    steady = policy.steady_interval(config)
    return replace(
        app,
        healthy_since=moment.now if app.healthy_since is None else app.healthy_since,
        failures=0,
        failing_since=None,
        diagnosis=None,
        probe_at=None if steady is None else moment.now + steady,
    )


def _failed_check(app: App, event: Probed, moment: Moment, config: AppConfig) -> Step:
    now, cause = moment.now, event.cause
    app = replace(app, passes=0, diagnosis=cause)
    if app.state is State.STARTING:
        return _failed_start(app, event, moment, config), ()
    since = now if app.failing_since is None else app.failing_since
    app = replace(app, failures=app.failures + 1, failing_since=since)
    hold = policy.why_hold(event.port_taken, since, _renewed_at(app, event), now, config, cause)
    detail = policy.with_cause(event.detail, cause)
    if hold is None and policy.is_down(app.failures, now - since, config.check):
        return _end(app, Ending.UNHEALTHY, policy.failed_checks(app.failures, detail), now, config)
    reason = f"{detail}; {hold}" if hold else detail
    if app.state is State.RUNNING:
        app = _enter(app, State.UNHEALTHY, reason, now)
    return replace(app, reason=reason, probe_at=now + config.check.retry_interval), ()


def _failed_start(app: App, event: Probed, moment: Moment, config: AppConfig) -> App:
    """Return a starting app after a failed check, which does not count before the first pass.

    With a hopeless cause nobody is to wait for `start_timeout`: once that has lasted for as long as it takes
    to be down, the app counts as failing, and is left alone.
    """
    now, allowed = moment.now, config.check.failures
    assert app.spawned_at is not None, "a starting app was spawned"
    soon = replace(app, probe_at=now + policy.quick_interval(now - app.spawned_at), failing_since=None)
    if not _is_hopeless(app):
        return soon
    since = now if app.failing_since is None else app.failing_since
    if now - since < allowed * config.check.retry_interval:
        return replace(soon, failing_since=since)
    detail = policy.with_cause(event.detail, app.diagnosis)
    hold = policy.why_hold(app.port_taken, since, None, now, config, app.diagnosis)
    failing = _enter(app, State.UNHEALTHY, f"{detail}; {hold}", now)
    return replace(failing, failures=allowed, failing_since=since, probe_at=now + config.check.retry_interval)


def _is_hopeless(app: App) -> bool:
    """Return whether a restart can't help before a file has changed."""
    return app.diagnosis is not None and app.diagnosis.hopeless


def _held_check(app: App, event: Probed, moment: Moment, config: AppConfig) -> App:
    """Return the app unjudged: failures until now are forgotten, and the time to come up begins anew."""
    app = replace(app, reason=event.detail, passes=0, failures=0, failing_since=None)
    app = replace(app, probe_at=moment.now + config.check.retry_interval)
    if app.state is State.STARTING:
        return replace(app, deadline=moment.now + config.start_timeout)
    return app


def _renewed_at(app: App, event: Probed) -> float | None:
    """Return when the tree got its youngest process, unless that was there when the run became healthy."""
    born, healthy = event.newest_birth, app.healthy_since
    return None if born is not None and healthy is not None and born <= healthy else born


def _on_suspected(app: App, config: AppConfig) -> Step:
    match app.state:
        case State.RUNNING:
            if policy.steady_interval(config) is None:  # there is nothing to look at
                return app, ()
            if app.probing:
                return replace(app, suspected=True), ()
            return replace(app, probe_at=None, probing=True), (Probe(app.generation),)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_exceeded(app: App, event: Exceeded, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.RUNNING | State.UNHEALTHY if config.restart is not Restart.NEVER:
            return _end(app, Ending.UNHEALTHY, event.reason, moment.now, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_exited(app: App, event: Exited, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.PREPARING:
            assert config.prepare is not None, "what runs was declared"
            end = Exit(event.code, event.signal, event.at, "`prepare` ended")
            if end.clean:
                return _end(app, Ending.PREPARED, "`prepare` succeeded", moment.now, config)
            shown = show_command([config.prepare.text])
            why = policy.with_cause(f"`prepare` failed: `{shown}` {end.words}", event.cause)
            app = replace(app, last_exit=end, diagnosis=event.cause)
            return _end(app, Ending.NOT_PREPARED, why, moment.now, config)
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            cause = event.cause or app.diagnosis
            end = Exit(event.code, event.signal, event.at, "ended by itself")
            app = replace(app, last_exit=end, diagnosis=cause)
            return _end(app, Ending.EXITED, policy.with_cause(end.words, cause), moment.now, config)
        case State.STOPPING:
            if app.ending in (Ending.EXITED, Ending.PREPARED, Ending.NOT_PREPARED):
                return app, ()
            return replace(app, last_exit=Exit(event.code, event.signal, event.at, app.reason)), ()
        case State.STOPPED | State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_gone(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STOPPING:
            return _after(app, moment, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _after(app: App, moment: Moment, config: AppConfig) -> Step:
    """Decide what follows a run that is proven gone."""
    match app.ending:
        case Ending.STOP:
            return _enter(app, State.STOPPED, app.reason, moment.now), ()
        case Ending.RESTART:
            return _wait(app, app.reason, moment.now)
        case Ending.PREPARED:
            waiting = _enter(app, State.WAITING, app.reason, moment.now)  # for the same cause as before
            return waiting, (RecordPrepared(app.generation), Look())
        case Ending.NOT_PREPARED:
            return _enter(app, State.FAILED, app.reason, moment.now), ()
        case Ending.UNHEALTHY:
            return _again(app, app.reason, moment, config)
        case Ending.EXITED:
            assert app.last_exit is not None, "an app that exited has an exit"
            failed = not app.last_exit.clean or app.diagnosis is not None  # some tools fail with code 0
            if config.restart is Restart.NEVER or (config.restart is Restart.ON_FAILURE and not failed):
                reason = f'{app.reason}; not restarted, `restart = "{config.restart.value}"`'
                return _enter(app, State.COMPLETED, reason, moment.now), ()
            return _again(app, app.reason, moment, config)
        case None:
            raise AssertionError("a stopping app has an ending")
        case _ as unreachable:
            assert_never(unreachable)


def _again(app: App, reason: str, moment: Moment, config: AppConfig) -> Step:
    """Restart a failed run: at once, after a while, or not at all."""
    if not app.wanted:
        return _enter(app, State.STOPPED, reason, moment.now), ()
    if _is_hopeless(app):
        return _enter(app, State.FAILED, reason, moment.now), ()
    starts = policy.starts_within(app.starts, moment.now, config.give_up)
    if policy.is_hopeless(starts, config.give_up):
        text = policy.gave_up(len(starts), config.give_up, reason)
        return _enter(app, State.FAILED, text, moment.now), ()
    if policy.proved_itself(app.healthy_since, moment.now, config.backoff):
        app = replace(app, attempts=0, delays=0)
    at_once = app.attempts == 0 and app.healthy_since is not None
    app = replace(app, attempts=app.attempts + 1, restarts=app.restarts + 1, starts=starts)
    if at_once:
        return _wait(app, f"restarted at once: {reason}", moment.now)
    delay = policy.delay(app.delays, config.backoff, moment.chance)
    backoff = _enter(replace(app, delays=app.delays + 1), State.BACKOFF, reason, moment.now)
    return replace(backoff, deadline=moment.now + delay), ()


def _on_due(app: App, moment: Moment, config: AppConfig) -> Step:
    late = app.deadline is not None and app.deadline <= moment.now
    match app.state:
        case State.WAITING:
            return (replace(app, deadline=None), (Look(),)) if late else (app, ())
        case State.STARTING:
            return _start_timed_out(app, moment, config) if late else _probe(app, moment)
        case State.RUNNING | State.UNHEALTHY:
            return _probe(app, moment)
        case State.STOPPING:
            return _stop_timed_out(app, moment) if late else (app, ())
        case State.BACKOFF:
            return _wait(app, f"restarted: {app.reason}", moment.now) if late else (app, ())
        case State.STOPPED | State.PREPARING | State.COMPLETED | State.FAILED:
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _probe(app: App, moment: Moment) -> Step:
    if app.probing or app.probe_at is None or app.probe_at > moment.now:
        return app, ()
    return replace(app, probe_at=None, probing=True), (Probe(app.generation),)


def _start_timed_out(app: App, moment: Moment, config: AppConfig) -> Step:
    if config.check.kind is CheckKind.NONE:
        return _healthy(app, ALIVE_ALONE, moment, config), ()
    reason = policy.with_cause(policy.start_timed_out(app.last_check, config), app.diagnosis)
    if app.port_taken or config.restart is Restart.NEVER or _is_hopeless(app):
        app = replace(_enter(app, State.UNHEALTHY, reason, moment.now), failing_since=moment.now)
        return replace(app, probe_at=moment.now + config.check.retry_interval), ()
    return _end(app, Ending.UNHEALTHY, reason, moment.now, config)


def _stop_timed_out(app: App, moment: Moment) -> Step:
    return replace(app, forced=True, deadline=moment.now + KILL_AGAIN), (Kill(app.generation),)


def _on_reconfigured(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.WAITING:
            return app, (Look(),)
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            return _take_over(app, moment, config), ()
        case (
            State.STOPPED | State.PREPARING | State.STOPPING | State.BACKOFF | State.COMPLETED | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _take_over(app: App, moment: Moment, config: AppConfig) -> App:
    """Return a living app with its timers as the new configuration wants them."""
    steady = policy.steady_interval(config)
    if app.state is State.RUNNING:
        return replace(app, probe_at=None if steady is None or app.probing else moment.now + steady)
    if config.check.kind is CheckKind.NONE:
        return _healthy(app, ALIVE_ALONE, moment, config)
    app = replace(app, probe_at=None if app.probing else moment.now)
    if app.state is State.STARTING:
        assert app.spawned_at is not None, "a starting app was spawned"
        return replace(app, deadline=app.spawned_at + config.start_timeout)
    return app


def _on_remedied(app: App, event: Remedied, moment: Moment, config: AppConfig) -> Step:
    reason = f"restarted: `{event.file}` has changed"
    match app.state:
        case State.FAILED if app.wanted and app.diagnosis is not None:
            return _wait(_afresh(app), reason, moment.now)
        case State.UNHEALTHY if app.wanted and app.diagnosis is not None:
            return _end(_afresh(app), Ending.RESTART, reason, moment.now, config)
        case (
            State.STOPPED
            | State.WAITING
            | State.PREPARING
            | State.STARTING
            | State.RUNNING
            | State.UNHEALTHY
            | State.STOPPING
            | State.BACKOFF
            | State.COMPLETED
            | State.FAILED
        ):
            return app, ()
        case _ as unreachable:
            assert_never(unreachable)


def _on_adopted(app: App, moment: Moment, config: AppConfig) -> Step:
    match app.state:
        case State.STARTING | State.RUNNING | State.UNHEALTHY:
            taken = _take_over(replace(app, probing=False, suspected=False), moment, config)
            return replace(taken, probe_at=None if taken.probe_at is None else moment.now), ()
        case State.PREPARING:  # nobody saw how it ended, or will
            return _end(app, Ending.RESTART, "`prepare` is run again by a new manager", moment.now, config)
        case State.STOPPING:
            assert app.ending is not None, "a stopping app has an ending"
            return _end(app, app.ending, app.reason, moment.now, config, force=app.forced)
        case State.STOPPED | State.WAITING | State.BACKOFF | State.COMPLETED | State.FAILED:
            reason = "it lived although it was not known to run"
            ending = Ending.RESTART if app.wanted else Ending.STOP
            return _end(app, ending, reason, moment.now, config)
        case _ as unreachable:
            assert_never(unreachable)
