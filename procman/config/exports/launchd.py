"""The apps as property lists of launchd."""

from __future__ import annotations

import os
import plistlib
from collections.abc import Sequence
from typing import Any

from procman.config.exports.calendar import start_calendar
from procman.config.exports.subject import Exported, Options, Subject
from procman.core.config import Restart

_CARRIED = (
    "command", "shell", "cwd", "port", "env", "restart", "stop_timeout", "autostart", "user", "group",
    "umask", "nice", "limits", "schedule",
    "instances",
)  # fmt: skip
_LIMITS = {
    "core": "Core", "cpu": "CPU", "data": "Data", "fsize": "FileSize", "memlock": "MemoryLock",
    "nofile": "NumberOfFiles", "nproc": "NumberOfProcesses", "stack": "Stack",
}  # fmt: skip
_REASONS = {
    "depends_on": "launchd starts everything at once: an app has to bear that another is not there yet",
    "env_file": "launchd reads no env files: write the variables into `env`, or read the file in the command",
    "stop_signal": "launchd always stops with SIGTERM",
    "prepare": "launchd runs nothing before an app: run it once by hand",
    "check": "launchd checks no health",
    "give_up": "launchd never gives up",
    "logs": "launchd keeps no output unless `StandardOutPath` names a file",
}


def export_launchd(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a `.plist` for each app: an agent of its user, or a daemon of the machine."""
    exported = Exported(losses=apps[0].losses if apps else [])
    for subject in apps:
        label = f"{subject.project.name}.{subject.app.name}"
        document = _document(subject, options, label)
        exported.files[f"{label}.plist"] = plistlib.dumps(document, sort_keys=False).decode()
        for key, reason in _REASONS.items():
            if key in subject.places and not _is_usual(subject, key):
                subject.lose(key, reason)
        if subject.app.port is not None and "check" not in subject.places:
            subject.lose("port", "launchd asks no port whether anybody answers")
        subject.lose_others((*_CARRIED, *_REASONS), "launchd")
    return exported


def _is_usual(subject: Subject, key: str) -> bool:
    """Return whether what a key says is what launchd does anyway."""
    if key == "give_up":
        return not subject.app.give_up.starts
    return key == "stop_signal" and subject.app.stop_signal == "SIGTERM"


def _document(subject: Subject, options: Options, label: str) -> dict[str, Any]:
    app = subject.app
    words = ["/bin/sh", "-c", app.command.words[0]] if app.command.shell else list(app.command.words)
    if "/" not in words[0] and (found := options.find(words[0])):
        words[0] = found
    document: dict[str, Any] = {
        "Label": label,
        "ProgramArguments": words,
        "WorkingDirectory": app.cwd,
        "RunAtLoad": app.autostart,
        "KeepAlive": {Restart.ALWAYS: True, Restart.NEVER: False}.get(app.restart, {"SuccessfulExit": False}),
        "ThrottleInterval": max(1, round(app.backoff.initial)),
        "ExitTimeOut": max(1, round(app.stop_timeout)),
    }
    variables = subject.environment(secrets="it looks secret, and anybody may read a property list")
    folder = os.path.dirname(words[0])
    if folder.startswith("/") and folder not in ("/bin", "/usr/bin") and "PATH" not in variables:
        variables = {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **variables}
    if variables:
        document["EnvironmentVariables"] = variables
    return document | _schedule(subject) | _rights(subject, options)


def _schedule(subject: Subject) -> dict[str, Any]:
    schedule = subject.value("schedule")
    if not schedule:
        return {}
    times = start_calendar(str(schedule))
    if times is None:
        subject.lose("schedule", "launchd has no calendar that means the same")
        return {}
    return {"StartCalendarInterval": times, "KeepAlive": False, "RunAtLoad": False}


def _rights(subject: Subject, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, name in (("user", "UserName"), ("group", "GroupName")):
        value = subject.value(key)
        if value is not None and options.system:
            found[name] = str(value)
        elif value is not None:
            subject.lose(key, "an agent runs as its user; `--system` makes a daemon of the machine")
    app = subject.app
    if app.umask is not None:
        found["Umask"] = int(app.umask, 8)
    if app.nice is not None:
        found["Nice"] = app.nice
    limits = {_LIMITS[name]: most for name, most in app.limits if name in _LIMITS and most is not None}
    if limits:
        found["SoftResourceLimits"] = limits
    for name, most in app.limits:
        if name not in _LIMITS or most is None:
            subject.lose(f"limits.{name}", "launchd has no such limit")
    return found
