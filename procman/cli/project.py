"""The project that a command is about, and its manager; faults come as `Failure`. Light: see `cli.entry`."""

from __future__ import annotations

import os

from procman.cli import exits
from procman.cli.failure import Failure, FileFailure, NoManager, shown
from procman.config.locate import NoFile, find_file
from procman.control.ask import Lost, NotRunning, Refused, ask_status
from procman.control.endpoint import home_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from procman.control.protocol import Frame, Request
    from procman.core.config import Config


class Project:
    """A file, and the state folder that belongs to it."""

    def __init__(self, file: str, *, is_named: bool = False) -> None:
        self.file = file
        self.home = home_of(file)
        self._is_named = is_named

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

    def ask_status(self, *, wide: bool = False, meanwhile: Callable[[], object] | None = None) -> bytes:
        """Return the manager's status as one line of JSON; see `control.ask` for the arguments."""
        try:
            return self.its_own(ask_status(self.home, wide=wide, meanwhile=meanwhile))
        except (NotRunning, Lost, Refused) as error:
            raise self.failure(error) from error

    def call(self, request: Request) -> Iterator[Frame]:
        """Yield the frames of the manager's answer."""
        from procman.control.client import call

        self.demand_its_manager()
        try:
            yield from call(self.home, request)
        except (NotRunning, Lost, Refused) as error:
            raise self.failure(error) from error

    def its_own(self, status: bytes) -> bytes:
        """Return a manager's status, if the manager is the project's; see `demand_its_manager`."""
        # Where the file was named as the manager has it, `json` (10 ms) is not imported.
        if self._is_named and f'"file": "{self.file}"'.encode(errors="replace") not in status:
            from json import loads

            self.demand_same(loads(status)["manager"]["file"])
        return status

    def demand_its_manager(self) -> None:
        """Return if no manager of another file has the state folder; else `-f other.toml down` would stop it.

        Asked only where a file was named: one that was found may have been renamed since its manager began.
        """
        if not self._is_named:
            return
        from procman.control.client import call
        from procman.control.protocol import Request

        try:
            *_, answer = call(self.home, Request("ping"))
        except (NotRunning, Lost, Refused):  # whoever asks next says so
            return
        self.demand_same(answer["file"])

    def demand_same(self, file: str) -> None:
        """Return if a manager with this file is the project's, by whatever path its folder is reached."""
        if _place(file) == _place(self.file):
            return
        message = f"the manager in this folder runs `{shown(file)}`, not `{shown(self.file)}`"
        hint = "stop it with `procman down`, or give each file a folder of its own with `PROCMAN_HOME`"
        raise Failure(exits.USAGE, message, hint)

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
        return Project(find_file(file), is_named=bool(file or os.environ.get("PROCMAN_FILE")))
    except NoFile as error:
        raise Failure(exits.USAGE, str(error), error.hint) from error


def _place(file: str) -> tuple[str, str]:
    """Return where a file is, without links in its folder; whither the file itself leads may change."""
    folder, name = os.path.split(file)
    return os.path.realpath(folder), name
