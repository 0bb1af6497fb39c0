"""The table of fields: it agrees with the dataclasses, and each key takes what it says."""

from __future__ import annotations

import dataclasses
import re
import tomllib

import pytest

from procman.core.config import (
    AppConfig,
    Backoff,
    Check,
    Command,
    Condition,
    GiveUp,
    LogBudget,
    ManagerConfig,
)
from procman.core.fields import APP, BACKOFF, CHECK, DEFAULTS, GIVE_UP, LOGS, MANAGER, Change, Field, Table
from procman.core.values import Bad, duration, duration_text, size, size_text

EXAMPLE = AppConfig("web", Command(("x",)))

TABLES: list[tuple[Table, object, set[str]]] = [
    (APP, EXAMPLE, {"name", "family", "instance"}),
    (CHECK, Check(), set()),
    (BACKOFF, Backoff(), set()),
    (GIVE_UP, GiveUp(), set()),
    (LOGS, LogBudget(), set()),
    (MANAGER, ManagerConfig(), set()),
]


@pytest.mark.parametrize(("table", "config", "without_key"), TABLES)
def test_each_attribute_of_a_dataclass_has_a_key_and_the_other_way_round(
    table: Table, config: object, without_key: set[str]
) -> None:
    assert dataclasses.is_dataclass(config)
    attributes = {field.name for field in dataclasses.fields(config)} - without_key

    assert {field.attribute.split(".")[0] for field in table.values()} == attributes
    assert all(key == field.key for key, field in table.items())
    for field in table.values():
        field.of(config)


@pytest.mark.parametrize(
    ("field", "config"),
    [pytest.param(field, config, id=field.key) for table, config, _ in TABLES for field in table.values()],
)
def test_a_default_that_is_written_down_is_the_one_of_the_dataclass(field: Field, config: object) -> None:
    if field.default is None:
        return
    assert field.parse(tomllib.loads(f"key = {field.default}")["key"]) == field.of(config)


def test_every_sentence_of_documentation_is_one() -> None:
    for table, _, _ in TABLES:
        for field in table.values():
            assert re.fullmatch(r"[A-Z`].*\.", field.doc), field.key
            assert field.kind


def test_what_the_process_was_started_with_needs_a_restart_and_nothing_else() -> None:
    assert {key for key, field in APP.items() if field.change is Change.RESTART} == {
        "command", "shell", "cwd", "port", "env", "env_file", "inherit_env", "tty", "user", "group", "umask",
        "nice", "limits",
    }  # fmt: skip
    assert {key for key, field in APP.items() if field.change is Change.NEXT_START} == {
        "prepare",
        "prepare_inputs",
    }


def test_no_default_can_be_a_port() -> None:
    assert set(APP) - set(DEFAULTS) == {"port", "depends_on"}


GOOD = [
    (APP["command"], "npm run dev", "npm run dev"),
    (APP["command"], ["node", ""], ("node", "")),
    (APP["port"], 1, 1),
    (APP["port"], 65535, 65535),
    (APP["host"], "::1", "::1"),
    (APP["host"], "my-host.local", "my-host.local"),
    (APP["check_interval"], 5, 5.0),
    (APP["check_interval"], 0.5, 0.5),
    (APP["check_interval"], "1h30m", 5400.0),
    (APP["check_interval"], "500ms", 0.5),
    (APP["check_interval"], "1m0.5s", 60.5),
    (APP["stop_timeout"], 0, 0.0),
    (APP["stop_signal"], "TERM", "SIGTERM"),
    (APP["stop_signal"], "sigint", "SIGINT"),
    (APP["give_up"], 0, {"starts": 0}),
    (APP["depends_on"], ["a", "b"], (("a", None), ("b", None))),
    (APP["depends_on"], {"a": "completed"}, (("a", Condition.COMPLETED),)),
    (APP["env"], {"A": "x", "B": 1, "C": True, "D": 1.5, "E": ""},
     (("A", "x"), ("B", "1"), ("C", "true"), ("D", "1.5"), ("E", ""))),
    (APP["env_file"], ".env", (".env",)),
    (APP["env_file"], [".env", ".env.local"], (".env", ".env.local")),
    (APP["tags"], ["a", "b", "a"], ("a", "b")),
    (APP["user"], "www-data", "www-data"),
    (APP["user"], 1000, "1000"),
    (APP["umask"], "22", "022"),
    (APP["umask"], "0077", "077"),
    (APP["limits"], {"nofile": 4096, "core": 0, "as": "1GiB", "nproc": "unlimited"},
     (("nofile", 4096), ("core", 0), ("as", 2**30), ("nproc", None))),
    (APP["max_memory"], "500MB", 500_000_000),
    (APP["watch"], "src/**/*.js", ("src/**/*.js",)),
    (APP["schedule"], "@daily", "@daily"),
    (CHECK["tcp"], True, True),
    (CHECK["status"], 204, ((204, 204),)),
    (CHECK["status"], "200-299, 304", ((200, 299), (304, 304))),
    (CHECK["status"], [200, "300-399"], ((200, 200), (300, 399))),
    (CHECK["headers"], {"X-A": "b"}, (("X-A", "b"),)),
    (CHECK["log"], "ready in .* ms", "ready in .* ms"),
    (BACKOFF["factor"], 2, 2.0),
    (LOGS["max_size"], "10MB", 10_000_000),
    (LOGS["max_size"], "1GiB", 2**30),
    (LOGS["max_size"], "1.5kb", 1500),
    (LOGS["max_size"], 4096, 4096),
]  # fmt: skip


@pytest.mark.parametrize(("field", "raw", "value"), GOOD)
def test_a_value_means(field: Field, raw: object, value: object) -> None:
    assert field.parse(raw) == value


NAMED = "1 to 64 letters, digits, `.`, `_` or `-`, of which the first is a letter or digit"
WAITS = "expected an array of apps, or a table of app = condition"
COMMAND = "expected a string or an array of strings"
DURATION = 'expected a duration such as "10s"'
STATUS = 'expected status codes of 100 to 599 such as "200-399"'
HOST = "expected a host name or address"
QUOTES = 'put it in quotes: `"{}"`'

BAD: list[tuple[Field, object, str, str | None]] = [
    (APP["command"], 5, f"{COMMAND}, got the number 5", QUOTES.format(5)),
    (APP["command"], " ", "expected a command, got an empty one", None),
    (APP["command"], [], "expected a command, got an empty array", None),
    (APP["command"], ["a", 1], "expected a string, got the number 1", QUOTES.format(1)),
    (APP["command"], ["", "a"], "expected a string, got an empty one", None),
    (APP["command"], ["a", "b\0"], "expected no NUL character in it", None),
    (APP["shell"], "true", 'expected `true` or `false`, got the string "true"', "remove the quotes"),
    (APP["shell"], 1, "expected `true` or `false`, got the number 1", None),
    (APP["cwd"], 3, "expected a string, got the number 3", QUOTES.format(3)),
    (APP["cwd"], "a\0b", "expected no NUL character in it", None),
    (APP["port"], 0, "expected 1 to 65535, got 0", None),
    (APP["port"], 99999, "expected 1 to 65535, got 99999", None),
    (APP["port"], True, "expected 1 to 65535, got the boolean true", None),
    (APP["port"], 80.0, "expected 1 to 65535, got the number 80.0", None),
    (APP["port"], "3000", 'expected 1 to 65535, got the string "3000"', "remove the quotes"),
    (APP["port"], "x", 'expected 1 to 65535, got the string "x"', None),
    (APP["port"], 2**200, "expected 1 to 65535, got a huge number", None),
    (APP["port"], tomllib.loads("x=1979-01-01")["x"], "expected 1 to 65535, got a date or time", None),
    (APP["host"], "http://localhost", f'{HOST}, got "http://localhost"',
     "leave out the scheme; `check = { http = … }` makes the check an HTTP request"),
    (APP["host"], "localhost:80", f'{HOST}, got "localhost:80"',
     "write the host alone, without brackets; the port goes into `port`"),
    (APP["host"], "a b", f'{HOST}, got "a b"', None),
    (APP["check"], "/health", 'expected a table, got the string "/health"', 'write `{ http = "/health" }`'),
    (APP["check"], "tcp", 'expected a table, got the string "tcp"', "write `{ tcp = true }`"),
    (APP["check"], "curl x", 'expected a table, got the string "curl x"', 'write `{ exec = "curl x" }`'),
    (APP["check"], False, "expected a table, got the boolean false", None),
    (APP["check_interval"], True, f"{DURATION}, got the boolean true", None),
    (APP["check_interval"], "10", f'{DURATION}, got "10"', 'say the unit: `"10s"`'),
    (APP["check_interval"], "10 S", f'{DURATION}, got "10 S"', 'write `"10s"`'),
    (APP["check_interval"], "", f'{DURATION}, got ""', "the units are `d`, `h`, `m`, `s` and `ms`"),
    (APP["check_interval"], "soon", f'{DURATION}, got "soon"', "the units are `d`, `h`, `m`, `s` and `ms`"),
    (APP["check_interval"], 0, "expected a duration from 10ms to 365d, got 0", None),
    (APP["check_interval"], -1, "expected a duration from 10ms to 365d, got -1", None),
    (APP["check_interval"], float("inf"), "expected a duration from 10ms to 365d, got inf", None),
    (APP["check_interval"], float("nan"), "expected a duration from 10ms to 365d, got nan", None),
    (APP["restart"], "allways", 'expected "always", "on-failure" or "never", got "allways"', None),
    (APP["restart"], True, 'expected "always", "on-failure" or "never", got the boolean true', None),
    (APP["give_up"], False, "expected a table, got the boolean false", None),
    (APP["stop_signal"], "STOP", 'expected a signal such as "SIGTERM", got "STOP"',
     "known are SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGKILL, SIGUSR1, SIGUSR2, SIGABRT, SIGALRM"),
    (APP["depends_on"], "db", f'{WAITS}, got the string "db"', 'write `["db"]`'),
    (APP["depends_on"], 1, f"{WAITS}, got the number 1", None),
    (APP["depends_on"], ["a", "a"], 'expected each app once, got "a" again', None),
    (APP["depends_on"], {"a": "up"}, 'expected "started", "healthy" or "completed", got "up"', None),
    (APP["env"], {"A=": "1"}, 'expected the name of a variable, without `=`, got "A="', None),
    (APP["env"], {"A": []}, "expected a string, got an array", None),
    (APP["env"], {"A": "\0"}, "expected no NUL character in it", None),
    (APP["env_file"], 1, "expected a string or an array of strings, got the number 1", QUOTES.format(1)),
    (APP["tags"], "@web", f'expected a tag of {NAMED}, got "@web"', "write it without the `@`"),
    (APP["tags"], ["a b"], f'expected a tag of {NAMED}, got "a b"', None),
    (APP["user"], -1, "expected a name or a number below 4294967295, got -1", None),
    (APP["user"], "", "expected a name or a number, got an empty one", None),
    (APP["umask"], 22, 'expected an octal mask such as "022", got the number 22',
     "put it in quotes: TOML has other numbers than chmod"),
    (APP["umask"], "088", 'expected an octal mask such as "022", got "088"', None),
    (APP["nice"], 20, "expected -20 to 19, got 20", None),
    (APP["limits"], {"files": 1}, 'expected the name of a limit, got "files"',
     "known are `as`, `core`, `cpu`, `data`, `fsize`, `memlock`, `nofile`, `nproc`, `stack`"),
    (APP["limits"], {"nofile": "4096"},
     'expected a number, a size such as "1GiB" or "unlimited", got the string "4096"', "remove the quotes"),
    (APP["limits"], {"as": "1G"}, 'expected a size such as "10MB", got "1G"', 'write `"1GB"`'),
    (APP["max_memory"], 500, "expected at least 1MB and less than 8EiB, got 500", None),
    (APP["watch"], ["src/[a"], 'expected a pattern of files: a `[` is not closed, in "src/[a"', None),
    (APP["schedule"], "hourly",
     'expected a cron expression such as "0 3 * * *": it has five fields: minute, hour, day-of-month, month, '
     "day-of-week", None),
    (CHECK["tcp"], False, "expected `true`, got the boolean false", "leave it out for no such check"),
    (CHECK["tcp"], 80, "expected `true`, got the number 80", None),
    (CHECK["http"], "health", 'expected a path such as "/health", got "health"', 'write `"/health"`'),
    (CHECK["http"], "/é", 'expected a path such as "/health", got "/é"',
     "percent-encode what is not printable ASCII"),
    (CHECK["http"], "http://x/", 'expected a path such as "/health", got "http://x/"',
     "write the path alone; the host and the port are those of the app"),
    (CHECK["status"], True, 'expected status codes such as "200-399", got the boolean true', None),
    (CHECK["status"], 99, f"{STATUS}, got 99", None),
    (CHECK["status"], "399-200", f'{STATUS}, got "399-200"', None),
    (CHECK["status"], [200, "x"], f'{STATUS}, got "x"', None),
    (CHECK["status"], [], 'expected status codes such as "200-399", got an empty array', None),
    (CHECK["headers"], {"a b": "x"}, 'expected the name of a header, got "a b"', None),
    (CHECK["headers"], {"a": 1}, "expected a string, got the number 1", QUOTES.format(1)),
    (CHECK["headers"], {"a": "x\ny"}, "expected a header of printable ASCII on one line", None),
    (CHECK["log"], "a(b", "expected a regular expression: missing ), unterminated subpattern", None),
    (BACKOFF["factor"], 0.5, "expected a number from 1 to 100, got 0.5", None),
    (BACKOFF["factor"], "2", 'expected a number from 1 to 100, got the string "2"', None),
    (LOGS["max_size"], "10", 'expected a size such as "10MB", got "10"', 'write `"10B"`'),
    (LOGS["max_size"], "10 MB", 'expected a size such as "10MB", got "10 MB"', 'write `"10MB"`'),
    (LOGS["max_size"], "10M", 'expected a size such as "10MB", got "10M"', 'write `"10MB"`'),
    (LOGS["max_size"], "big", 'expected a size such as "10MB", got "big"',
     "the units are `B`, `kB` to `TB`, and `KiB` to `TiB`"),
    (LOGS["max_size"], 1.5, 'expected a size such as "10MB", got the number 1.5', None),
    (LOGS["max_size"], 10, "expected at least 1kB and less than 8EiB, got 10", None),
]  # fmt: skip


@pytest.mark.parametrize(("field", "raw", "message", "hint"), BAD)
def test_a_value_that_means_nothing_says_why(
    field: Field, raw: object, message: str, hint: str | None
) -> None:
    with pytest.raises(Bad) as caught:
        field.parse(raw)

    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_fault_inside_a_value_says_where() -> None:
    for field, raw, at in [
        (APP["command"], ["a", 1], (1,)),
        (APP["depends_on"], {"a": "up"}, ("a",)),
        (APP["env"], {"A": "x", "B": []}, ("B",)),
        (CHECK["status"], [200, 99], (1,)),
        (CHECK["headers"], {"a": 1}, ("a",)),
        (APP["tags"], ["a", "b c"], (1,)),
    ]:
        with pytest.raises(Bad) as caught:
            field.parse(raw)
        assert caught.value.at == at

    with pytest.raises(Bad) as caught:
        CHECK["log"].parse("abc(")
    assert caught.value.part == (3, 4)


def test_what_is_shown_of_a_value_is_short_and_harmless() -> None:
    with pytest.raises(Bad) as caught:
        APP["restart"].parse("\x1b[2J" + '"' + "x" * 100)

    assert caught.value.message.endswith('got "\\x1b[2J\\"' + "x" * 54 + '…"')


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (0.5, "500ms"), (1, "1s"), (90, "1m30s"), (5400, "1h30m"), (60.5, "1m500ms"),
        (61.25, "1m1.25s"), (1.0005, "1.0005s"), (2_592_000, "30d"), (129_600, "1d12h"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_short_as_it_can_be(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert duration(0)(text) == seconds


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (1500, "1500B"), (10_000_000, "10MB"), (2**30, "1GiB"), (1024, "1KiB")]
)
def test_a_size_is_written_as_short_as_it_can_be(count: int, text: str) -> None:
    assert size_text(count) == text
    assert size(0)(text) == count
