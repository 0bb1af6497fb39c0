"""Other tools' verbs, with ours: what somebody types who came from there is told what it is called here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_VERBS = {
    "supervisorctl's": {
        "tail": "logs -f", "fg": "attach", "reread": "plan", "update": "reload", "shutdown": "down",
        "avail": "status", "pid": "status", "maintail": "events -f",
    },
    "pm2's": {
        "list": "status", "l": "status", "show": "why", "describe": "why", "info": "why",
        "delete": "remove", "sendSignal": "signal", "ecosystem": "init", "resurrect": "up -d",
    },
    "Docker Compose's": {
        "exec": "run", "kill": "signal SIGKILL", "config": "get", "convert": "get", "rm": "remove",
        "scale": "set APP.instances N", "pause": "signal SIGSTOP", "unpause": "signal SIGCONT",
    },
    "kubectl's": {"apply": "reload", "diff": "plan"},
    "systemctl's": {"daemon-reload": "reload", "try-restart": "restart", "cat": "get"},
    "overmind's": {"connect": "attach", "quit": "down", "echo": "logs -f"},
    "another tool's": {
        "log": "logs", "st": "status", "validate": "check", "configtest": "check", "lint": "check",
        "inspect": "why", "explain": "why", "edit": "set",
    },
}  # fmt: skip

# What procman's users expect to be there, and what is there today to do the same with.
_NOT_YET = {
    "top": "it is not there yet; `procman status --watch --wide` and `procman logs -f` show the same",
    "web": "it is not there yet; `procman status --watch` shows the apps, `--json` gives them to programs",
}


def hint(typed: str, commands: Iterable[str]) -> str:
    """Return what to type instead of a command that there is not: another tool's verb, or a typo."""
    for whose, verbs in _VERBS.items():
        if typed in verbs:
            return f"`{typed}` is {whose} name; here it is `procman {verbs[typed]}`"
    if typed in _NOT_YET:
        return _NOT_YET[typed]
    near = difflib.get_close_matches(typed, commands, 1)
    return f"did you mean `procman {near[0]}`?" if near else "`procman --help` lists all commands"
