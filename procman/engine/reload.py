"""Follows the file: reads it again after every change, and keeps the last good one in force.

An editor may be caught between truncating and writing, so a file that does not read is looked at once more
before it is called wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from procman.config.read import InvalidConfig, parse_config
from procman.config.source import read_source
from procman.core.config import Config
from procman.host.base import Cancellable, Host

SECOND_LOOK = 0.25  # seconds; a save takes milliseconds, and an edit has to be applied within a second


@dataclass(frozen=True, slots=True)
class FileState:
    """How the file on disk stands to what is in force."""

    error: str | None  # every diagnostic, rendered; None when the file is applied
    applied_at: float  # seconds since the epoch, of the last good one


class Reloader:
    """Reads one file whenever it changes; owned by the event loop's thread.

    Args:
        host: tells when the file may have changed.
        config: what the file said when it was read first.
        digest: of its bytes then.
        on_read: called with what it says after a change.
    """

    def __init__(
        self, host: Host, config: Config, digest: str, on_read: Callable[[Config | InvalidConfig], object]
    ) -> None:
        self._host = host
        self._path = config.file
        self._on_read = on_read
        self._again: Cancellable | None = None
        self._last = digest, config  # of the newest valid text
        self._watch = host.watch_file(self._path, self._changed)

    def close(self) -> None:
        """Stop following the file."""
        self._watch.cancel()
        self._forget()

    def read(self) -> Config | InvalidConfig:
        """Return what the file says now, to be acted on: a second look is not needed any more."""
        self._forget()
        return self.peek()

    def peek(self) -> Config | InvalidConfig:
        """Return what the file says now; one that says what it said is not parsed again."""
        try:
            source = read_source(self._path)
            if self._last[0] != source.digest:
                self._last = source.digest, parse_config(source)
        except InvalidConfig as error:
            return error
        return self._last[1]

    def _changed(self) -> None:
        read = self.read()
        if isinstance(read, InvalidConfig):
            self._again = self._host.call_at(self._host.now() + SECOND_LOOK, self._insist)
        else:
            self._on_read(read)

    def _insist(self) -> None:
        self._on_read(self.read())

    def _forget(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
