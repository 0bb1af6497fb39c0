"""Begins the runs of apps: pipes, environment, marker, process."""

from __future__ import annotations

import errno
import hashlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from procman.config.environment import build_environment
from procman.config.read import InvalidConfig
from procman.core.causes import Cause
from procman.core.config import AppConfig, Command
from procman.core.events import SpawnFailed
from procman.core.identity import MARKER
from procman.engine.handover import fingerprint
from procman.engine.stale import digests_of
from procman.engine.supervised import Supervised
from procman.host.base import Ended, Host, Order, Rights, Run, SpawnError

# What trying again can cure: everything else stays as it is until somebody changes something.
PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ETXTBSY,
    }
)


def project_mark(home: Path) -> str:
    """Return what begins the marker of every run of the project that keeps its state in `home`."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12] + ":"


def rights_of(config: AppConfig) -> Rights:
    """Return as whom an app runs, and what it may use."""
    umask = None if config.umask is None else int(config.umask, 8)
    return Rights(config.user, config.group, umask, config.nice, config.limits)


class Runs:
    """Starts processes for apps, each under a marker of its own; owned by the event loop's thread.

    `project` begins the marker of every run of this project, whichever manager started it.
    """

    def __init__(
        self, host: Host, home: Path, environment: Mapping[str, str], in_use: Callable[[str], bool]
    ) -> None:
        """Begin nothing yet; `in_use` returns whether there is a run with this marker."""
        self._host = host
        self._environment = environment
        self._in_use = in_use
        self.project = project_mark(home)

    def marker(self, name: str, generation: int) -> str:
        """Return what marks every process of this run, and of no other run of any project.

        A run whose app was renamed keeps a marker with its old name, and there may be a new app of that name:
        then the number is another than that of the run.
        """
        free = (f"{self.project}{name}:{number}" for number in itertools.count(generation))
        return next(marker for marker in free if not self._in_use(marker))

    def environment(self, config: AppConfig) -> dict[str, str]:
        """Return the environment that the app gets; its `env_file` is read anew.

        Raises:
            InvalidConfig: an `env_file` can't be read, or has a broken line.
        """
        own = {} if config.user is None else self._host.variables(config.user)
        return build_environment(config, {**self._environment, **own})

    def begin(
        self,
        supervised: Supervised,
        generation: int,
        command: Command,
        on_exit: Callable[[Ended], None],
        explain: Callable[[Supervised, SpawnError], Cause | None],
    ) -> SpawnFailed | None:
        """Start `command` as this run of the app; return why it could not be, or None."""
        config = supervised.config
        marker = self.marker(config.name, generation)
        try:
            env_files = digests_of(config)
            environment = {**self.environment(config), MARKER: marker}
            streams = supervised.capture.begin(generation, tty=config.tty)
        except InvalidConfig as error:
            return SpawnFailed(generation, error.render(), permanent=True)
        except OSError as error:
            what = "terminal" if config.tty else "pipes"
            return SpawnFailed(generation, f"could not make its {what}: {error}", error.errno not in PASSING)
        order = Order(
            arguments=command.words,
            shell=command.shell,
            cwd=config.cwd,
            environment=environment,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            rights=rights_of(config),
            terminal=config.tty,
        )
        try:
            leader = self._host.spawn(order, on_exit)
        except SpawnError as error:
            supervised.capture.release()
            supervised.capture.end()
            permanent = error.errno not in PASSING
            return SpawnFailed(generation, str(error), permanent, explain(supervised, error))
        supervised.capture.release()
        supervised.run = Run(leader, marker)
        supervised.port = config.port
        supervised.started_with = fingerprint(config)
        supervised.env_files = env_files
        return None
