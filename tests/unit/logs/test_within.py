"""No pattern can keep anybody waiting."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from procman.logs.segments import Stream
from procman.logs.watch import AT_MOST_S, LONGEST, OVERRUNS, LineWatch
from procman.logs.within import Overrun, within

# Of each a search that would take from a minute to the age of the universe.
HOPELESS = [
    (r"(a+)+$", "a" * 50 + "!"),
    (r"(?:a|aa)+b", "a" * 100),
    (r"(x+x+)+y", "x" * 100),
    (r"a*a*a*a*b", "a" * 5000),
    (r"(.*)(.*)(.*)(.*)x", "a" * 5000),
    (r"^(\w+\s?)*$", "word " * 20 + "!"),
    (r"(?=(a+)+b)", "a" * 100),
]


@pytest.mark.parametrize(("pattern", "text"), HOPELESS)
def test_a_search_that_takes_ages_is_ended(pattern: str, text: str) -> None:
    search = re.compile(pattern).search
    began = time.thread_time()
    with pytest.raises(Overrun):
        within(0.05, lambda: search(text))

    assert 0.03 < time.thread_time() - began < 1.0
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


@pytest.mark.parametrize("pattern", [r".*x", r"[^b]*c", r"(?=.*x)a", r"\w+\d"])
def test_a_line_as_long_as_a_watch_looks_at_makes_no_pattern_late(pattern: str) -> None:
    """`re` looks for signals only now and then: every 4096 steps, each over the rest of the text at worst."""
    search, text = re.compile(pattern).search, "a" * LONGEST
    began = time.thread_time()
    assert within(5.0, lambda: search(text)) is None

    assert time.thread_time() - began < 0.5


def test_what_is_quick_is_let_be() -> None:
    assert within(0.05, lambda: "found") == "found"
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_an_error_is_passed_on_and_the_timer_stopped() -> None:
    with pytest.raises(ZeroDivisionError):
        within(0.05, lambda: 1 // 0)

    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_late_signal_interrupts_nothing_else() -> None:
    within(0.05, lambda: None)
    signal.raise_signal(signal.SIGVTALRM)


def test_only_the_main_thread_may_ask() -> None:
    raised: list[type[BaseException]] = []

    def ask() -> None:
        try:
            within(0.05, lambda: None)
        except BaseException as error:
            raised.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()

    assert raised == [ValueError]


def watch(pattern: str) -> tuple[LineWatch, list[str]]:
    """Return a watch, and what it says when it becomes slow."""
    told: list[str] = []
    made: list[LineWatch] = []
    made.append(LineWatch(re.compile(pattern), lambda: told.append(str(made[0].problem))))
    return made[0], told


SLOW = "took more than 50 ms on a line of 51 characters"


def test_a_watch_that_is_slow_on_a_line_says_so_once_and_goes_on() -> None:
    watching, told = watch(r"(a+)+$|ready")
    began = time.thread_time()
    found = [watching.feed(Stream.OUT, line) for line in [b"a" * 50 + b"!\nready, and not seen\n"] * 3]
    took = time.thread_time() - began

    assert found == [None] * 3
    assert took < 3 * (AT_MOST_S + 0.1)
    assert told == [SLOW]
    assert watching.problem == SLOW
    assert watching.feed(Stream.OUT, b"ready\n") == "ready"


def test_a_watch_that_is_always_slow_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procman.logs.watch.AT_MOST_S", 0.005)
    watching, told = watch(r"(a+)+$|ready")
    for _ in range(OVERRUNS):
        watching.feed(Stream.OUT, b"a" * 50 + b"!\n")

    assert len(told) == 1
    assert watching.problem == (
        "took more than 5 ms on a line of 51 characters, for the 20th time, and is not looked for any more"
    )
    assert watching.feed(Stream.OUT, b"ready\n") is None


@pytest.mark.parametrize("data", [b"\n" * 65536, b"x\n" * 32768, b"\x1b[32mline\x1b[0m\n" * 4096])
def test_many_lines_at_once_are_no_slow_pattern(data: bytes) -> None:
    watching, told = watch("ready")

    assert watching.feed(Stream.OUT, data) is None
    assert watching.feed(Stream.OUT, b"ready\n") == "ready"
    assert told == []
