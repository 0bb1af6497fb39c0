"""The manual page portwatch.toml(5), from the tables of `core.fields`.

`python -m procman.config.manual > docs/man/portwatch.toml.5` writes it, and a test fails when it is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procman.core.fields import APP, BACKOFF, CHECK, GIVE_UP, HISTORY, LOGS, MANAGER, Change, Field, Table

PAGE = "docs/man/portwatch.toml.5"

_CHANGES = {
    Change.RESTART: "A change restarts the app.",
    Change.LIVE: "A change applies as it runs.",
    Change.NEXT_START: "A change applies at the next start.",
}
_HEAD = r""".\" Made by `python -m procman.config.manual`: change procman/core/fields.py instead.
.TH PORTWATCH.TOML 5 "" "procman" "File formats"
.SH NAME
portwatch.toml \- the apps that procman keeps running
.SH SYNOPSIS
.nf
[manager]
stop_timeout = "10s"

[defaults]
check_interval = "10s"

[apps.web]
command = "npm run dev \-\- \-\-port {port}"
cwd = "web"
port = 5173
.fi
.SH DESCRIPTION
Each table
.B [apps.NAME]
declares an app; nothing but
.B command
is required.
.B [defaults]
has any key of an app, for every app.
.B [manager]
has what the manager itself needs to know.
A duration is "500ms", "10s", "5m", "1h30m", or a number of seconds; a size is "10MB", "1GiB", or bytes.
.B procman check
says what is wrong with a file, all of it at once.
"""
_TAIL = r""".SH FILES
.TP
.I portwatch.toml
in the current folder or the nearest one above; else
.IR Procfile .
.TP
.I .procman/
beside it: logs, history, the control socket and
.IR portwatch.schema.json ,
which editors complete and check the file with.
.SH ENVIRONMENT
.TP
.B PROCMAN_FILE
names the file instead.
.TP
.B PROCMAN_HOME
names another folder than
.IR .procman .
"""
_SECTIONS = (
    ("KEYS OF AN APP", APP),
    ("KEYS OF CHECK", CHECK),
    ("KEYS OF BACKOFF", BACKOFF),
    ("KEYS OF GIVE_UP", GIVE_UP),
    ("KEYS OF LOGS", LOGS),
    ("KEYS OF [MANAGER]", MANAGER),
    ("KEYS OF HISTORY", HISTORY),
)


def page() -> str:
    """Return the manual page, in man(7)."""
    return _HEAD + "".join(_section(title, table) for title, table in _SECTIONS) + _TAIL


def _section(title: str, table: Table) -> str:
    return f".SH {title}\n" + "".join(line for field in table.values() for line in _key(field))


def _key(field: Field) -> Iterator[str]:
    default = field.absent if field.default is None else field.default
    yield ".TP\n"
    yield f'.BR {field.key} " ({_plain(field.kind)})"\n'
    yield f"{_text(field.doc)}\n"
    if default not in ("none", "required"):
        yield f"Default: {_text(default)}.\n"
    yield f"{_CHANGES[field.change]}\n"


def _text(markdown: str) -> str:
    """Return a text with what stands between backticks in bold, on one line of input."""
    parts = re.split("`", _escaped(markdown))
    text = "".join(rf"\fB{part}\fR" if index % 2 else part for index, part in enumerate(parts))
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _plain(markdown: str) -> str:
    """Return a text as an argument of a macro: a quote in one is written twice."""
    return _escaped(markdown).replace("`", "").replace('"', '""')


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace("…", r"\&...")


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    print(page(), end="")
