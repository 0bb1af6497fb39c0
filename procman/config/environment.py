"""What environment an app gets, and where it comes from.

The last of these that has a variable wins:

1. the environment of the manager, without what npm adds for its own scripts; with `inherit_env = false` only
   what every program needs (`NEEDED`); of an app with a `user`, `HOME` and its like are that user's; with
   `tty` a `TERM`, where that has none; `PWD` is the folder of the app; of a manager that is a service `PATH`
   is completed (`node_path`);
2. the files of `env_file`, in order;
3. `PORT`, where the app declares a `port`: checks go there, so an `env_file` that says otherwise would only
   hide the app from them;
4. `env` of the app.

`${VAR}` and `${VAR:-default}` see what comes before them in this order, then the environment of the manager;
a variable that is nowhere is empty, as in a shell. `$${` stands for `${` itself, and a `$` alone for itself.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping

from procman.config.diagnostics import Diagnostic, InvalidConfig, MissingFile
from procman.config.env_file import EnvFile, parse_env_file
from procman.config.node_path import SWITCH, find_path
from procman.config.source import read_text, shown_path
from procman.core.config import AppConfig
from procman.core.frozen import Frozen
from procman.core.identity import FOR_THE_MANAGER

NEEDED = frozenset(("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"))  # and LC_*
# Without the first four no program of Windows starts another one, or finds a library of the system's.
NEEDED_ON_WINDOWS = frozenset(
    (
        *("SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "SYSTEMDRIVE", "TEMP", "TMP", "USERNAME"),
        *("USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES"),
        *("NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE"),
    )
)

_OPENING = re.compile(r"\$(\$?)\{")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:-|\})")

# Sources, beside the lines of env files.
MANAGER, USER, TTY, PORT = "the manager's environment", "`user`", "`tty`", "`port`"
INSTANCES, ENV, CWD = "`instances`", "`env`", "`cwd`"
TERM = "xterm-256color"  # of an app with `tty`, whose manager may have no terminal

Lookup = Callable[[str], str | None]
Note = Callable[
    [str, str], None
]  # is told of a variable and where its value comes from, at each that it gets


class Origin(Frozen):
    """One variable of an app, and where it comes from."""

    name: str
    value: str
    source: str  # `MANAGER`, `PORT`, `ENV`, or the line of an env file: `.env:3`
    overrides: tuple[str, ...] = ()  # sources that had a value for it too, the oldest first


def build_environment(
    app: AppConfig, manager_env: Mapping[str, str], port: int | None = None
) -> dict[str, str]:
    """Return what an app gets that starts now, reading its env files.

    Args:
        app: whose environment it is.
        manager_env: the environment of the manager.
        port: what `PORT` says, if not the port that the app declares.

    Raises:
        InvalidConfig: an env file is not there or has broken lines; every error of every file.
    """
    inherited, _ = complete_path(manager_env, app.cwd)
    return merge_environment(app, inherited, read_env_files(app), port=app.port if port is None else port)


def read_env_files(app: AppConfig) -> tuple[EnvFile, ...]:
    """Return the env files of an app as they are now.

    Raises:
        InvalidConfig: one is not there or has broken lines; every error of every file.
    """
    files: list[EnvFile] = []
    diagnostics: list[Diagnostic] = []
    for path in app.env_file:
        shown = shown_path(path)
        try:
            text, _ = read_text(path, shown)
            files.append(parse_env_file(text, shown))
        except MissingFile:
            message = f"no such file, though `env_file` of `{app.name}` names it"
            diagnostics.append(Diagnostic(shown, message, hint=f"it is looked for from `{app.cwd}`"))
        except InvalidConfig as error:
            diagnostics.extend(error.diagnostics)
    if diagnostics:
        raise InvalidConfig(diagnostics)
    return tuple(files)


def trace_environment(
    app: AppConfig, manager_env: Mapping[str, str], account: Mapping[str, str] | None = None
) -> tuple[Origin, ...]:
    """Return every variable that an app gets which starts now, by name, with where it comes from.

    Args:
        app: whose environment it is.
        manager_env: the environment of the manager.
        account: what its `user` brings along.

    Raises:
        InvalidConfig: an env file is not there or has broken lines; every error of every file.
    """
    sources: dict[str, list[str]] = {}

    own = account or {}
    inherited, chosen = complete_path({**manager_env, **own}, app.cwd)

    def note(name: str, source: str) -> None:
        if source == MANAGER and name == "PATH" and chosen is not None:
            source = f"{MANAGER}; {chosen}"
        sources.setdefault(name, []).append(USER if source == MANAGER and name in own else source)

    found = merge_environment(app, inherited, read_env_files(app), port=app.port, note=note)
    return tuple(
        Origin(name, found[name], sources[name][-1], tuple(sources[name][:-1])) for name in sorted(found)
    )


def merge_environment(
    app: AppConfig,
    manager_env: Mapping[str, str],
    files: Iterable[EnvFile],
    *,
    port: int | None,
    note: Note = lambda name, source: None,
) -> dict[str, str]:
    """Return what an app gets, given the env files that were read."""
    inherited = without_service(without_npm(manager_env))
    result = {name: value for name, value in inherited.items() if app.inherit_env or _is_needed(name)}
    for name in result:
        note(name, MANAGER)
    result.pop("OLDPWD", None)
    if "PWD" in result:  # as `cd` does it: where the manager was started means nothing to the app
        result["PWD"] = app.cwd
        note("PWD", CWD)
    if app.tty and "TERM" not in result:
        result["TERM"] = TERM
        note("TERM", TTY)
    if port is not None:
        result["PORT"] = str(port)
        note("PORT", PORT)
    if app.instance is not None:
        result["PROCMAN_INSTANCE"] = str(app.instance)
        note("PROCMAN_INSTANCE", INSTANCES)

    def lookup(name: str) -> str | None:
        return result.get(name, inherited.get(name))

    for file in files:
        for variable in file.variables:
            if variable.name != "PORT" or port is None:
                parts = (expand(part, lookup) if filled else part for part, filled in variable.parts)
                result[variable.name] = "".join(parts)
                note(variable.name, f"{file.shown}:{variable.line}")
    for name, value in app.env:
        result[name] = expand(value, lookup)
        note(name, ENV)
    return result


def without_npm(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what npm adds for the script that it runs.

    A manager started by `npm run` or `npx` would pass it on, and `npm_config_port` or `npm_config_prefix` of
    the outer npm steer the npm of an app. Without an npm above, an `npm_config_…` is its user's own wish.
    """
    if "npm_lifecycle_event" not in environment and "npm_execpath" not in environment:
        return dict(environment)
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("npm_") and name != "INIT_CWD"
    }


def without_service(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what a service manager says to the manager alone."""
    return {
        name: value for name, value in environment.items() if name not in FOR_THE_MANAGER and name != SWITCH
    }


def complete_path(environment: Mapping[str, str], cwd: str) -> tuple[Mapping[str, str], str | None]:
    """Return the environment with the PATH for an app in `cwd`, and what has decided on its node.

    Only where `PROCMAN_PATH=auto` says that no shell has made that PATH; else it is as it was, and None.
    """
    if environment.get(SWITCH) != "auto":
        return environment, None
    path, why = find_path(cwd, environment)
    return {**environment, "PATH": path}, why


def expand(text: str, lookup: Lookup) -> str:
    """Return `text` with `${VAR}` and `${VAR:-default}` filled in; a default may hold further ones.

    What is no such form, as `${}`, `${1}` or one without an end, stays as it is.
    """
    done: list[str] = []
    at = 0
    while opening := _OPENING.search(text, at):
        done.append(text[at : opening.start()])
        at = opening.end()
        if opening[1]:
            done.append("${")
            continue
        value, at = _filled(text, at, lookup)
        done.append(value)
    return "".join(done) + text[at:]


def _filled(text: str, at: int, lookup: Lookup) -> tuple[str, int]:
    """Return what stands for the variable whose name begins at `at`, and where the text goes on."""
    name = _NAME.match(text, at)
    if not name:
        return "${", at
    if name[2] == "}":
        return lookup(name[1]) or "", name.end()
    end = _closing(text, name.end())
    if end is None:
        return "${", at
    return lookup(name[1]) or expand(text[name.end() : end], lookup), end + 1


def _closing(text: str, at: int) -> int | None:
    """Return where the brace is that closes one opened before `at`."""
    depth = 0
    for brace in re.compile(r"\$\{|\}").finditer(text, at):
        if brace[0] != "}":
            depth += 1
        elif not depth:
            return brace.start()
        else:
            depth -= 1
    return None


def _is_needed(name: str) -> bool:
    """Return whether every program needs this variable; names have no case on Windows."""
    if sys.platform == "win32" and name.upper() in NEEDED_ON_WINDOWS | {"PATH"}:
        return True
    return name in NEEDED or name.startswith("LC_")
