"""A command that can't do what it was asked for, and how that is said."""

from __future__ import annotations

import os

from procman.cli import exits, talk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_NAMED = 5  # apps, in one message


class Failure(Exception):
    """Ends a command with a message, a hint and an exit code."""

    def __init__(self, code: int, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def tell(self) -> int:
        """Say it, and return the exit code."""
        talk.fail(self.message, self.hint)
        return self.code


class FileFailure(Failure):
    """Ends a command because of the project's file; the message has its places, lines and hints."""

    def __init__(self, message: str) -> None:
        super().__init__(exits.USAGE, message)

    def tell(self) -> int:
        """Show it as it is, and return the exit code."""
        talk.fail_as_is(self.message)
        return self.code


def shown(path: str) -> str:
    """Return how to name a file to its user: relative if it lies in the current folder."""
    try:
        relative = os.path.relpath(path)
    except OSError:  # the current folder was deleted
        return path
    return path if relative.startswith(os.pardir) else relative


def not_running(file: str, living: Sequence[str] = ()) -> Failure:
    """Return the failure of a command that needs a manager where none runs; these apps live on without."""
    message = f"no manager runs for `{shown(file)}`"
    if not living:
        return Failure(exits.NOT_RUNNING, message, "`procman up` starts it")
    more = ", …" if len(living) > MOST_NAMED else ""
    some = ", ".join(f"`{name}`" for name in living[:MOST_NAMED]) + more
    live = f"{len(living)} of its apps live on" if len(living) > 1 else "one of its apps lives on"
    hint = "`procman up` takes them back as they are, `procman down` ends them"
    return Failure(exits.NOT_RUNNING, f"{message}, but {live}: {some}", hint)
