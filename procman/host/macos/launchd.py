"""Services of launchd: `launchctl`, as its user would type it. It was never tried on macOS."""

from __future__ import annotations

import os
import re
import sys

from procman.host.service_manager import Answer, Ask, NotDone, ServiceState, ask

assert sys.platform != "win32"

NOT_FOUND = 113  # of `launchctl print`: there is no such service
_PID = re.compile(r"^\s*pid = (\d+)", re.MULTILINE)
_WORD = re.compile(r"^\s*state = (.+)$", re.MULTILINE)
_CODE = re.compile(r"^\s*last exit code = (\d+)", re.MULTILINE)


class Launchd:
    """The daemons of the machine, or the agents of this user, which run while they are logged in.

    Args:
        system: whose.
        ask: runs a program; tests say what it answers.
    """

    kind = "launchd"

    def __init__(self, *, system: bool, ask: Ask = ask) -> None:
        self.system = system
        self._ask = ask
        self._domain = "system" if system else f"gui/{os.geteuid()}"

    def folder(self) -> str:
        """Return where property lists are."""
        return "/Library/LaunchDaemons" if self.system else os.path.expanduser("~/Library/LaunchAgents")

    def file_name(self, name: str) -> str:
        """Return the name of the property list."""
        return f"{_label(name)}.plist"

    def name_of(self, file_name: str) -> str:
        """Return the name of the service that has this property list."""
        return file_name.removesuffix(".plist").replace(".", "-", 1)

    def demand(self) -> None:
        """Return if launchd answers; raises `NotDone`."""
        answer = self._ask(("launchctl", "print", self._domain), {})
        if answer.code != 0:
            hint = None if self.system else "an agent needs its user to be logged in at the screen"
            raise NotDone(f"launchd does not answer for `{self._domain}`: {_last(answer)}", hint)

    def enable(self, name: str) -> None:
        """Have it start with the machine, or with the login of its user; the file alone does that."""
        self._must("enable", f"{self._domain}/{_label(name)}")

    def start(self, name: str) -> None:
        """Load the property list, which starts it."""
        if not self.state(name).is_known:
            self._must("bootstrap", self._domain, os.path.join(self.folder(), self.file_name(name)))
        self._must("kickstart", f"{self._domain}/{_label(name)}")

    def remove(self, name: str) -> None:
        """Stop it, and unload the property list."""
        if self.state(name).is_known:
            self._must("bootout", f"{self._domain}/{_label(name)}")

    def forget(self, name: str) -> None:
        """Do nothing: what is unloaded and has no file is forgotten."""

    def state(self, name: str) -> ServiceState:
        """Return what launchd says of it."""
        answer = self._ask(("launchctl", "print", f"{self._domain}/{_label(name)}"), {})
        if answer.code != 0:
            return ServiceState(error="" if answer.code == NOT_FOUND else _last(answer))
        pid, word, code = (pattern.search(answer.out) for pattern in (_PID, _WORD, _CODE))
        ended = "" if code is None or code[1] == "0" else f"exit code {code[1]}"
        return ServiceState(
            is_known=True,
            is_enabled=True,
            word=word[1].strip() if word else "loaded",
            pid=int(pid[1]) if pid else None,
            error=ended,
        )

    def lingers(self) -> bool | None:
        """Return None: an agent ends with the session of its user, and nothing changes that."""
        return None

    def linger(self) -> None:
        """Raise `NotDone`: only a daemon of the machine runs without a login."""
        raise NotDone("an agent runs while its user is logged in", "`--system` makes a daemon of the machine")

    def spell(self, verb: str, name: str) -> str:
        """Return what to type for that."""
        word = {"status": "print", "start": "kickstart", "stop": "bootout"}.get(verb, verb)
        return f"launchctl {word} {self._domain}/{_label(name)}"

    def _must(self, *words: str) -> None:
        answer = self._ask(("launchctl", *words), {})
        if answer.code != 0:
            raise NotDone(f"`launchctl {' '.join(words)}` failed: {_last(answer)}")


def _label(name: str) -> str:
    return name.replace("-", ".", 1)


def _last(answer: Answer) -> str:
    lines = [line for line in (answer.err or answer.out).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {answer.code}"
