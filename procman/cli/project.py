"""The project that a command is about, and its manager; faults come as `Failure`. Light: see `cli.entry`."""

from __future__ import annotations

import os

from procman.cli import exits
from procman.cli.failure import Failure, FileFailure, NoManager
from procman.config.locate import NoFile, find_file
from procman.control.ask import Lost, NotRunning, Refused, ask_status
from procman.control.endpoint import home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from procman.control.protocol import Frame, Request
    from procman.core.config import Config


class Project:
    """A file, and the state folder that belongs to it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.home = home_of(file)

    @property
    def logs(self) -> Path:
        """The folder of the apps' logs."""
        from pathlib import Path

        return Path(self.home, "logs")

    def read(self) -> Config:
        """Return what the file says; raises `Failure` with everything that is wrong with it."""
        from procman.config.diagnostics import InvalidConfig
        from procman.config.read import read_config

        try:
            return read_config(self.file)
        except InvalidConfig as error:
            raise FileFailure(error.render()) from error

    def ask_status(self, *, wide: bool = False) -> bytes:
        """Return the manager's status as one line of JSON; `wide` with what the trees of the apps use."""
        try:
            return ask_status(self.home, wide=wide)
        except (NotRunning, Lost, Refused) as error:
            raise self.failure(error) from error

    def call(self, request: Request) -> Iterator[Frame]:
        """Yield the frames of the manager's answer."""
        from procman.control.client import call

        try:
            yield from call(self.home, request)
        except (NotRunning, Lost, Refused) as error:
            raise self.failure(error) from error

    def failure(self, error: NotRunning | Lost | Refused) -> Failure:
        """Return what a fault of the connection means for a command."""
        if isinstance(error, NotRunning):
            return NoManager(self.file, self.home)
        if isinstance(error, Lost):
            log = os.path.join(self.home, "manager.log")
            return Failure(
                exits.FAILED, str(error), f"`procman status` tells whether it runs, `{log}` what happened"
            )
        if error.kind == "invalid file":
            return FileFailure(error.message)
        return Failure(error.code, error.message, error.hint)


def find_project(file: str | None) -> Project:
    """Return the project that `--file` names, or else the one that the current folder is in."""
    try:
        return Project(find_file(file))
    except NoFile as error:
        raise Failure(exits.USAGE, str(error), error.hint) from error
