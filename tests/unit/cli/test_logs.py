"""`procman logs`, on logs that were written for it."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from procman.cli import exits
from procman.cli import logs as logs_module
from procman.cli.entry import main
from procman.cli.logs import Wanted
from procman.core.config import LogBudget
from procman.logs.cursor import Cursor
from procman.logs.segments import Stream
from procman.logs.store import Store
from tests.fakes.folder import write_log

CATASTROPHIC = "(a+)+$"
NEEDS_AGES = b"a" * 60 + b"!\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a project with two apps, which is the current folder."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "portwatch.toml").write_text('[apps.web]\ncommand = "x"\n[apps.api]\ncommand = "x"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".procman"


def wanted(**what: object) -> Wanted:
    """Return what is asked for, nothing unless it is named."""
    nothing = {"count": None, "since": None, "until": None, "grep": None, "stream": None, "previous": False}
    return Wanted(**{**nothing, **what})  # type: ignore[arg-type]


def test_a_pattern_that_takes_ages_ends_with_what_to_type_instead(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs_module, "AT_MOST_S", 0.05)
    write_log(home, "web", b"aaa\n" + NEEDS_AGES + b"aaa\n", 1.0)
    code = main(["logs", "web", "-n", "5", "--grep", CATASTROPHIC])
    out, err = capsys.readouterr()

    assert code == exits.USAGE
    assert out == ""
    assert err == (
        "error: to look for `(a+)+$` took more than 0.05s in a line of 61 characters of `web`\n\n"
        "hint: write it without a repetition in a repetition (`a+`, not `(a+)+`), or type"
        " `procman logs web -n 1000000 | grep -E '(a+)+$'`\n"
    )


def test_a_line_on_which_a_pattern_is_quick_is_found(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(home, "web", b"b\n" + b"a" * 5000 + b"\n", 1.0)

    assert main(["logs", "web", "--no-prefix", "--grep", CATASTROPHIC]) == exits.DONE
    assert capsys.readouterr().out == "a" * 5000 + "\n"


def test_the_last_lines_of_each_app_that_fit_come_first_when_they_are_followed(home: Path) -> None:
    write_log(home, "web", b"hit 1\nhit 2\nmiss\nhit 3\nmiss\n", 1.0)
    write_log(home, "api", b"hit 4\nmiss\n", 2.0)
    found = logs_module._followed(home / "logs", ["web", "api"], wanted(count=2, grep=re.compile("hit")))

    assert [line.text for line in islice(found, 3)] == [b"hit 2", b"hit 3", b"hit 4"]
    write_log(home, "web", b"miss\nhit 5\n", 3.0)
    assert next(found).text == b"hit 5"


def test_a_time_may_be_where_following_begins(home: Path) -> None:
    write_log(home, "web", b"old\n", 1.0)
    write_log(home, "web", b"new\n", 2.0)
    found = logs_module._followed(home / "logs", ["web"], wanted(since=1.5))

    assert next(found).text == b"new"
    write_log(home, "web", b"newer\n", 3.0)
    assert next(found).text == b"newer"


def test_what_was_lost_is_told_whatever_is_looked_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(home, "web", b"hit\nmiss\n", 1.0)
    store = Store(home / "logs" / "web", LogBudget(), lambda: 2.0)
    store.note("procman: 5 bytes of stdout lost here")
    store.close()
    main(["logs", "web", "--no-prefix", "--grep", "^hit$"])

    assert capsys.readouterr().out == "hit\nprocman: 5 bytes of stdout lost here\n"


def test_that_there_is_no_run_before_the_last_one_is_said(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_log(home, "web", b"hit\n", 1.0)

    assert main(["logs", "web", "--previous"]) == exits.DONE
    assert capsys.readouterr() == ("", "of `web` no run before the last one is kept\n")


def test_a_log_that_belongs_to_somebody_else_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/logs/web/000001.log")

    write_log(home, "web", b"hit\n", 1.0)
    monkeypatch.setattr(Cursor, "read", refuse)

    assert main(["logs", "web"]) == exits.FAILED
    assert capsys.readouterr().err == (
        "error: `/logs/web/000001.log` can't be read: Permission denied\n\n"
        "hint: it belongs to the user who ran the manager: ask as that one\n"
    )


def test_many_lines_are_written_together(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Out:
        def __init__(self) -> None:
            self.written: list[str] = []

        def write(self, text: str) -> None:
            self.written.append(text)

        def isatty(self) -> bool:
            return False

        def flush(self) -> None:
            pass

    out = Out()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr(logs_module, "PAGE", 10_000)
    write_log(home, "web", b"".join(b"line %06d\n" % number for number in range(5000)), 1.0)
    main(["logs", "web", "-n", "5000", "--no-prefix"])

    assert "".join(out.written) == "".join(f"line {number:06}\n" for number in range(5000))
    assert len(out.written) == 6


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("web", "one two ERR three four"),
        ("web -n 2", "three four"),
        ("web -n 0", ""),
        ("web --since 1970-01-01T00:00:02+00:00", "two ERR three four"),
        ("web --until 1970-01-01T00:00:03+00:00", "one two ERR"),
        ("web --since 1970-01-01T00:00:02+00:00 --until 1970-01-01T00:00:04+00:00", "two ERR three"),
        ("web --since 1970-01-01T00:00:02+00:00 -n 1", "four"),
        ("web --stream err", "ERR"),
        ("web --stream out -n 3", "two three four"),
        ("web --grep ^t", "two three"),
        ("web --grep ^t -n 1", "three"),
        ("web --previous", "one two ERR"),
        ("web --previous -n 1", "ERR"),
        ("web --previous --grep o", "one two"),
        ("api", "between"),
        ("", "one two between ERR three four"),
        ("-n 1", "between four"),
        ("w* --stream err", "ERR"),
    ],
)
def test_what_is_asked_for_is_shown_and_nothing_else(
    home: Path, capsys: pytest.CaptureFixture[str], words: str, texts: str
) -> None:
    write_log(home, "web", b"one\n", 1.0)
    write_log(home, "web", b"two\n", 2.0)
    write_log(home, "api", b"between\n", 2.5)
    write_log(home, "web", b"ERR\n", 3.0, stream=Stream.ERR)
    write_log(home, "web", b"three\n", 4.0, run=2)
    write_log(home, "web", b"four\n", 5.0, run=2)

    assert main(["logs", "--no-prefix", *words.split()]) == exits.DONE
    assert capsys.readouterr().out.split() == texts.split()


def test_every_form_of_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_log(home, "web", b"\x1b[32mready\x1b[0m \x1b[2J\xff\n", 1.5)
    forms = {
        "": "web │ ready \N{REPLACEMENT CHARACTER}\n",
        "--no-prefix": "ready \N{REPLACEMENT CHARACTER}\n",
        "--timestamps": "web │ 1970-01-01T00:00:01.500Z ready \N{REPLACEMENT CHARACTER}\n",
    }
    for words, shown in forms.items():
        main(["logs", *words.split()])
        assert capsys.readouterr().out == shown
    main(["logs", "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "app": "web",
        "at": "1970-01-01T00:00:01.500Z",
        "stream": "out",
        "run": 1,
        "text": "\x1b[32mready\x1b[0m \x1b[2J\N{REPLACEMENT CHARACTER}",
        "partial": False,
        "continues": False,
    }


def test_a_terminal_gets_the_colours_and_nothing_that_could_harm_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    write_log(home, "web", b"\x1b[32mready\x1b[2J\x1b]0;title\x07\x1b[6n\n", 1.0)
    main(["logs", "web", "--no-prefix"])

    assert capsys.readouterr().out == "\x1b[32mready\x1b[0m\n"
