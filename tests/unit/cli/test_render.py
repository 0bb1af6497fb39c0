"""What is printed, as pure functions: cut, coloured, aligned, and harmless to a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from procman.cli import render


def app(name: str = "web", **more: Any) -> dict[str, Any]:
    """Return an app of a status document that runs."""
    return {
        "name": name,
        "state": "running",
        "message": None,
        "pid": 4711,
        "port": 5173,
        "verdict": "own",
        "uptime_s": 62.0,
        "restarts": 0,
        "next_start_at": None,
        "stale": [],
        "last_event": "started by `procman up`",
        "log_problem": None,
        **more,
    }


def test_columns_are_as_wide_as_they_need_to_be() -> None:
    text = render.table(
        [app(), app("a-long-name", port=None, verdict=None, pid=None, uptime_s=None)], now=0.0
    )
    assert text.splitlines() == [
        "APP          STATE    PORT      PID   UPTIME  RESTARTS  LAST EVENT",
        "web          running  5173 own  4711  1m2s    0         started by `procman up`",
        "a-long-name  running  -         -     -       0         started by `procman up`",
    ]


def test_what_the_trees_use_is_shown_when_it_is_asked_for() -> None:
    used = {"cpu_s": 12.3, "cpu_percent": 103.04, "memory_bytes": 210_400_000}
    nothing = dict.fromkeys(used)
    text = render.table([app(**used), app("api", pid=None, uptime_s=None, **nothing)], now=0.0, wide=True)
    assert text.splitlines() == [
        "APP  STATE    PORT      PID   UPTIME  RESTARTS  CPU     MEMORY  LAST EVENT",
        "web  running  5173 own  4711  1m2s    0         103.0%  210MB   started by `procman up`",
        "api  running  5173 own  -     -       0         -       -       started by `procman up`",
    ]
    assert "CPU" not in render.table([app(**used)], now=0.0)


def test_a_file_without_enabled_apps_is_said() -> None:
    assert render.table([], now=0.0) == "no app is enabled"


def test_the_last_column_is_cut_on_a_terminal_and_nowhere_else() -> None:
    long = app(last_event="x" * 200)
    for width in (70, 80, 120):
        lines = render.table([long], now=0.0, width=width).splitlines()
        assert len(lines[1]) == width
        assert lines[1].endswith("x…")
    assert render.table([long], now=0.0).endswith("x" * 200)


def test_a_narrow_terminal_has_whole_lines_without_what_can_be_spared() -> None:
    long = app(last_event="x" * 200)
    for width in (40, 50, 60):
        lines = render.table([long], now=0.0, width=width).splitlines()
        assert len(lines[1]) == width
    assert render.table([long], now=0.0, width=40).splitlines()[0] == "APP  STATE    PORT      LAST EVENT"
    assert "  UPTIME  RESTARTS  LAST" in render.table([long], now=0.0, width=60)
    assert "PID" in render.table([long], now=0.0, width=70)


def test_a_very_narrow_terminal_still_shows_what_happened() -> None:
    line = render.table([app(last_event="x" * 200)], now=0.0, width=10).splitlines()[1]
    assert line.endswith("x" * (render.NARROWEST - 1) + "…")


def test_colours_change_nothing_but_the_colour() -> None:
    apps = [app(), app("api", state="failed"), app("worker", state="backoff"), app("db", state="stopped")]
    coloured = render.table(apps, now=0.0, coloured=True)
    plain = coloured
    for code in ("0", "1", "2", "32", "33", "31;1"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == render.table(apps, now=0.0)
    assert "\x1b[31;1mfailed \x1b[0m" in coloured


def test_a_backoff_says_when_it_ends() -> None:
    waiting = app(state="backoff", message="exited with code 1", next_start_at="2026-11-23T09:00:02.000Z")
    line = render.table([waiting], now=1795424400.0).splitlines()[1]
    assert line.endswith("exited with code 1; next start in 2s")
    late = render.table([waiting], now=1795424500.0).splitlines()[1]
    assert late.endswith("next start in 0s")


def test_a_log_that_can_not_be_written_is_said_after_what_there_is_to_say_of_the_app() -> None:
    broken = {"log_problem": "its output can't be stored"}
    assert render.table([app(**broken)], now=0.0).endswith("0         its output can't be stored")
    unhealthy = app(message="refused", state="unhealthy", **broken)
    assert render.table([unhealthy], now=0.0).endswith("refused; its output can't be stored")


def test_a_history_that_can_not_be_written_is_said_above_the_table() -> None:
    manager = {
        "config": {"state": "applied", "error": None},
        "history_problem": "the history can't be written",
    }
    text = render.status({"manager": manager, "apps": [app()]}, now=0.0)
    assert text.startswith("the history can't be written\n\nAPP ")


def test_a_manager_of_an_older_version_is_understood() -> None:
    older = {key: value for key, value in app().items() if key != "log_problem"}
    assert render.table([older], now=0.0) == render.table([app()], now=0.0)


def test_what_is_stale_is_said() -> None:
    assert render.table([app(stale=["env_file"])], now=0.0).endswith(
        "started by `procman up`; stale: env_file"
    )


def test_an_app_can_not_steer_the_terminal_through_its_reason() -> None:
    line = render.table([app(message="a line matched `\x1b[2J\r\nready`\u202e")], now=0.0).splitlines()[1]
    assert line.endswith("a line matched `�[2J ready`�")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (59.9, "59s"),
        (60.0, "1m0s"),
        (3599.0, "59m59s"),
        (3600.0, "1h0m"),
        (86400.0 * 2 + 3600 * 4, "2d4h"),
    ],
)
def test_an_age_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert render.age(seconds) == text


def test_every_kind_of_notice_has_words() -> None:
    frames: list[dict[str, Any]] = [
        {"type": "transition", "app": "web", "old": "starting", "new": "running", "reason": "answers"},
        {"type": "receipt", "app": "web", "text": "stopped web: node 4711", "survivors": []},
        {"type": "reloaded", "error": None, "summary": "restart web `command`"},
        {"type": "reloaded", "error": "portwatch.toml:1:1: no", "summary": "rejected"},
        {"type": "problem", "app": "web", "text": "its log is full, ignoring"},
        {"type": "problem", "app": None, "text": "the disk is full, ignoring"},
    ]
    assert [render.notice(frame) for frame in frames] == [
        "web: running, answers",
        "stopped web: node 4711",
        "the file is applied: restart web `command`",
        "the file was rejected:\nportwatch.toml:1:1: no",
        "web: its log is full, ignoring",
        "the disk is full, ignoring",
    ]


def test_progress_is_aligned_and_its_colour_says_nothing_more() -> None:
    frame = {"app": "web", "state": "running", "reason": "answers", "reached": True, "seconds": 1.25}
    assert render.progress(frame, 6) == "web     running after 1.2s: answers"
    assert render.progress(frame, 6, coloured=True) == "web     \x1b[32mrunning\x1b[0m after 1.2s: answers"
    failed = {**frame, "reached": False, "state": "backoff"}
    assert render.progress(failed, 3, coloured=True) == "web  \x1b[31mbackoff\x1b[0m after 1.2s: answers"


def test_prefixes_are_padded_and_keep_their_colours() -> None:
    prefixes = render.Prefixes(["web", "worker"], coloured=True)
    assert [prefixes.of(name) for name in ("worker", "web", "later", "worker")] == [
        "\x1b[33mworker │ \x1b[0m",
        "\x1b[36mweb    │ \x1b[0m",
        "\x1b[32mlater  │ \x1b[0m",
        "\x1b[33mworker │ \x1b[0m",
    ]
    assert render.Prefixes(["web"], coloured=False).of("a-longer-one") == "a-longer-one │ "


def test_a_plan_ends_with_what_the_manager_alone_heeds() -> None:
    size = {"key": "history.max_size", "old": '"50MB"', "new": '"2MB"', "change": "live"}
    assert render.plan([], [size]) == '~ [manager]  live  history.max_size: "50MB" -> "2MB"'
    assert render.plan([]) == "nothing to do: the file is applied"
