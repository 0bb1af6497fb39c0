"""What `posix/pty.py` is, where no app has a terminal: Windows has ConPTY, which ends with its maker."""

from __future__ import annotations

import errno
from typing import NamedTuple, NoReturn

CAPACITY = 0


class Ends(NamedTuple):
    """Both ends of a pseudo-terminal, of which there are none here."""

    master: int
    slave: int


def _refuse(*_: object) -> NoReturn:
    raise OSError(errno.ENOTSUP, "an app can have no terminal of its own on Windows: remove its `tty`")


def open_terminal() -> Ends:
    """Raise OSError: there is none."""
    _refuse()


def take_over(master: int, slave: int) -> Ends:
    """Raise OSError: there is none."""
    _refuse()


def read(master: int, most: int) -> bytes | None:
    """Raise OSError: there is none."""
    _refuse()


def write(master: int, data: bytes) -> int:
    """Raise OSError: there is none."""
    _refuse()


def resize(master: int, columns: int, rows: int) -> None:
    """Do nothing: what is not there has no size."""
