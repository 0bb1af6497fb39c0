"""Services of systemd: `systemctl` and `loginctl`, as this user would type them.

Not over D-Bus: that would be a library, and no user could repeat what it did.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Mapping

from procman.host.service_manager import Answer, Ask, NotDone, ServiceState, ask

assert sys.platform != "win32"

LINGER = "/var/lib/systemd/linger"  # a file for each user, loginctl(1)
SYSTEM_UNITS = "/etc/systemd/system"
LAST_LINES = 8  # of the journal, where a start has failed
_ASKED = ("LoadState", "UnitFileState", "ActiveState", "SubState", "MainPID", "StatusText", "Result")


class Systemd:
    """The systemd of the machine, or of this user.

    Args:
        system: whose.
        ask: runs a program; tests say what it answers.
    """

    kind = "systemd"

    def __init__(self, *, system: bool, ask: Ask = ask) -> None:
        self.system = system
        self._ask = ask
        self._uid = os.geteuid()

    def folder(self) -> str:
        """Return where units are that were not installed by packages."""
        if self.system:
            return SYSTEM_UNITS
        base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
        return os.path.join(base, "systemd", "user")

    def file_name(self, name: str) -> str:
        """Return the name of the unit's file."""
        return f"{name}.service"

    def name_of(self, file_name: str) -> str:
        """Return the name of the unit that has this file."""
        return file_name.removesuffix(".service")

    def demand(self) -> None:
        """Return if this systemd answers; raises `NotDone`."""
        answer = self._systemctl("show", "--property=Version")
        if answer.code == 127:
            raise NotDone("systemd does not run here", "`procman up -d` runs the apps without it")
        if answer.code == 0:
            return
        if self.system:
            raise NotDone(f"systemd does not answer: {_last(answer)}", "a container may have none")
        raise NotDone(
            f"the systemd of user `{self._user()}` does not answer: {_last(answer)}",
            f"it runs while you are logged in, or always after `sudo loginctl enable-linger {self._user()}`",
        )

    def enable(self, name: str) -> None:
        """Have the unit read again, and start with the machine."""
        self._must("daemon-reload")
        self._must("enable", self.file_name(name))

    def start(self, name: str) -> None:
        """Start the unit; what the journal says of a failure is in the exception."""
        self._systemctl("reset-failed", self.file_name(name))
        answer = self._systemctl("start", self.file_name(name))
        if answer.code != 0:
            lines = self._journal(name) or [_last(answer)]
            raise NotDone(
                "\n".join((f"`{name}` did not start:", *(f"  {line}" for line in lines))),
                f"`{self.spell('status', name)}` says how it is now",
            )

    def remove(self, name: str) -> None:
        """Stop the unit, which stops its apps, and have it start no more."""
        self._must("disable", "--now", self.file_name(name))

    def forget(self, name: str) -> None:
        """Have systemd forget the unit."""
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", self.file_name(name))

    def state(self, name: str) -> ServiceState:
        """Return what systemd says of the unit."""
        answer = self._systemctl("show", self.file_name(name), *(f"--property={each}" for each in _ASKED))
        said = dict(line.partition("=")[::2] for line in answer.out.splitlines())
        if answer.code != 0 or said.get("LoadState", "not-found") == "not-found":
            return ServiceState(error="" if answer.code == 0 else _last(answer))
        pid, result = said.get("MainPID", "0"), said.get("Result", "success")
        return ServiceState(
            is_known=True,
            is_enabled=said.get("UnitFileState") in ("enabled", "enabled-runtime", "linked", "static"),
            word=_word(said),
            pid=int(pid) if pid.isdecimal() and pid != "0" else None,
            text=said.get("StatusText", ""),
            error="" if result == "success" else result,
        )

    def lingers(self) -> bool | None:
        """Return whether this user's systemd runs from the start on; None for that of the machine."""
        return None if self.system else os.path.exists(os.path.join(LINGER, self._user()))

    def linger(self) -> None:
        """Have this user's systemd run from the start of the machine on."""
        answer = self._ask(("loginctl", "enable-linger", self._user()), {})
        if answer.code != 0:
            hint = f"`sudo loginctl enable-linger {self._user()}`"
            raise NotDone(f"lingering could not be enabled: {_last(answer)}", hint)

    def spell(self, verb: str, name: str) -> str:
        """Return what to type for that."""
        return f"systemctl {'' if self.system else '--user '}{verb} {name}"

    def _user(self) -> str:
        try:
            return pwd.getpwuid(self._uid).pw_name
        except KeyError:
            return str(self._uid)

    def _journal(self, name: str) -> list[str]:
        whose = () if self.system else ("--user",)
        words = (
            "journalctl",
            *whose,
            "-u",
            self.file_name(name),
            "-n",
            str(LAST_LINES),
            "-o",
            "cat",
            "--no-pager",
        )
        return self._ask(words, self._bus()).out.splitlines()

    def _must(self, *words: str) -> None:
        answer = self._systemctl(*words)
        if answer.code != 0:
            raise NotDone(f"`systemctl {' '.join(words)}` failed: {_last(answer)}")

    def _systemctl(self, *words: str) -> Answer:
        whose = () if self.system else ("--user",)
        return self._ask(("systemctl", *whose, "--no-pager", *words), self._bus())

    def _bus(self) -> Mapping[str, str]:
        """Return where this user's systemd is: after `su` and in cron nothing in the environment says so."""
        place = f"/run/user/{self._uid}"
        if self.system or "XDG_RUNTIME_DIR" in os.environ or not os.path.isdir(place):
            return {}
        return {"XDG_RUNTIME_DIR": place}


def _word(said: Mapping[str, str]) -> str:
    active, sub = said.get("ActiveState", ""), said.get("SubState", "")
    return active if active == "active" or not sub or sub == "dead" else f"{active} ({sub})"


def _last(answer: Answer) -> str:
    """Return what a program said last, or its exit code."""
    lines = [line for line in (answer.err or answer.out).splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {answer.code}"
