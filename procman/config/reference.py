"""The reference page of `portwatch.toml`, from the tables of `core.fields`.

`python -m procman.config.reference > docs/reference/portwatch.toml.md` writes it, and a test fails when it is
stale.
"""

from __future__ import annotations

from collections.abc import Iterator

from procman.config.environment import NEEDED
from procman.core.fields import (
    APP,
    BACKOFF,
    CHECK,
    GIVE_UP,
    HISTORY,
    LOGS,
    MANAGER,
    NOT_A_DEFAULT,
    Change,
    Field,
    Table,
)
from procman.core.kinds import NAME_RULE

PAGE = "docs/reference/portwatch.toml.md"

_CHANGES = {
    Change.RESTART: "restarts the app",
    Change.LIVE: "applies as it runs",
    Change.NEXT_START: "applies at the next start",
}

_INTRODUCTION = f"""\
# portwatch.toml

<!-- Made by `python -m procman.config.reference`: change `procman/core/fields.py` instead. -->

```toml
[manager]                       # optional, as is everything in it
stop_timeout = "10s"

[defaults]                      # any key of an app; every app inherits it
check_interval = "10s"

[apps.web]                      # an app called `web`; nothing but `command` is required
command = "npm run dev -- --port {{port}}"
cwd = "web"
port = 5173
```

`procman` reads the file that `-f` or `PROCMAN_FILE` names, else the `portwatch.toml` in the current folder
or the nearest folder above, else a `Procfile`. It is TOML 1.0 in UTF-8, of at most 4 MiB. `procman check`
says what is wrong with it, all of it at once.

- The name of an app has {NAME_RULE}.
- A **duration** is `"500ms"`, `"10s"`, `"5m"`, `"1h30m"`, `"30d"`, or a number of seconds.
- A **size** is `"10MB"` (1000s), `"1GiB"` (1024s), or a number of bytes.
- A **path** is relative to the app's `cwd`, and `cwd` to the folder of the file; `~` is your home folder.
- A **command** that is a string is split into words as a shell would, but no shell runs it: `&&`, `|`,
  `>`, `$VAR` and the like are an error unless `shell = true`. An array is the words themselves, and never
  run by a shell. `{{port}}` and `{{name}}` are filled in; all other braces stay.
- A **reference** is `${{apps.api.port}}`, or `host`, `cwd` or `name` in place of `port`. It stands for what
  the file says of that app, in `command`, `prepare`, `check.exec` and `env`. So a new port of `api` restarts
  the apps that refer to it.
- A change of a key does to a running app what the last column says, and nothing to any other app.
"""

_CHECK = """\
A table in an app, with one of `tcp`, `http`, `exec` and `log` at most. An app that chooses another kind
than `[defaults]` leaves the `status` and `headers` from there behind. A `tcp` or `http` check in `[defaults]`
is for the apps that have a `port`."""

_MANAGER = "What holds for every app that does not say otherwise, itself or in `[defaults]`."

_HISTORY = "A table in `[manager]`. The history is one file, `.procman/history.db`, of all apps."

_EXCLUDED = "\n".join(f"- `{key}` has no place here: {why}." for key, why in NOT_A_DEFAULT.items())

_DEFAULTS = f"""\
## [defaults]

Any key of an app, for every app. What an app says itself wins; `env` and tables are merged key by key.

{_EXCLUDED}
"""

_NEEDED = ", ".join(f"`{name}`" for name in (*sorted(NEEDED), "LC_*"))

_ENVIRONMENT = f"""\
## The environment of an app

The last of these that has a variable wins:

1. the environment of the manager; with `inherit_env = false` only {_NEEDED}
   of it. When npm started the manager, what npm adds for its own script (`npm_*`, `INIT_CWD`) stays out;
2. the files of `env_file`, in order;
3. `PORT`, where the app has a `port`;
4. `env`. That of an app is added to that of `[defaults]`.

`${{VAR}}` and `${{VAR:-default}}` are filled in, in `env` and in env files outside single quotes. They see
what comes before them in this order, and the whole environment of the manager. A variable that is nowhere
is empty. `$${{` is a literal `${{`, and a `$` alone is never touched.

An env file has `KEY=VALUE` lines, with `export` before the key if you like, and `#` comments. Between
single quotes a value is taken as it is; between double quotes `\\n`, `\\r`, `\\t`, `\\"`, `\\\\` and `\\$`
are escapes; both may go over several lines.
"""

_LOCAL = """\
## portwatch.local.toml

What you have otherwise than others goes into a `portwatch.local.toml` beside the file, and that into
`.gitignore`. It has the same tables. Tables are merged key by key, and whatever else stands in both is
taken from there: another port, a variable more, an app of your own, `enabled = false` for one you do not
need. A `check` of another kind keeps the timing of the one below, and nothing else. Its edits are followed
too, and its errors carry its name. `procman set`, `add` and `remove` write the main file only. Beside an
`other.toml` it is `other.local.toml`; a `Procfile` has none.
"""

_PROCFILE = """\
## Procfile

Where there is no `portwatch.toml`, a `Procfile` is enough: `name: command` lines, each run by `/bin/sh` in
the folder of the file, with every default above and the `.env` beside it as `env_file`. It has no ports,
as a Procfile cannot declare one, so its apps are healthy while they live, and `$PORT` is not set for them.
"""


def page() -> str:
    """Return the reference page, in Markdown."""
    sections = (
        _INTRODUCTION,
        _section("[apps.NAME]", "One app.", APP),
        _section("check", _CHECK, CHECK),
        _section("backoff", "A table in an app.", BACKOFF),
        _section("give_up", "A table in an app; `give_up = 0` is short for `{ starts = 0 }`.", GIVE_UP),
        _section("logs", "A table in an app or in `[manager]`.", LOGS),
        _section("[manager]", _MANAGER, MANAGER),
        _section("history", _HISTORY, HISTORY),
        _DEFAULTS,
        _ENVIRONMENT,
        _LOCAL,
        _PROCFILE,
    )
    return "\n".join(sections)


def _section(title: str, about: str, table: Table) -> str:
    rows = "\n".join(_rows(table))
    return f"## {title}\n\n{about}\n\n{rows}\n"


def _rows(table: Table) -> Iterator[str]:
    yield "| key | value | default | meaning | a change |"
    yield "| --- | --- | --- | --- | --- |"
    for field in table.values():
        cells = (f"`{field.key}`", field.kind, _default(field), field.doc, _CHANGES[field.change])
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(field: Field) -> str:
    return field.absent if field.default is None else f"`{field.default}`"


if __name__ == "__main__":  # pragma: no cover - a test runs it in a process of its own
    print(page(), end="")
