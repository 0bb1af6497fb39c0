"""Finds out why an app has failed, and brings it back once a file has changed that kept it down."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from procman.config.diagnostics import InvalidConfig
from procman.core import policy
from procman.core.app import App, Outcome, State
from procman.core.causes import Cause, Kind, Match
from procman.core.config import AppConfig, CheckKind, Restart
from procman.core.events import Probed, Remedied
from procman.core.frozen import Frozen
from procman.core.verdict import Verdict
from procman.engine.events import Problem
from procman.engine.file_watch import FileWatch, Signatures, is_younger, signatures
from procman.engine.scene import Scene
from procman.engine.supervised import Supervised
from procman.host.base import Ended, Host, SpawnError, Stage
from procman.logs.tail import tail

ABORTED = 134  # 128 + SIGABRT, with which node ends itself when its heap is full
SIGNALLED = range(129, 193)  # what npm and shells exit with when a signal has killed their child
PRINTED_AFTER = 1.0  # s of a start before its output is looked at: until then a check comes every 20 ms


class _Known(Frozen):
    """The cause of an app's newest failure, and what its files were like then."""

    run: int
    match: Match
    cause: Cause
    seen: Signatures


class Remedies:
    """Causes, and what is waited for because of them; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        logs: the folder of all logs.
        project: the folder of the file.
        environment: returns what an app gets; may raise InvalidConfig.
        why_busy: returns which install or git operation is changing the files of a folder, if any.
        is_prepare_due: returns whether the next start of an app begins with its `prepare`.
        on_remedied: called with the name of an app that may be started again.
        tell: called with what went wrong here itself.
    """

    def __init__(
        self,
        host: Host,
        logs: Path,
        project: Path,
        environment: Callable[[AppConfig], Mapping[str, str]],
        why_busy: Callable[[str], str | None],
        is_prepare_due: Callable[[AppConfig], bool],
        on_remedied: Callable[[str, Remedied], None],
        tell: Callable[[Problem], None],
    ) -> None:
        self._host = host
        self._logs = logs
        self._project = project
        self._environment = environment
        self._why_busy = why_busy
        self._is_prepare_due = is_prepare_due
        self._on_remedied = on_remedied
        self._tell = tell
        self._known: dict[str, _Known] = {}
        self._watches: dict[str, tuple[Cause, FileWatch]] = {}

    # causes

    def of_exit(self, supervised: Supervised, ended: Ended) -> Cause | None:
        """Return why a run has ended, if its last lines tell; all that it printed has to be in its log.

        Nothing is read for one that a signal has killed: its replacement is not kept waiting.
        """
        if supervised.app.state not in (State.PREPARING, State.STARTING, State.RUNNING, State.UNHEALTHY):
            return None  # it was ended
        aborted = ended.signal == "SIGABRT" or ended.code == ABORTED
        killed = ended.signal is not None or ended.code is None or ended.code in SIGNALLED
        if killed and not aborted:
            return None
        return self._recognise(supervised, ended.code, ended.signal)

    def of_check(self, supervised: Supervised, probed: Probed) -> Probed:
        """Return a failed check with its cause, if nothing listens and the app's last lines tell why."""
        app = supervised.app
        if probed.outcome is not Outcome.DOWN or probed.verdict not in (Verdict.CLOSED, None):
            return probed
        if app.state is State.STARTING and self._host.now() - (app.spawned_at or 0.0) < PRINTED_AFTER:
            return probed
        return replace(probed, cause=self._recognise(supervised, None, None))

    def of_spawn(self, supervised: Supervised, error: SpawnError) -> Cause | None:
        """Return why the first process of a run could not be made, if a file's change can help that."""
        with suppress(OSError):  # as in `_recognise`
            match error.stage, error.errno:
                case Stage.CWD, _:
                    return self._remember(supervised, Match(Kind.MISSING_FOLDER))
                case Stage.EXECUTE, errno.ENOENT:
                    return self._remember(supervised, Match(Kind.NO_COMMAND, error.subject))
                case Stage.EXECUTE, errno.EACCES:
                    match = Match(Kind.PERMISSION, file=error.subject, wanted="execute")
                    return self._remember(supervised, match)
        return None

    def _recognise(self, supervised: Supervised, code: int | None, signal: str | None) -> Cause | None:
        """Return the cause that the last lines tell; a mistake made here costs the cause and nothing else.

        What an app prints and has in its folder is anything at all, and its end has to be known all the same.
        """
        try:
            from procman.core.recognition import recognise  # only a failure pays its 20 ms

            match = recognise(code, signal, tail(self._logs, supervised.name, supervised.app.generation))
            return None if match is None else self._remember(supervised, match)
        except OSError:  # what it reads, or what it is loaded from: there may be no descriptor left for that
            return None
        except Exception as mistake:
            what = f"procman could not tell why it failed, by a mistake of its own: {mistake!r}"
            self._tell(Problem(supervised.name, self._host.wall(), what))
            return None

    def _remember(self, supervised: Supervised, match: Match) -> Cause:
        """Return the cause of a failure, with its files as they are at the first time it is seen in a run."""
        from procman.engine.remedy import explain  # and this its 5 ms

        name, run = supervised.name, supervised.app.generation
        known = self._known.get(name)
        if known is not None and (known.run, known.match) == (run, match):
            return known.cause
        config = supervised.config
        try:
            environment = self._environment(config)
        except InvalidConfig:
            environment = {}
        cause = explain(match, Scene(config, self._project, environment, self._host))
        if cause.hopeless and (
            self._is_refuted(supervised, cause)
            or self._why_busy(config.cwd) is not None
            or (supervised.app.state is not State.PREPARING and self._is_prepare_due(config))
        ):
            cause = replace(cause, hopeless=False)
        self._known[name] = _Known(run, match, cause, signatures(cause.files))
        return cause

    def _is_refuted(self, supervised: Supervised, cause: Cause) -> bool:
        """Return whether the run itself has shown that one can come up with the files as they are.

        A server that has run for days, and fails over a file that only one page of it needs, comes up again.
        """
        app, config, now = supervised.app, supervised.config, self._host.now()
        if app.healthy_since is None:
            return False
        checked = config.check.kind is not CheckKind.NONE
        if not checked and not policy.proved_itself(app.healthy_since, now, config.backoff):
            return False
        since = self._host.wall() - (now - app.healthy_since)
        return not any(is_younger(file, since) for file in cause.files)

    # what is waited for

    def tend(self, supervised: Supervised) -> None:
        """Wait for the files that an app needs, if it has failed for want of one; else for none."""
        name = supervised.name
        cause, watched = _waits_for(supervised), self._watches.get(name)
        if watched is not None and (cause is None or cause != watched[0]):
            self._watches.pop(name)[1].cancel()
            watched = None
        if cause is not None and watched is None:
            self._watches[name] = cause, self._watch(supervised, cause)

    def forget(self, name: str) -> None:
        """Forget what is known of an app that has another name from now on; `tend` begins anew for it."""
        self._known.pop(name, None)
        if name in self._watches:
            self._watches.pop(name)[1].cancel()

    def release(self) -> None:
        """Wait for nothing any more."""
        for _, watch in self._watches.values():
            watch.cancel()
        self._watches.clear()

    def _watch(self, supervised: Supervised, cause: Cause) -> FileWatch:
        name, config, known = supervised.name, supervised.config, self._known.get(supervised.name)
        mine = known is not None and known.run == supervised.app.generation and known.cause == cause
        alive = supervised.app.state is State.UNHEALTHY
        # nodemon and its like restart their own server when they see an edit: theirs is the first turn.
        patience = config.check.failures * config.check.retry_interval if alive else 0.0
        scene = Scene(config, self._project, {}, self._host)

        def changed(file: str) -> None:
            self._watches.pop(name)
            self._on_remedied(name, Remedied(scene.shown(file)))

        return FileWatch(
            self._host,
            cause.files,
            known.seen if mine and known is not None else self._failed_at(supervised.app),
            is_busy=lambda: self._why_busy(config.cwd) is not None,
            on_changed=changed,
            patience=patience,
        )

    def _failed_at(self, app: App) -> float:
        """Return when the app failed, in seconds since the epoch: a former manager has seen it.

        That is when it exited, unless it is its next start that could not be made.
        """
        booted = self._host.wall() - self._host.now()
        started = booted + max(app.starts, default=-math.inf)
        if app.state is State.FAILED and app.last_exit is not None and app.last_exit.at >= started:
            return app.last_exit.at
        return booted + app.since


def _waits_for(supervised: Supervised) -> Cause | None:
    """Return the cause of which a file may mend an app that has failed, or is held."""
    app = supervised.app
    held = app.state is State.UNHEALTHY and supervised.config.restart is not Restart.NEVER
    if app.diagnosis is None or not app.diagnosis.hopeless or not app.wanted:
        return None
    return app.diagnosis if held or app.state is State.FAILED else None
