"""The apps as units of systemd: a service each, and a timer for one with a schedule."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from procman.config.exports.calendar import on_calendar
from procman.config.exports.subject import Exported, Options, Subject
from procman.core.config import Command, Condition, Restart

_CARRIED = (
    "command", "shell", "cwd", "port", "env", "env_file", "restart", "give_up", "stop_signal", "stop_timeout",
    "depends_on", "prepare", "autostart", "user", "group", "umask", "nice", "limits", "max_memory",
    "schedule",
    "instances",
)  # fmt: skip
_USUAL = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")  # systemd's own PATH
_SAFE = re.compile(r"[A-Za-z0-9_@+=:,./-]+")

Lines = Iterable[str]


def export_systemd(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a `.service` for each app, named after the project and the app."""
    exported = Exported(losses=apps[0].losses if apps else [])
    for subject in apps:
        name = unit_name(subject, subject.app.name)
        schedule = subject.value("schedule")
        calendar = None if not schedule else on_calendar(str(schedule))
        exported.files[f"{name}.service"] = _service(subject, options, timed=calendar is not None)
        if calendar is not None:
            exported.files[f"{name}.timer"] = _timer(subject, calendar)
        elif schedule:
            subject.lose("schedule", "systemd has no calendar that means the same")
        if subject.app.port is not None and "check" not in subject.places:
            subject.lose("port", "systemd asks no port whether anybody answers")
        subject.lose_others(_CARRIED, "systemd")
    return exported


def unit_name(subject: Subject, app: str) -> str:
    """Return the name of the unit of an app of the project, without its ending."""
    return f"{subject.project.name}-{app}"


def _service(subject: Subject, options: Options, *, timed: bool) -> str:
    parts = [
        ("Unit", _unit(subject)),
        ("Service", _process(subject, options, once=timed or subject.is_awaited, timed=timed)),
    ]
    if subject.app.autostart and not timed:
        parts.append(("Install", [f"WantedBy={'multi-user' if options.system else 'default'}.target"]))
    return "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in parts) + "\n"


def _timer(subject: Subject, calendar: str) -> str:
    return (
        f"[Unit]\nDescription={percent(subject.app.name)} of {subject.project.name}, by its schedule\n\n"
        f"[Timer]\nOnCalendar={calendar}\n\n[Install]\nWantedBy=timers.target\n"
    )


def _unit(subject: Subject) -> Lines:
    yield f"Description={subject.app.name} of {subject.project.name}"
    units = " ".join(f"{unit_name(subject, name)}.service" for name, _ in subject.waits)
    if units:
        yield f"Requires={units}"
        yield f"After={units}"
    for name, condition in subject.waits:
        if condition is Condition.HEALTHY:
            subject.lose(
                "depends_on", f"systemd waits until `{name}` has been started, not until it is healthy"
            )
    give_up = subject.app.give_up
    yield f"StartLimitIntervalSec={_seconds(give_up.within) if give_up.starts else 0}"
    if give_up.starts:
        yield f"StartLimitBurst={give_up.starts}"


def _process(subject: Subject, options: Options, *, once: bool, timed: bool) -> Lines:
    app = subject.app
    yield f"Type={'oneshot' if once else 'exec'}"
    if once and not timed:
        yield "RemainAfterExit=yes"  # what waits for it may start later too
    yield f"WorkingDirectory={percent(app.cwd)}"
    commands = [app.command, *([app.prepare] if app.prepare is not None else [])]
    variables = subject.environment(secrets="it looks secret, and anybody may read a unit")
    folders = _folders(commands, options, app.cwd)
    if folders and "PATH" not in variables:
        variables = {"PATH": ":".join((*folders, *_USUAL)), **variables}
    for name, value in variables.items():
        yield f"Environment={quoted(f'{name}={value}', variables=False)}"
    if app.env_file and app.env:
        subject.lose("env_file", "with systemd a file wins over `env`, and with procman `env` does")
    for path in app.env_file:
        yield f"EnvironmentFile={percent(path)}"
    if app.prepare is not None:
        subject.lose("prepare", "systemd runs it before every start: `ExecStartPre`")
        yield f"ExecStartPre={_command(app.prepare, options, app.cwd)}"
        yield f"TimeoutStartSec={_seconds(900)}"
    yield f"ExecStart={_command(app.command, options, app.cwd)}"
    yield f"Restart={_restart(subject, once=once)}"
    yield f"RestartSec={_seconds(app.backoff.initial)}"
    yield f"KillSignal={app.stop_signal}"
    yield f"TimeoutStopSec={_seconds(app.stop_timeout)}"
    yield from _rights(subject, options)


def _rights(subject: Subject, options: Options) -> Lines:
    for key, name in (("user", "User"), ("group", "Group")):
        value = subject.value(key)
        if value is not None and options.system:
            yield f"{name}={percent(str(value))}"
        elif value is not None:
            subject.lose(key, "a unit of a user runs as that user; `--system` makes one of the machine")
    for key, name in (("umask", "UMask"), ("nice", "Nice"), ("max_memory", "MemoryMax")):
        if subject.value(key) is not None:
            yield f"{name}={subject.value(key)}"
    for limit, most in subject.app.limits:
        yield f"Limit{limit.upper()}={'infinity' if most is None else most}"


def _restart(subject: Subject, *, once: bool) -> str:
    word = {Restart.ALWAYS: "always", Restart.ON_FAILURE: "on-failure", Restart.NEVER: "no"}[
        subject.app.restart
    ]
    if once and word == "always":  # systemd refuses it
        return "on-failure"
    return word


def _folders(commands: Sequence[Command], options: Options, cwd: str) -> list[str]:
    """Return the folders of programs that systemd would not look into: node of a version manager, say."""
    found = [options.find(command.words[0].split()[0]) for command in commands]
    folders = [os.path.dirname(path) for path in found if path is not None and os.path.isabs(path)]
    return list(dict.fromkeys(folder for folder in folders if folder not in (*_USUAL, cwd)))


def _command(command: Command, options: Options, cwd: str) -> str:
    if command.shell:
        return f"/bin/sh -c {quoted(command.words[0], always=True)}"
    first, *rest = command.words
    if "/" in first:
        program = os.path.normpath(os.path.join(cwd, os.path.expanduser(first)))
    else:
        program = options.find(first) or first
    return " ".join([quoted(program), *map(quoted, rest)])


def quoted(word: str, *, variables: bool = True, always: bool = False) -> str:
    """Return a word as systemd splits, unescapes and expands it; see systemd.service(5), COMMAND LINES."""
    text = percent(word)
    if variables:  # what `Environment` has is taken as it is
        text = text.replace("$", "$$")
    if not always and _SAFE.fullmatch(text):
        return text
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{text}"'


def percent(text: str) -> str:
    return text.replace("%", "%%")


def _seconds(value: float) -> str:
    return f"{value:g}s" if value < 1e5 else f"{round(value)}s"
