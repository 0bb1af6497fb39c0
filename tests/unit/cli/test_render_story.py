"""The story of an incident as text: folded, cut, dated, and harmless to a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procman.cli import render, render_history, render_story
from procman.cli.why import LINES, Past, hint, last_lines
from procman.core.app import App
from procman.core.config import AppConfig, Command, Condition
from procman.core.gate import blocker
from procman.core.journal import Kind, Record
from procman.core.report import Figures
from procman.core.story import Incident, Standing, incidents
from tests.fakes.folder import write_log

AT = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def state(at: float, old: str, new: str, reason: str = "it crashed", **data: Any) -> Record:
    text = f"{old} -> {new}: {reason}"
    return Record(
        AT + at,
        Kind.STATE,
        text,
        "web",
        1,
        {"old": old, "new": new, "reason": reason, "wanted": True, **data},
    )


def check(at: float, text: str = "check failed: refused", run: int = 1) -> Record:
    return Record(AT + at, Kind.CHECK, text, "web", run, {"outcome": "down", "failures": 1})


def incident(*records: Record) -> Incident:
    (found,) = incidents(records)
    return found


def told(found: Incident, **more: Any) -> list[str]:
    text = render_story.story(found, **{"kept": 1, "lines": (), "stands": None, "now": AT + 60, **more})
    return text.splitlines()


def test_equal_checks_in_a_row_are_told_once() -> None:
    found = incident(check(0), check(1), check(2), check(3, run=2), check(3.25, "check failed: reset", run=2))
    assert told(found)[4:] == [
        "  08:00:00.000  check failed: refused; the same 2 more times until +2.000s",
        "       +3.000s  check failed: refused",
        "       +3.250s  check failed: reset",
    ]


def test_states_that_are_passed_through_for_one_reason_are_one_line() -> None:
    found = incident(
        state(0, "running", "stopping", ending="exited"),
        state(0.5, "stopping", "waiting", "again"),
        state(0.5, "waiting", "starting", "again"),
        state(1, "starting", "running", "it answers"),
    )
    assert told(found)[4:] == [
        "  08:00:00.000  running -> stopping: it crashed",
        "       +0.500s  stopping -> waiting -> starting: again",
        "       +1.000s  starting -> running: it answers",
    ]


def test_a_long_story_is_cut_in_the_middle() -> None:
    found = incident(*(check(n, f"check failed: {n}") for n in range(100)))
    lines = told(found)[4:]
    assert len(lines) == render_story.FIRST + 1 + render_story.LAST
    assert lines[render_story.FIRST].endswith("…  40 more lines; `procman why web --json` has them all")
    assert lines[-1] == "    +1m39.000s  check failed: 99"


def test_what_led_there_on_another_day_has_its_date() -> None:
    records = [
        Record(AT - 86400, Kind.SPAWN, "started: pid 1", "web", 1, {"cause": "started by its user"}),
        state(-86399, "starting", "running", "it answers"),
        check(0),
    ]
    assert told(incident(*records))[4:] == [
        "  2027-01-14 08:00:00.000  started: pid 1",
        "  2027-01-14 08:00:01.000  starting -> running: it answers",
        "             08:00:00.000  check failed: refused",
    ]


def test_what_an_app_has_printed_can_not_steer_the_terminal() -> None:
    lines = [{"at": "2027-01-15T07:59:59.000Z", "stream": "err", "text": "a\x1b[2Jb\rc"}]
    text = "\n".join(told(incident(check(0, "check failed: \x1b[31mred")), lines=lines))
    assert "\x1b" not in text
    assert "\r" not in text


def test_the_last_lines_keep_their_spaces_and_blank_ones_are_left_out() -> None:
    texts = ["first", *(f"  {number}\tx " for number in range(render_story.LINES)), "", "  "]
    lines = [{"at": "2027-01-15T07:59:59.000Z", "stream": "out", "text": text} for text in texts]
    shown = told(incident(check(0)), lines=lines)
    assert shown[-render_story.LINES - 1] == "the last 10 lines that it had printed:"
    assert shown[-1] == "  07:59:59.000    9     x"
    assert shown[-render_story.LINES] == "  07:59:59.000    0     x"


def test_colours_change_nothing_but_the_colour() -> None:
    found = incident(check(0), state(0, "running", "unhealthy"))
    stands = Standing("unhealthy", AT, "it crashed")
    plain = "\n".join(told(found, kept=3, stands=stands))
    coloured = "\n".join(told(found, kept=3, stands=stands, coloured=True))
    assert coloured != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_many_processes_are_counted() -> None:
    process = {"pid": 1, "doing": "sleeping", "cpu_s": 0.0, "memory_bytes": 1000, "command": "node"}
    data = {"processes": [process] * 12, "sockets": None, "checks": []}
    evidence = Record(AT, Kind.EVIDENCE, "its tree was 12 processes", "web", 1, data)
    lines = told(incident(check(0), evidence))
    assert lines.count("  1    sleeping  0s   1.0kB   node") == render_story.PROCESSES
    assert lines[-1] == "  and 2 more"


def test_evidence_of_which_nothing_is_known_is_left_out() -> None:
    evidence = Record(AT, Kind.EVIDENCE, "no process of its tree was left", "web", 1, {"processes": []})
    assert told(incident(check(0), evidence))[-1] == "       +0.000s  no process of its tree was left"


def test_the_hint_for_a_waiting_app_names_the_app_that_it_waits_for() -> None:
    config = AppConfig("web", Command(("true",)), depends_on=(("api", Condition.HEALTHY),))
    reason = blocker(config, {"api": App()})
    assert reason is not None
    past = Past("web", (), Standing("waiting", AT, reason))
    assert hint(past, {"web"}) == "`procman why api` tells why that is not ready"
    assert hint(past, {"web", "api"}) == "`procman events web` shows all that has happened to it"


def test_an_app_that_runs_after_an_incident_needs_no_hint() -> None:
    past = Past("web", (incident(check(0)),), Standing("running", AT, "it answers"))
    assert hint(past, {"web"}) is None


@pytest.mark.parametrize(("printed", "shown"), [(3, 3), (500, LINES)])
def test_what_no_evidence_has_is_read_from_the_log_up_to_what_happened(
    tmp_path: Path, printed: int, shown: int
) -> None:
    text = "".join(f"line {number}\n" for number in range(printed))
    write_log(tmp_path, "web", text.encode(), AT - 30)
    write_log(tmp_path, "web", b"too late\n", AT + 1)
    write_log(tmp_path, "web", b"another run\n", AT - 1, run=2)
    found = last_lines(tmp_path / "logs", incident(check(0)))
    assert [line["text"] for line in found] == [f"line {n}" for n in range(printed - shown, printed)]
    assert found[0]["stream"] == "out"


def test_a_report_is_coloured_by_how_good_it_is() -> None:
    figures = {"a": Figures(up_s=1.0), "b": Figures(up_s=1.0, down_s=1.0), "c": Figures()}
    text = render_history.report(figures, AT, AT + 1, coloured=True)
    assert [re.findall(r"\x1b\[(\d+)m(?!$)", line)[0] for line in text.splitlines()[3:6]] == ["32", "33", "2"]


def test_nothing_but_the_whole_is_called_100_percent() -> None:
    figures = {"web": Figures(up_s=86400.0, down_s=0.5), "api": Figures(up_s=10.0)}
    text = render_history.report(figures, AT, AT + 1, coloured=False)
    assert [line.split()[1] for line in text.splitlines()[3:5]] == ["99.99%", "100%"]


@pytest.mark.parametrize(("new", "hinted"), [("failed", True), ("running", False), ("backoff", False)])
def test_a_failure_is_told_with_where_its_story_is(new: str, hinted: bool) -> None:
    frame = {"type": "transition", "app": "web", "old": "stopping", "new": new, "reason": "gave up"}
    assert ("\nhint: `procman why web`" in render.notice(frame)) == hinted


@pytest.mark.parametrize("state", ["failed", "unhealthy", "backoff"])
def test_what_is_not_well_is_found_in_a_status(state: str) -> None:
    apps = [
        {"name": "db", "state": "running"},
        {"name": "web", "state": state},
        {"name": "x", "state": state},
    ]
    assert render.unwell(apps) == "web"
    assert render.unwell(apps[:1]) is None
