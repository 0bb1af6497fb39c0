"""Every key of `portwatch.toml`, once.

The parser (`config.read`), the reference page (`config.reference`) and the plan of a reload derive from these
tables, so a key cannot be parsed but undocumented, or documented but forgotten in the diff of a reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from operator import attrgetter

from procman.core import kinds
from procman.core.frozen import Frozen
from procman.core.kinds import Kind
from procman.core.values import alternatives


class Change(Enum):
    """What a running app owes a change of a key."""

    NEXT_START = "next start"  # nothing now: it is read when the app starts
    LIVE = "live"  # the manager goes on with the new value; the process is not touched
    RESTART = "restart"  # the process was started with the old value


class Field(Frozen):
    """One key of one table."""

    key: str
    attribute: str  # where its value lies in the dataclass of the table; a dot goes deeper
    takes: Kind
    change: Change
    doc: str
    default: str | None = None  # as one would write it, in TOML
    absent: str = "none"  # in words, where there is no default to write
    table: Mapping[str, Field] | None = None  # the keys inside, if the value is a table of its own

    @property
    def kind(self) -> str:
        """What may be written, in words."""
        return self.takes.words

    def parse(self, raw: object) -> object:
        """Return what a plain TOML value means, or raise `Bad`."""
        return self.takes.parse(raw)

    def of(self, config: object) -> object:
        """Return the value of this key in the dataclass of its table."""
        return attrgetter(self.attribute)(config)


Table = Mapping[str, Field]


def _table(*fields: Field) -> Table:
    return {field.key: field for field in fields}


_LIVE, _RESTART, _NEXT_START = Change.LIVE, Change.RESTART, Change.NEXT_START
_STOP_TIMEOUT = "How long a stop may take until every survivor of the tree is killed; `0` kills at once."
_LOGS = "How much output is kept on disk."

# One line of types, then the sentence: a layout that the formatter would tear apart.
# fmt: off
CHECK = _table(
    Field("tcp", "kind", kinds.TRUE, _LIVE,
          "Passes when `port` accepts a connection.",
          absent="the check of an app with a `port`"),
    Field("http", "path", kinds.TARGET, _LIVE,
          "Passes when a `GET` of this path on `port` answers with a status in `status`."),
    Field("status", "status", kinds.STATUS, _LIVE,
          'With `http`: what passes, such as `204`, `"200-299,304"` or `[200, "300-399"]`.', '"200-399"'),
    Field("headers", "headers", kinds.HEADERS, _LIVE, "With `http`: headers to send.", "{}"),
    Field("exec", "command", kinds.COMMAND, _LIVE,
          "Passes when this command, run in the app's folder and environment, exits with 0."),
    Field("log", "pattern", kinds.PATTERN, _LIVE,
          "Passes once a line of the app's output matches somewhere; it proves readiness only."),
    Field("timeout", "timeout", kinds.RHYTHM, _LIVE, "How long one check may take.", '"2s"'),
    Field("failures", "failures", kinds.COUNT, _LIVE,
          "So many failed checks in a row restart the app.", "3"),
    Field("retry_interval", "retry_interval", kinds.RHYTHM, _LIVE,
          "The rhythm of checks after a failed one.", '"1s"'),
    Field("successes", "successes", kinds.COUNT, _LIVE,
          "So many passed checks in a row make the app healthy.", "1"),
)

CHECK_KINDS = ("tcp", "http", "exec", "log")  # the keys of a check of which exactly one holds

BACKOFF = _table(
    Field("initial", "initial", kinds.DURATION, _LIVE,
          "The first delay; the first restart after a healthy run has none.", '"1s"'),
    Field("factor", "factor", kinds.FACTOR, _LIVE, "Each delay is so many times the one before.", "2"),
    Field("max", "max", kinds.DURATION, _LIVE, "No delay is longer.", '"60s"'),
    Field("jitter", "jitter", kinds.SHARE, _LIVE,
          "The share of itself by which a delay varies in both directions.", "0.2"),
    Field("reset_after", "reset_after", kinds.DURATION, _LIVE,
          "A run healthy for so long starts the delays anew.", '"60s"'),
)

GIVE_UP = _table(
    Field("starts", "starts", kinds.STARTS, _LIVE,
          "So many starts within `within` make the app `failed`; `0` never gives up.", "10"),
    Field("within", "within", kinds.RHYTHM, _LIVE, "The time in which starts are counted.", '"10m"'),
)

LOGS = _table(
    Field("max_size", "max_size", kinds.SIZE, _LIVE,
          "A file of this size is put aside and a new one begun.", '"10MB"'),
    Field("keep", "keep", kinds.KEEP, _LIVE, "How many files put aside are kept.", "5"),
)

HISTORY = _table(
    Field("max_size", "max_size", kinds.HISTORY_SIZE, _LIVE,
          "The oldest is deleted when the history takes more than this.", '"50MB"'),
    Field("keep", "keep", kinds.HISTORY_AGE, _LIVE, "What is older is deleted.", '"30d"'),
)

MANAGER = _table(
    Field("reload", "reload", kinds.RELOAD, _LIVE,
          "What becomes of an edit of the file: `auto` applies it, `ask` validates it and tells what it "
          "would do, `off` does not look. A command applies it in any case: `procman reload`, and also `up`, "
          "`start` and `restart`.", '"auto"'),
    Field("stop_timeout", "stop_timeout", kinds.DURATION, _LIVE, _STOP_TIMEOUT, '"10s"'),
    Field("logs", "logs", kinds.TABLE, _LIVE, _LOGS, table=LOGS, absent="see `logs`"),
    Field("history", "history", kinds.TABLE, _LIVE, "How much of what happened is kept, for `events`, `why` "
          "and `report`.", table=HISTORY, absent="see `history`"),
)

APP = _table(
    Field("command", "command.words", kinds.COMMAND, _RESTART,
          "What to run. A string is split as a shell would split it, and run without a shell; an array is "
          "the words themselves. `{port}`, `{name}` and `${apps.api.port}` are filled in.",
          absent="required"),
    Field("shell", "command.shell", kinds.BOOLEAN, _RESTART,
          "Run the commands that are strings (`command`, `prepare`, `check.exec`) through `/bin/sh -c`.",
          "false"),
    Field("cwd", "cwd", kinds.TEXT_PATH, _RESTART,
          "The folder to run in, relative to the file. It must exist when the app starts.",
          absent="the folder of the file"),
    Field("port", "port", kinds.PORT, _RESTART,
          "The health port; the app also gets it as `$PORT`. No two enabled apps may share one."),
    Field("host", "host", kinds.HOST, _LIVE,
          "Where to check; `localhost` means `127.0.0.1` and `::1`, up if either answers.", '"localhost"'),
    Field("check_interval", "check_interval", kinds.RHYTHM, _LIVE,
          "The rhythm of checks once the app is healthy.", '"10s"'),
    Field("check", "check", kinds.CHECK, _LIVE, "How the app proves that it works.", table=CHECK,
          absent="`{ tcp = true }` with a `port`; without one the app is healthy while it lives"),
    Field("start_timeout", "start_timeout", kinds.RHYTHM, _LIVE,
          "How long a start may take until its first passing check; failed checks do not count in it.",
          '"60s"'),
    Field("restart", "restart", kinds.RESTART, _LIVE,
          'When an app that ended by itself is started again. `"on-failure"` is the default of an app that '
          "another waits for to be completed.", '"always"'),
    Field("backoff", "backoff", kinds.TABLE, _LIVE,
          "How long to wait before the next start after a failure.", table=BACKOFF, absent="see `backoff`"),
    Field("give_up", "give_up", kinds.GIVE_UP, _LIVE,
          "How many starts in how long make the app `failed`; `0` never gives up.", table=GIVE_UP,
          absent="see `give_up`"),
    Field("stop_signal", "stop_signal", kinds.SIGNAL, _LIVE,
          f"What asks the whole tree to stop: {alternatives(f'`{name}`' for name in kinds.SIGNALS)}.",
          '"SIGTERM"'),
    Field("stop_timeout", "stop_timeout", kinds.DURATION, _LIVE, _STOP_TIMEOUT, absent="of `[manager]`"),
    Field("depends_on", "depends_on", kinds.DEPENDENCIES, _LIVE,
          'What must be there first. Conditions: `"started"`, `"healthy"` (the default where the dependency '
          'has a check, else `"started"`) and `"completed"`.', "[]"),
    Field("env", "env", kinds.ENVIRONMENT, _RESTART,
          "Variables of the app. `${VAR}`, `${VAR:-default}` and `${apps.api.port}` are filled in, a `$` "
          "alone never.", "{}"),
    Field("env_file", "env_file", kinds.PATHS, _RESTART,
          "Files of `KEY=VALUE` lines, relative to `cwd` or else to the file, read at each start."),
    Field("inherit_env", "inherit_env", kinds.BOOLEAN, _RESTART,
          "Pass on the environment of the manager; with `false` only what every program needs.", "true"),
    Field("tty", "tty", kinds.BOOLEAN, _RESTART,
          "Run the app in a terminal of its own, 80 x 24 until somebody attaches: it prints in colour, and "
          "`procman attach` shows and types into it. All that it prints is `out` in its log. `TERM` is "
          "`xterm-256color` unless it is set. The terminal ends with the manager, so the app is restarted "
          "after a kill of the manager, and when it gets another name.", "false"),
    Field("prepare", "prepare", kinds.COMMAND, _NEXT_START,
          "Runs before the first start, and before a later one when `prepare_inputs` have changed or what it "
          "had made is gone: `node_modules`, `.venv`, `vendor`."),
    Field("prepare_inputs", "prepare_inputs", kinds.PATHS, _NEXT_START,
          "The files, relative to `cwd`, whose change makes `prepare` run again.",
          absent="the lockfile in `cwd`, else the manifest"),
    Field("port_policy", "port_policy", kinds.PORT_POLICY, _LIVE,
          "What is done about a port that somebody else holds: `strict` names and waits for them, `reclaim` "
          "ends a proven orphan of this project first, with `follow` the app may take another port and is "
          "checked there.", '"strict"'),
    Field("instances", "instances", kinds.INSTANCES, _LIVE,
          "So many apps of this table: `web.1`, `web.2`…, each with the next `port` and its number as "
          "`$PROCMAN_INSTANCE`. `web` means all of them.", "1"),
    Field("watch", "watch", kinds.PATTERNS, _LIVE,
          "A change of one of these files restarts the app: `src/**/*.js`, `*.{ts,json}`, a folder. "
          "Relative to `cwd`; a pattern without `/` is meant at any depth.", "[]"),
    Field("watch_ignore", "watch_ignore", kinds.PATTERNS, _LIVE,
          "Those whose change does not, beside `node_modules`, `.git`, build output, caches and "
          "the temporary files of editors.", "[]"),
    Field("max_memory", "max_memory", kinds.MEMORY, _LIVE,
          "The app is restarted when its whole tree has more than this in RAM, in 3 looks in a row, 10 s "
          "apart. What processes share is counted once. An app that is never restarted is left alone."),
    Field("schedule", "schedule", kinds.SCHEDULE, _LIVE,
          "When to run, as a cron expression in local time: `0 3 * * *`, `@daily`. It runs to its end "
          'and waits for the next time: `restart = "never"` is implied. `procman start` runs it now.'),
    Field("user", "user", kinds.USER, _RESTART,
          "As whom the app, its `prepare` and its `check.exec` run: a name or a number. `HOME`, `USER`, "
          "`LOGNAME` and `SHELL` are that user's. Only root may name another than itself.",
          absent="the user of the manager"),
    Field("group", "group", kinds.USER, _RESTART,
          "The group of its processes, in the place of the user's own.", absent="that of `user`"),
    Field("umask", "umask", kinds.UMASK, _RESTART,
          'The permissions that new files do not get, in octal: `"022"`.', absent="that of the manager"),
    Field("nice", "nice", kinds.NICE, _RESTART,
          "How much its processes give way to others, from -20 to 19; less than the manager only as root.",
          absent="that of the manager"),
    Field("limits", "limits", kinds.LIMITS, _RESTART,
          "What one process may use (setrlimit(2)), such as `{ nofile = 4096, core = 0 }`: numbers, sizes or "
          '`"unlimited"`. More than the manager may use itself only as root.', "{}"),
    Field("autostart", "autostart", kinds.BOOLEAN, _LIVE,
          "Start the app with the manager; with `false` it waits for `procman start`.", "true"),
    Field("enabled", "enabled", kinds.BOOLEAN, _LIVE,
          "`false` takes the app out, as if it were not in the file: a running one is stopped.", "true"),
    Field("logs", "logs", kinds.TABLE, _LIVE, _LOGS, table=LOGS, absent="of `[manager]`"),
    Field("tags", "tags", kinds.TAGS, _LIVE,
          "Select with `@tag` wherever the name of an app goes.", "[]"),
)
# fmt: on

# Keys of [manager] that no app has: what they mean is for the manager alone.
MANAGER_ONLY = {key: field for key, field in MANAGER.items() if key not in APP}

# Keys of an app that [defaults] may not set, and why.
NOT_A_DEFAULT = {
    "port": "no two apps may share a port; it belongs in the table of each app",
    "depends_on": "a dependency would depend on itself; it belongs in the table of each app",
}
DEFAULTS = {key: field for key, field in APP.items() if key not in NOT_A_DEFAULT}
