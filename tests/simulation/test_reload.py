"""What becomes of an edit: `reload` of [manager], the local file, and the plan of a file not in place yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.config.diagnostics import InvalidConfig
from procman.core.plan import Verb
from procman.engine.events import Reloaded
from tests.fakes.programs import Program, server
from tests.simulation.village import Village

PROJECT = """\
[manager]
reload = "{mode}"

[apps.api]
command = "node server.js"
port = 3000

[apps.worker]
command = "node worker.js"
"""
OTHER_PORT = ("port = 3000", "port = 3001")
SEEN = 2.0  # seconds within which an edit is noticed
Started = Callable[[str], Village]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    villages: list[Village] = []

    def make(mode: str) -> Village:
        village = Village(tmp_path, PROJECT.format(mode=mode))
        village.machine.programs.update({"node server.js": server(after=0.3), "node worker.js": Program()})
        villages.append(village)
        village.up()
        village.until(village.is_up)
        return village

    yield make
    for village in villages:
        village.end()


def told(village: Village) -> list[Reloaded]:
    return [notice for notice in village.notices if isinstance(notice, Reloaded)]


def state(village: Village) -> dict[str, object]:
    found: dict[str, object] = village.engine.status()["manager"]["config"]
    return found


def port(village: Village) -> int | None:
    return village.engine.configs["api"].port


def test_an_edit_that_is_to_be_asked_about_is_told_and_not_applied(started: Started) -> None:
    village = started("ask")
    before = village.pids("api")
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    [notice] = told(village)
    assert (notice.error, notice.applied, notice.summary) == (None, False, "restart api `port`")
    assert (state(village)["state"], state(village)["waiting"]) == ("edited", "restart api `port`")
    assert (port(village), village.pids("api")) == (3000, before)
    assert village.engine.plan().changes[0].verb is Verb.RESTART


@pytest.mark.parametrize("mode", ["ask", "off"])
def test_a_reload_applies_what_was_not(started: Started, mode: str) -> None:
    village = started(mode)
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    village.engine.reload()
    village.until(village.is_up)
    assert (port(village), state(village)["state"], state(village)["waiting"]) == (3001, "applied", None)
    assert told(village)[-1].applied


def test_an_edit_that_is_taken_back_waits_for_nothing(started: Started) -> None:
    village = started("ask")
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    village.edit(*reversed(OTHER_PORT))
    village.advance(SEEN)
    assert state(village)["state"] == "applied"
    assert told(village)[-1].summary == "no change"


def test_the_same_plan_is_told_once(started: Started) -> None:
    village = started("ask")
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    village.edit("[apps.worker]", "# of nights\n[apps.worker]")
    village.advance(SEEN)
    assert len(told(village)) == 1


def test_an_invalid_edit_is_rejected_also_where_edits_are_asked_about(started: Started) -> None:
    village = started("ask")
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    village.edit("port = 3001", "port = 99999")
    village.advance(SEEN)
    assert (state(village)["state"], state(village)["waiting"]) == ("rejected", None)
    village.edit("port = 99999", "port = 3001")
    village.advance(SEEN)
    assert state(village)["state"] == "edited"


@pytest.mark.parametrize("edit", [OTHER_PORT, ("port = 3000", "port = 99999")])
def test_what_is_off_is_not_even_told(started: Started, edit: tuple[str, str]) -> None:
    village = started("off")
    village.edit(*edit)
    village.advance(60)
    assert (told(village), state(village)["state"]) == ([], "applied")


def test_turning_to_auto_applies_all_of_the_file(started: Started) -> None:
    village = started("ask")
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    village.edit('"ask"', '"auto"')
    village.until(lambda: port(village) == 3001)
    village.until(village.is_up)
    assert state(village)["state"] == "applied"


def test_turning_to_off_holds_at_once_and_tells_nothing_more(started: Started) -> None:
    village = started("ask")
    village.file.write_text(PROJECT.format(mode="off").replace(*OTHER_PORT))
    village.advance(SEEN)
    assert (port(village), state(village)["state"]) == (3000, "applied")
    village.edit("port = 3001", "port = 99999")
    village.advance(SEEN)
    assert state(village)["state"] == "applied"


def test_turning_to_ask_holds_for_the_next_edit(started: Started) -> None:
    village = started("auto")
    village.edit('"auto"', '"ask"')
    village.advance(SEEN)
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    assert (port(village), state(village)["state"]) == (3000, "edited")


def test_turning_to_auto_where_edits_are_off_waits_for_a_reload(started: Started) -> None:
    village = started("off")
    village.edit('"off"', '"auto"')
    village.advance(SEEN)
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    assert port(village) == 3000
    village.engine.reload()
    village.edit("port = 3001", "port = 3002")
    village.until(lambda: port(village) == 3002)
    village.until(village.is_up)


def test_edits_of_the_local_file_are_followed_too(started: Started) -> None:
    village = started("auto")
    local = village.file.with_name("portwatch.local.toml")
    worker = village.pids("worker")
    local.write_text("[apps.api]\nport = 3001\n")
    village.until(lambda: port(village) == 3001)
    village.until(village.is_up)
    assert village.engine.status()["manager"]["local_file"] == str(local)
    local.write_text("[apps.api]\nport = 0\n")
    village.until(lambda: state(village)["state"] == "rejected")
    assert "portwatch.local.toml:2:8" in str(state(village)["error"])
    local.unlink()
    village.until(lambda: port(village) == 3000)
    village.until(village.is_up)
    assert village.engine.status()["manager"]["local_file"] is None
    assert village.pids("worker") == worker


def test_a_file_that_is_not_in_place_is_planned_for_and_nothing_is_done(started: Started) -> None:
    village = started("auto")
    draft = village.file.with_name("new.toml")
    draft.write_text(village.file.read_text().replace(*OTHER_PORT))
    [change] = village.engine.plan(str(draft)).changes
    assert (change.name, change.verb, change.keys) == ("api", Verb.RESTART, "`port`")
    assert port(village) == 3000
    draft.write_text("[apps.api]\n")
    with pytest.raises(InvalidConfig, match=r"new\.toml:1:1"):
        village.engine.plan(str(draft))


def stale(village: Village) -> dict[str, list[str]]:
    return {app["name"]: app["stale"] for app in village.engine.status()["apps"] if app["stale"]}


def test_an_edit_that_waits_makes_the_apps_stale_that_it_would_change(started: Started) -> None:
    village = started("ask")
    assert stale(village) == {}
    village.edit(*OTHER_PORT)
    village.advance(SEEN)
    assert stale(village) == {"api": ["`port` differs in the edited file"]}


def test_an_env_file_that_has_changed_is_stale_until_a_restart_also_for_the_next_manager(
    started: Started,
) -> None:
    village = started("auto")
    env = village.file.with_name(".env")
    env.write_text("A=1\n")
    village.edit("port = 3000", 'port = 3000\nenv_file = ".env"')
    village.until(lambda: bool(village.engine.configs["api"].env_file))
    village.until(village.is_up)
    assert stale(village) == {}
    env.write_text("A=23\n")
    told = {"api": ["`.env` has changed since it was started"]}
    assert stale(village) == told
    village.kill_manager()
    village.manage()
    village.until(village.is_up)
    assert stale(village) == told
    village.engine.restart(["api"])
    village.until(village.is_up)
    assert stale(village) == {}
