"""A command that can't do what it was asked for, and how that is said."""

from __future__ import annotations

import os

from procman.cli import exits, talk

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


class NoManager(Failure):
    """Ends a command that needs a manager where none runs.

    Args:
        file: the project's.
        home: its state folder, to look for apps that live on all the same; not before it is told, for a look
            takes 0.1 s, and completion and `report` do without a manager.
    """

    def __init__(self, file: str, home: str | None = None) -> None:
        super().__init__(exits.NOT_RUNNING, f"no manager runs for `{shown(file)}`", "`procman up` starts it")
        self._home = home

    def tell(self) -> int:
        """Say it, with the apps that live on, and return the exit code."""
        names = () if self._home is None else _living(self._home)
        if names:
            more = ", …" if len(names) > MOST_NAMED else ""
            some = ", ".join(f"`{name}`" for name in names[:MOST_NAMED]) + more
            live = f"{len(names)} of its apps live on" if len(names) > 1 else "one of its apps lives on"
            self.message += f", but {live}: {some}"
            self.hint = "`procman up` takes them back as they are, `procman down` ends them"
        return super().tell()


def _living(home: str) -> tuple[str, ...]:
    from procman.control.local import living_apps

    try:
        return living_apps(home)
    except OSError:  # that can't be told
        return ()
