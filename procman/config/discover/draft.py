"""What was found as the text of a `portwatch.toml`: commented, and always valid."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import tomlkit

from procman.config.discover.findings import App, Discovery
from procman.config.express import toml_text

SCHEMA = "#:schema .procman/portwatch.schema.json"

HEAD = """\
# What `procman init` found in this folder, each app with where it was found. `procman up` runs them; while
# they run, each edit is applied within a second, and only to the app it concerns."""

EMPTY_HEAD = """\
# `procman init` found no app in this folder. Say here what is to run, then type `procman up`."""

EXAMPLE = """\
# [apps.web]
# command = "npm run dev -- --port {port}"  # without a shell; `{port}` is filled in
# cwd = "web"                               # relative to this file
# port = 5173                               # it must answer there; it also gets it as $PORT"""

# Each line after the second is right as it stands, in the table of an app, once the `#` is gone.
MORE = """\
# More that an app can have; each line goes under the `[apps.NAME]` that it is for.
#
# check = { http = "/health" }         # ask for a page; without it a connection to the port is enough
# check_interval = "30s"               # how often a healthy app is checked
# depends_on = ["api"]                 # start once that app is healthy
# env = { LOG_LEVEL = "debug" }
# env_file = ".env"                    # read at each start
# prepare = "npm run migrate"          # before the first start
# restart = "on-failure"               # always, on-failure or never
# autostart = false                    # only with `procman start`
# tags = ["front"]                     # `procman restart @front`"""


def draft(discovery: Discovery) -> str:
    """Return the text of the file that declares what was found."""
    head = HEAD if discovery.apps else f"{EMPTY_HEAD}\n\n{EXAMPLE}"
    notes = "\n".join(f"# {_plain(note)}." for note in discovery.notes)
    tables = ["\n".join(_table(app)) for app in discovery.apps]
    return "\n\n".join(part for part in (SCHEMA, head, notes, *tables, MORE) if part) + "\n"


def _table(app: App) -> Iterator[str]:
    found = app.found
    what = f": {found.what}" if found.what else ""
    yield f"# {_plain(found.source + what)}"
    if found.also:
        yield f"# Also there: {_plain(', '.join(found.also))}"
    yield f"[apps.{tomlkit.key(app.name).as_string()}]"
    yield _line(app, "command", _command(found.command))
    if found.shell:
        yield _line(app, "shell", True)
    if found.cwd != ".":
        yield _line(app, "cwd", f"./{found.cwd}" if found.cwd.startswith("~") else found.cwd)
    yield from _port(app)
    if found.prepare:
        yield _line(app, "prepare", found.prepare)
    if app.waits_for:
        yield _line(app, "depends_on", dict.fromkeys(app.waits_for, "completed"))
    if found.env_file:
        yield _line(app, "env_file", found.env_file)
    if found.env:
        yield _line(app, "env", dict(found.env))
    if found.start_timeout:
        yield _line(app, "start_timeout", found.start_timeout)
    if found.restart:
        yield _line(app, "restart", found.restart)


def _port(app: App) -> Iterator[str]:
    if app.port is not None:
        yield f"port = {app.port} # {_plain(app.port_reason)}"
    elif app.port_reason:
        yield f"# port: {_plain(app.port_reason)}"
    elif app.found.serves:
        yield "# port = 3000 # where it listens was not found; without a port it is healthy while it lives"


def _line(app: App, key: str, value: object) -> str:
    remark = app.found.remarks.get(key)
    return f"{key} = {toml_text(value)}" + (f" # {_plain(remark)}" if remark else "")


def _command(command: str | tuple[str, ...]) -> object:
    return command if isinstance(command, str) else list(command)


def command_text(app: App) -> str:
    """Return the command of an app on one line, for people."""
    command = app.found.command
    return command if isinstance(command, str) else shlex.join(command)


def _plain(text: str) -> str:
    """Return a text as a comment may have it, on one line."""
    return "".join(each if each.isprintable() else "�" for each in " ".join(text.split()))
