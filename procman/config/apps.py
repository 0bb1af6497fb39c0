"""The tables of one app and of [defaults] to its `AppConfig`."""

from __future__ import annotations

import os
import sys
from typing import Any

from procman.config.commands import Filling, make_command
from procman.config.declared import Declared
from procman.config.positions import Path
from procman.config.problems import Problem, Problems
from procman.config.references import References
from procman.config.tables import WRONG, Values, build
from procman.core.config import AppConfig, Backoff, Check, CheckKind, Command, GiveUp, LogBudget, Restart
from procman.core.fields import BACKOFF, CHECK, CHECK_KINDS, GIVE_UP, LOGS
from procman.core.values import Bad

_KIND_KEYS = (*CHECK_KINDS, "status", "headers")  # what goes with the kind of a check, and away with it
# Keys whose parsed value is that of the attribute with their name.
_PLAIN = ["port", "host", "check_interval", "start_timeout", "restart", "stop_signal", "stop_timeout"]
_PLAIN += ["inherit_env", "tty", "port_policy", "autostart", "enabled", "tags", "instances"]
_PLAIN += ["watch", "watch_ignore", "max_memory", "schedule", "user", "group", "umask", "nice", "limits"]
_ONE_KIND = "keep one of them; a script in `exec` can ask for several things"


def build_app(
    declared: Declared, folder: str, problems: Problems, references: References
) -> AppConfig | None:
    """Return the app, or None if the file has problems; those of the app are noted.

    The conditions of `depends_on` are not resolved yet: they need the other apps.

    Args:
        declared: what the file says.
        folder: the absolute path of the folder of the file.
        problems: takes what is wrong.
        references: what it can refer to.
    """
    filling = Filling(declared.name, declared.get("port"), references.fill)
    env = _environment(declared, references, problems)
    command = _command(declared, filling, problems)
    check = _check(declared, filling, problems)
    prepare = _made(declared, ("prepare",), declared.get("prepare"), filling, problems)
    if declared.get("schedule") is not None:
        _check_schedule(declared, problems)
    if problems or command is None:  # of any app: there will be no configuration
        return None
    cwd = sys.intern(_path(folder, declared.get("cwd", ".")))  # which many apps may have in common
    rest = {key: declared.get(key) for key in _PLAIN if declared.get(key) is not None}
    if "schedule" in rest:
        rest["restart"] = Restart.NEVER
    return AppConfig(
        declared.name,
        command,
        cwd=cwd,
        check=check,
        prepare=prepare,
        backoff=build(Backoff, BACKOFF, declared.merged("backoff")),
        give_up=build(GiveUp, GIVE_UP, declared.merged("give_up")),
        logs=build(LogBudget, LOGS, declared.merged("logs")),
        env=env,
        env_file=tuple(_path_in(cwd, folder, name) for name in declared.get("env_file", ())),
        prepare_inputs=tuple(_path(cwd, name) for name in declared.get("prepare_inputs", ())),
        family=declared.family,
        instance=declared.instance,
        **rest,
    )


def _check_schedule(declared: Declared, problems: Problems) -> None:
    """Note a `restart` beside a `schedule` that says something else; one of [defaults] is for the others."""
    if declared.own.get("restart") in (Restart.ALWAYS, Restart.ON_FAILURE):
        message = "an app with a `schedule` is not restarted: it runs again at its next time"
        problems.add(Problem(declared.path("restart"), message, "leave `restart` out"))


def _environment(
    declared: Declared, references: References, problems: Problems
) -> tuple[tuple[str, str], ...]:
    """Return `env` of all layers, with references filled in."""
    layers = [layer.get("env", ()) for layer in (declared.inherited, declared.own)]
    below, own = ({} if layer is WRONG else dict(layer) for layer in layers)
    variables = []
    for name, value in {**below, **own}.items():
        try:
            variables.append((name, references.fill(value)))
        except Bad as bad:
            place: Path = ("apps", declared.table) if name in own else ("defaults",)
            problems.add_bad((*place, "env", name), bad)
    return tuple(variables)


def _path(folder: str, written: str) -> str:
    return os.path.normpath(os.path.join(folder, os.path.expanduser(written)))


def _path_in(cwd: str, folder: str, written: str) -> str:
    """Return the path as seen from `cwd`; as seen from the file's folder if only that is there.

    An npm app keeps its `.env` beside its `package.json`, a project one for all beside the file.
    """
    near, far = _path(cwd, written), _path(folder, written)
    return far if os.path.exists(far) and not os.path.exists(near) else near


def _command(declared: Declared, filling: Filling, problems: Problems) -> Command | None:
    path: Path = ("apps", declared.table)
    if declared.get("command") is None:
        problems.add(Problem(path, "`command` is missing", 'say what to run: `command = "npm run dev"`'))
        return None
    if declared.own.get("shell") and isinstance(declared.own.get("command"), tuple):
        hint = "write `command` as one string, or leave `shell` out: the words of an array need no shell"
        problems.add(Problem((*path, "shell"), "no shell runs an array", hint, key=True))
    return _made(declared, ("command",), declared.get("command"), filling, problems)


def _made(
    declared: Declared,
    keys: tuple[str, ...],
    written: Any,  # noqa: ANN401 - what `kinds.command` returns
    filling: Filling,
    problems: Problems,
) -> Command | None:
    """Return the command that is written under `keys`, or None: there is none, or it is wrong."""
    if written is None or written is WRONG:
        return None
    try:
        return make_command(written, filling, shell=bool(declared.get("shell")))
    except Bad as bad:
        problems.add_bad(declared.path(*keys), bad)
        return None


def _check(declared: Declared, filling: Filling, problems: Problems) -> Check:
    own: Values = dict(declared.own.get("check", {}))
    inherited: Values = dict(declared.inherited.get("check", {}))
    own_kinds = [key for key in CHECK_KINDS if key in own]
    inherited_kinds = [key for key in CHECK_KINDS if key in inherited]
    # A check of the port that comes from [defaults] is meant for the apps that have a port.
    unfit = declared.get("port") is None and inherited_kinds in (["tcp"], ["http"])
    if unfit or (own_kinds and own_kinds != inherited_kinds):
        inherited = {key: value for key, value in inherited.items() if key not in _KIND_KEYS}
    values = {**inherited, **own}
    found = [key for key in CHECK_KINDS if key in values]
    if len(found) > 1:
        message = f"expected one kind of check, got {' and '.join(f'`{key}`' for key in found)}"
        problems.add(Problem(declared.path("check", found[1]), message, _ONE_KIND, key=True))
        return Check()
    kind = found[0] if found else "none" if declared.get("port") is None else "tcp"
    _check_fits(declared, kind, values, problems)
    if kind == "exec":
        values["exec"] = _made(declared, ("check", "exec"), values["exec"], filling, problems)
    values.pop("tcp", None)
    return build(Check, CHECK, values | {"tcp": CheckKind(kind)})


def _check_fits(declared: Declared, kind: str, values: Values, problems: Problems) -> None:
    """Note what a check of this kind cannot have, or cannot do without."""
    if kind in ("tcp", "http") and declared.get("port") is None:
        message = f"`{declared.name}` has no port to check"
        problems.add(Problem(declared.path("check", kind), message, "add `port = …` to the app"))
    for key in ("status", "headers"):
        if key in values and kind != "http":
            message = f"only an `http` check has {key}"
            hint = 'add the path to ask for: `http = "/health"`' if kind == "tcp" else None
            problems.add(Problem(declared.path("check", key), message, hint, key=True))
