"""Whose a listener is, on a simulated machine."""

from __future__ import annotations

import os
from pathlib import Path

from procman.core.identity import MARKER
from procman.engine.ports import Current, Whose, last_sign, look, rows, tell_apart
from procman.engine.runs import project_mark
from tests.fakes.host import FakeHost
from tests.fakes.machine import EPOCH
from tests.fakes.neighbours import OURS, THEIRS, Neighbours, listening
from tests.fakes.programs import Child, Listen, Program, npm, server
from tests.simulation.village import Village


def test_an_app_is_what_its_manager_says_it_is() -> None:
    there = Neighbours()
    _leader, current = there.app()
    (holding,) = there.holdings(current)
    assert (holding.whose, holding.app, holding.run) == (Whose.APP, "web", None)
    assert [str(each) for each in holding.listeners] == ["127.0.0.1:5173", "[::1]:5173"]


def test_a_process_of_a_run_that_has_lost_its_marker_is_the_apps() -> None:
    there = Neighbours()
    leader, current = there.app()
    bare = there.machine.start(listening(5174), "vite", parent=leader.pid)
    current = type(current)(current.app, current.marker, (*current.pids, bare.pid))
    assert [each.whose for each in there.holdings(current)] == [Whose.APP, Whose.APP]


def test_what_a_run_has_started_since_its_manager_was_asked_is_the_apps() -> None:
    there = Neighbours()
    _leader, current = there.app()
    there.start(listening(5174), "vite preview", current.marker)
    assert [each.whose for each in there.holdings(current)] == [Whose.APP, Whose.APP]


def test_without_a_manager_every_marked_process_is_an_orphan() -> None:
    there = Neighbours()
    there.app()
    (holding,) = there.holdings(managed=False)
    assert (holding.whose, holding.app) == (Whose.ORPHAN, "web")
    assert holding.run is not None
    assert holding.run.marker == f"{OURS}web:4"


def test_beside_a_manager_an_orphan_is_what_belongs_to_none_of_its_runs() -> None:
    there = Neighbours()
    orphan = there.orphan(3000)
    _leader, current = there.app()
    found = there.holdings(current)
    assert [(each.port, each.whose) for each in found] == [(3000, Whose.ORPHAN), (5173, Whose.APP)]
    assert found[0].run is not None
    assert found[0].run.leader == orphan.identity


def test_a_child_of_an_orphan_that_has_lost_the_marker_is_one_too() -> None:
    there = Neighbours()
    orphan = there.orphan(3000)
    there.machine.start(listening(9229), "inspector", parent=orphan.pid)
    assert [(each.whose, each.app) for each in there.holdings()] == [(Whose.ORPHAN, "api")] * 2


def test_an_orphan_is_one_since_it_was_started_or_its_manager_was_last_heard_of() -> None:
    there = Neighbours()
    orphan = there.orphan(3000)
    born = EPOCH + orphan.born
    for sign, since in ((None, born), (born - 60, born), (born + 0.5, born + 0.5)):
        (holding,) = there.holdings(managed=False, sign=sign)
        assert holding.since == since
    (holding,) = there.holdings(managed=True, sign=born + 0.5)
    assert holding.since == born


def test_a_process_of_another_project_is_named_by_its_app() -> None:
    there = Neighbours()
    there.start(listening(8080), "node server.js", f"{THEIRS}shop:7")
    (holding,) = there.holdings()
    assert (holding.whose, holding.app, holding.run) == (Whose.PROJECT, "shop", None)


def test_outside_of_a_project_every_marked_process_is_of_another() -> None:
    there = Neighbours()
    there.orphan(3000)
    sight = look(there.host, None)
    assert sight is not None
    (holding,) = tell_apart(there.host, sight, None, None)
    assert holding.whose is Whose.PROJECT


def test_everybody_else_is_a_stranger_and_who_cant_be_seen_unknown() -> None:
    there = Neighbours()
    there.start(listening(8080), "python3 -m http.server")
    hidden = there.start(listening(80, 443), "nginx")
    there.start(server(port=9000), "odd", "no marker of ours")
    there.host.advance(1)
    there.machine.hidden.add(hidden.pid)
    found = {each.port: each for each in there.holdings()}
    assert list(found) == [80, 443, 8080, 9000]
    assert [each.whose for each in found.values()] == [Whose.UNKNOWN] * 2 + [Whose.STRANGER] * 2
    assert len(found[80].listeners) == 2
    assert found[80].occupant is None


def test_a_machine_that_does_not_tell_is_no_machine_without_listeners() -> None:
    host = FakeHost()
    host.machine.readable = False
    assert look(host, OURS) is None


def test_a_row_joins_the_addresses_of_a_port_and_tells_its_families() -> None:
    there = Neighbours()
    there.start(listening(8080), "both")
    there.start(Program(listens=(Listen(9000, address="::"), Listen(9001, address="0.0.0.0"))), "any")
    told = [(row["port"], row["addresses"], row["families"]) for row in rows(there.holdings())]
    assert told == [
        (8080, ["127.0.0.1", "::1"], ["IPv4", "IPv6"]),
        (9000, ["::"], ["IPv4", "IPv6"]),
        (9001, ["0.0.0.0"], ["IPv4"]),
    ]


def test_a_row_has_all_that_is_known_of_the_process() -> None:
    there = Neighbours()
    process = there.orphan(3000)
    (row,) = rows(there.holdings(managed=False))
    assert row == {
        "port": 3000,
        "families": ["IPv4", "IPv6"],
        "addresses": ["127.0.0.1", "::1"],
        "pid": process.pid,
        "command": "node api.js",
        "cwd": "/srv/shop",
        "age_s": 2.0,
        "whose": "orphan",
        "app": "api",
        "since": "2026-11-23T09:16:40.000Z",
    }


def test_the_runs_of_a_manager_are_those_of_its_apps_with_their_trees(tmp_path: Path) -> None:
    village = Village(tmp_path, '[apps.web]\ncommand = "npm run dev"\n[apps.api]\ncommand = "node api"\n')
    village.machine.programs["npm run dev"] = npm(Program())
    village.up("web")
    village.advance(1)
    (run,) = village.engine.runs()
    assert run == Current("web", f"{project_mark(village.home)}web:1", run.pids)
    assert len(run.pids) == 3
    village.engine.shutdown()
    village.until(lambda: village.ended)
    assert village.engine.runs() == ()


def test_the_manager_was_last_heard_of_when_it_last_wrote_a_record(tmp_path: Path) -> None:
    assert last_sign(tmp_path) is None
    (tmp_path / "run").mkdir()
    for name, at in (("manager.log", 100), ("run/web.json", 300), ("lock", 200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert last_sign(tmp_path) == 300


def test_a_tree_is_an_orphans_only_by_its_marker() -> None:
    there = Neighbours()
    stranger = there.machine.start(
        Program(children=(Child(server(port=7000)),)), "sh", environment={MARKER: ""}
    )
    found = there.holdings()
    assert [each.whose for each in found] == [Whose.STRANGER]
    assert found[0].occupant is not None
    assert found[0].occupant.member.parent == stranger.pid
