"""Promises about `watch` for any patterns and any changes, each with bugs that prove it can be broken."""

from __future__ import annotations

import heapq
import posixpath
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import strategies as st

from procman.core import watched
from procman.core.config import AppConfig, Command
from procman.core.machine import App, Ending, Event, State
from procman.core.watched import IGNORED_FOLDERS, Watched
from procman.engine import watching
from procman.engine.watching import AT_MOST, QUIET, SETTLE, SOON, TIMES, Watching
from tests.properties.promises import promise

CWD, STATE = "/p/web", "/p/web/.state"

# --- which files ------------------------------------------------------------------------------------------

FOLDERS = st.sampled_from(["src", "lib", "node_modules", "dist", ".state", "a"])
PATTERNS = st.sampled_from(
    [
        *("*", "*.js", "src", "src/**/*.js", "src/*.js", "lib/**", "**/a/*.js", "node_modules/a/*.js"),
        *("../shared/**", "dist/*.js", "src/lib", ".state/*", "/p/web/src/a.js", "*.{js,ts}"),
    ]
)
FILES = st.sampled_from(["a.js", "b.ts", "a.js~", "4913", "x.log"])
PLACES = st.sampled_from([CWD, CWD, "/p/shared", "/p"])
PATHS = st.builds(
    lambda place, folders, name: posixpath.join(place, *folders, name),
    PLACES,
    st.lists(FOLDERS, max_size=3),
    FILES,
)
LISTS = st.lists(PATTERNS, min_size=1, max_size=3).map(tuple)
CASES = st.tuples(LISTS, st.just(()) | LISTS, PATHS)
Case = tuple[tuple[str, ...], tuple[str, ...], str]


def seen(watch: Watched, path: str) -> bool:
    """Return whether who looks into `folders`, and then where `enters` allows it, comes by a file."""
    folder = posixpath.dirname(path)
    for begin in watch.folders:
        if folder != begin and not folder.startswith(f"{begin.rstrip('/')}/"):
            continue
        way, at = [], folder
        while at != begin:
            way.append(at)
            at = posixpath.dirname(at)
        if all(watch.enters(each) for each in way):
            return True
    return False


@promise(CASES)
def what_counts_is_come_by(case: Case) -> None:
    patterns, ignored, path = case
    watch = Watched(CWD, patterns, ignored, STATE)
    assert not watch.wants(path) or seen(watch, path)


@promise(CASES)
def what_is_ignored_does_not_count(case: Case) -> None:
    patterns, ignored, path = case
    assert not (Watched(CWD, patterns, patterns, STATE).wants(path)), "ignored is stronger"
    if Watched(CWD, patterns, ignored, STATE).wants(path):
        assert Watched(CWD, patterns, (), STATE).wants(path), "`watch_ignore` only takes away"
        assert posixpath.basename(path) in ("a.js", "b.ts"), "what editors leave is no edit"
        begins = [
            each for each in patterns if IGNORED_FOLDERS.intersection(each.split("/")) or each == ".state/*"
        ]
        assert begins or IGNORED_FOLDERS.isdisjoint(path.split("/")), "nobody edits what an install writes"
        assert begins or not path.startswith(f"{STATE}/"), "our own files are written all the time"


@promise(CASES)
def more_patterns_mean_more(case: Case) -> None:
    patterns, ignored, path = case
    some = any(Watched(CWD, (each,), ignored, STATE).wants(path) for each in patterns)
    assert Watched(CWD, patterns, ignored, STATE).wants(path) == some


def test_what_counts_is_come_by() -> None:
    what_counts_is_come_by.holds()


def test_what_is_ignored_does_not_count() -> None:
    what_is_ignored_does_not_count.holds()


def test_more_patterns_mean_more() -> None:
    more_patterns_mean_more.holds()


@pytest.mark.parametrize(
    ("place", "bug", "broken"),
    [
        ("enters", lambda self, folder: folder.count("/") < 4, what_counts_is_come_by),
        ("_is_seen_from", lambda self, begins, folder: len(begins) > 1, what_counts_is_come_by),
        ("_leads", lambda self, begin, folder: True, what_is_ignored_does_not_count),
        ("wants", lambda self, path: self._watch[0].matches(path), more_patterns_mean_more),
        (
            "wants",
            lambda self, path: any(each.matches(path) for each in self._watch),
            what_is_ignored_does_not_count,
        ),
    ],
)
def test_a_watch_that_looks_elsewhere_is_caught(
    place: str, bug: Callable[..., bool], broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched.Watched, place, bug)
    broken.is_broken()


# --- what a change does -----------------------------------------------------------------------------------


class Clock:
    """A host of which only the clock and the folders matter; time goes on when it is told."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.notice: Callable[[str], None] = lambda path: None
        self._due: list[tuple[float, int, Any]] = []
        self._count = 0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time

    def call_at(self, when: float, callback: Callable[[], None]) -> Any:
        self._count += 1
        timer = SimpleNamespace(callback=callback)
        timer.cancel = lambda: setattr(timer, "callback", lambda: None)
        heapq.heappush(self._due, (when, self._count, timer))
        return timer

    def watch_tree(self, folder: str, enters: object, notice: Callable[[str], None]) -> Any:
        self.notice = notice
        return SimpleNamespace(cancel=lambda: None)

    def advance(self, seconds: float) -> None:
        """Let time pass, and call what is due on the way."""
        end = self.time + seconds
        while self._due and self._due[0][0] <= end:
            self.time, _, timer = heapq.heappop(self._due)
            timer.callback()
        self.time = end


class Site:
    """One app that is restarted at once, and what was said of it."""

    def __init__(self) -> None:
        self.host = Clock()
        self.restarts: list[float] = []
        self.told: list[float] = []
        config = AppConfig("web", Command(("x",)), cwd=CWD, watch=("*.js",))
        app = App(state=State.RUNNING, wanted=True, generation=1, spawned_at=0.0)
        self.app = SimpleNamespace(name="web", config=config, leaving=False, app=app)
        tell = lambda problem: self.told.append(self.host.time)  # noqa: E731
        self.watching = Watching(self.host, STATE, self._post, tell)  # type: ignore[arg-type]
        self.watching.tend(self.app)  # type: ignore[arg-type]

    def _post(self, name: str, event: Event) -> None:
        self.restarts.append(self.host.time)
        generation = self.app.app.generation + 1
        self.app.app = App(state=State.RUNNING, wanted=True, generation=generation, spawned_at=self.host.time)

    def change(self, name: str) -> None:
        """Change a file of the app."""
        self.host.notice(f"{CWD}/{name}")


CHANGES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, 0.15, 0.3, 1.0, 3.0, 61.0]), st.sampled_from(["a.js", "b.js", "a.css"])
    ),
    max_size=25,
)


@promise(CHANGES)
def each_edit_is_followed_by_one_restart(changes: list[tuple[float, str]]) -> None:
    """Unless it is held, which is told: no sooner than when it is quiet, no later than after `AT_MOST`."""
    site = Site()
    edits: list[float] = []
    for after, name in changes:
        site.host.advance(after)
        if name.endswith(".js"):
            edits.append(site.host.time)
        site.change(name)
    site.host.advance(QUIET / 2)
    for at in edits:
        answers = [each for each in (*site.restarts, *site.told) if at < each <= at + AT_MOST + SETTLE]
        held = [
            each for each in site.told if each <= at < each + QUIET + AT_MOST * len(edits) + 61.0 * len(edits)
        ]
        assert answers or held, f"an edit at {at} is forgotten"
    for at in site.restarts:
        before = [each for each in edits if each < at]  # one at the same moment came after it
        assert before, "nobody has edited anything"
        quiet = at - before[-1] >= SETTLE - 1e-6
        assert quiet or any(abs(at - AT_MOST - each) < 1e-6 for each in before), (
            "restarted in the middle of a save"
        )
    assert len(site.restarts) <= len(edits)


@promise(st.integers(1, 40))
def an_app_that_changes_its_own_files_is_not_restarted_for_ever(times: int) -> None:
    site = Site()
    site.change("a.js")
    for _ in range(times):
        known = len(site.restarts)
        site.host.advance(SETTLE + 0.01)
        if len(site.restarts) > known:
            site.change("a.js")  # it writes as soon as it begins
    assert len(site.restarts) <= TIMES
    assert len(site.told) <= 1
    assert site.told or times <= TIMES, "why it is restarted no more is told"
    site.host.advance(QUIET + 1)
    known = len(site.restarts)
    site.change("a.js")
    site.host.advance(AT_MOST)
    assert len(site.restarts) == known + 1, "after a minute of quiet an edit counts again"


@promise(st.floats(SOON + SETTLE + 0.1, QUIET - 1))
def a_person_who_saves_often_is_served_each_time(pause: float) -> None:
    site = Site()
    for count in range(1, 3 * TIMES):
        site.host.advance(pause)
        site.change("a.js")
        site.host.advance(AT_MOST)
        assert len(site.restarts) == count


def test_each_edit_is_followed_by_one_restart() -> None:
    each_edit_is_followed_by_one_restart.holds()


def test_an_app_that_changes_its_own_files_is_not_restarted_for_ever() -> None:
    an_app_that_changes_its_own_files_is_not_restarted_for_ever.holds()


def test_a_person_who_saves_often_is_served_each_time() -> None:
    a_person_who_saves_often_is_served_each_time.holds()


def never_settles(self: Any, path: str) -> None:
    """Wait for quiet, however long somebody writes."""
    if self._watched.wants(path):
        self._changed = self._changed or path
        if self._due is not None:
            self._due.cancel()
        self._due = self._host.call_at(self._host.now() + 30 * SETTLE, self._settled)


def at_once(self: Any, path: str) -> None:
    """Restart in the middle of a save."""
    if self._watched.wants(path):
        self._changed = path
        self._settled()


def for_anything(self: Any, path: str) -> None:
    """Restart for any file."""
    self._changed, self._changed_at = path, self._host.now()
    if self._due is None:
        self._due = self._host.call_at(self._host.now() + SETTLE, self._settled)


@pytest.mark.parametrize(
    ("name", "bug", "broken"),
    [
        ("_notice", never_settles, each_edit_is_followed_by_one_restart),
        ("_notice", at_once, each_edit_is_followed_by_one_restart),
        ("_notice", for_anything, each_edit_is_followed_by_one_restart),
        ("_is_soon", lambda self, now: False, an_app_that_changes_its_own_files_is_not_restarted_for_ever),
        ("_is_soon", lambda self, now: True, a_person_who_saves_often_is_served_each_time),
        ("_settled", lambda self: None, each_edit_is_followed_by_one_restart),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_watch_that_restarts_wrongly_is_caught(
    name: str, bug: Callable[..., Any], broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching._Watch, name, bug)
    broken.is_broken()


def test_one_that_holds_for_ever_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "QUIET", 1e9)
    an_app_that_changes_its_own_files_is_not_restarted_for_ever.is_broken()


def test_a_stop_under_way_is_no_reason_to_start() -> None:
    site = Site()
    site.app.app = App(state=State.STOPPING, ending=Ending.STOP, generation=1, spawned_at=0.0)
    site.change("a.js")
    site.host.advance(AT_MOST)
    assert not site.restarts
