"""Runs a command as an app would be run, in the place of the present process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn


class NotRun(Exception):
    """The command could not be run; says why."""

    def __init__(self, message: str, *, missing: bool) -> None:
        super().__init__(message)
        self.missing = missing  # there is no such command, as a shell's exit code 127 says


def replace_by(words: Sequence[str], cwd: str, environment: Mapping[str, str]) -> NoReturn:
    """Become the command: terminal, signals and exit code are its own.

    Args:
        words: the command; looked for on the PATH of `environment`.
        cwd: the folder to run in.
        environment: all that it gets.

    Raises:
        NotRun: it could not be.
    """
    if sys.platform == "win32":  # exec is another process there, and the shell takes this one for over
        raise NotRun("a command can't be run in the place of this one on Windows", missing=False)
    try:
        os.chdir(cwd)
    except OSError as error:
        raise NotRun(f"can't change into `{cwd}`: {error.strerror}", missing=False) from error
    try:
        os.execvpe(words[0], list(words), dict(environment))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        missing = isinstance(error, FileNotFoundError)
        raise NotRun(f"can't run `{words[0]}`: {reason}", missing=missing) from error
