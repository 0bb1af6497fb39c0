"""Begins the runs of apps: pipes, environment, marker, process."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from procman.config.environment import build_environment
from procman.config.read import InvalidConfig
from procman.core.config import AppConfig, Command
from procman.core.identity import MARKER
from procman.core.machine import SpawnFailed
from procman.engine.handover import fingerprint
from procman.engine.supervised import Supervised
from procman.host.base import Ended, Host, Order, Run, SpawnError

# What trying again can cure: everything else stays as it is until somebody changes something.
PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.ETXTBSY})


def project_mark(home: Path) -> str:
    """Return what begins the marker of every run of the project that keeps its state in `home`."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12] + ":"


class Runs:
    """Starts processes for apps, each under a marker of its own; owned by the event loop's thread.

    `project` begins the marker of every run of this project, whichever manager started it.
    """

    def __init__(self, host: Host, home: Path, environment: Mapping[str, str]) -> None:
        self._host = host
        self._environment = environment
        self.project = project_mark(home)

    def marker(self, name: str, generation: int) -> str:
        """Return what marks every process of this run, and of no other run of any project."""
        return f"{self.project}{name}:{generation}"

    def environment(self, config: AppConfig) -> dict[str, str]:
        """Return the environment that the app gets; its `env_file` is read anew.

        Raises:
            InvalidConfig: an `env_file` can't be read, or has a broken line.
        """
        return build_environment(config, self._environment)

    def begin(
        self,
        supervised: Supervised,
        generation: int,
        command: Command,
        on_exit: Callable[[Ended], None],
    ) -> SpawnFailed | None:
        """Start `command` as this run of the app; return why it could not be, or None."""
        config = supervised.config
        marker = self.marker(config.name, generation)
        try:
            environment = {**self.environment(config), MARKER: marker}
            streams = supervised.capture.begin(generation)
        except InvalidConfig as error:
            return SpawnFailed(generation, error.render(), permanent=True)
        except OSError as error:
            return SpawnFailed(generation, f"could not make its pipes: {error}", error.errno not in PASSING)
        order = Order(
            arguments=command.words,
            shell=command.shell,
            cwd=config.cwd,
            environment=environment,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
        )
        try:
            leader = self._host.spawn(order, on_exit)
        except SpawnError as error:
            supervised.capture.release()
            supervised.capture.end()
            return SpawnFailed(generation, str(error), error.errno not in PASSING)
        supervised.capture.release()
        supervised.run = Run(leader, marker)
        supervised.port = config.port
        supervised.started_with = fingerprint(config)
        return None
