"""Who listens where, who holds it, and the notice of a close."""

from __future__ import annotations

import pytest

from procman.core.config import CheckKind
from procman.core.verdict import Listener, Verdict, judge
from tests.contract.conftest import Stage, on_each
from tests.fakes.programs import Child, Listen, Program, Taken, Way, npm, server

stage = on_each("real", "fake", "listed", "windows")


def on(stage: Stage, port: int) -> list[Listener]:
    """Return the listeners on a port."""
    listeners = stage.host.listeners()
    assert listeners is not None
    return [each for each in listeners if each.port == port]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_a_listener_is_listed_with_its_address_and_held_by_its_tree(stage: Stage, address: str) -> None:
    port = stage.world.free_port()
    started = stage.start(npm(Program(listens=(Listen(port, address=address),))))
    stage.listening(port)
    (listener,) = on(stage, port)
    assert (listener.address, listener.queue) == (address, 0)
    held = stage.host.sockets_of(stage.host.tree(started.run))
    assert held is not None
    assert listener.inode in held
    holder = stage.host.holder(listener)
    assert holder is not None
    assert holder.pid in stage.pids(started)
    assert holder.cwd == "/"
    assert 0.0 <= stage.host.wall() - holder.since < 10.0


def test_a_strangers_listener_is_held_by_no_tree(stage: Stage) -> None:
    port = stage.world.free_port()
    started = stage.start(Program())
    stage.world.stranger(server(port=port), port)
    stage.listening(port)
    held = stage.host.sockets_of(stage.host.tree(started.run))
    assert held is not None
    verdict = judge(stage.host.listeners(), held, port, stage.host.addresses("localhost"))
    assert verdict.verdict is Verdict.STRANGER


def test_every_process_that_holds_a_listener_is_told_with_its_marker(stage: Stage) -> None:
    port, other = stage.world.free_port(), stage.world.free_port()
    started = stage.start(npm(server(port=port)))
    stage.world.stranger(server(port=other), other)
    stage.listening(port)
    stage.listening(other)
    ours, theirs = stage.host.occupants(on(stage, port)), stage.host.occupants(on(stage, other))
    assert {each.pid for each in ours} <= stage.pids(started)
    assert {each.marker for each in ours} == {started.run.marker}
    assert {each.cwd for each in ours} == {"/"}
    assert {inode for each in ours for inode in each.inodes} == {each.inode for each in on(stage, port)}
    assert [each.marker for each in theirs] == [None]
    both = stage.host.occupants([*on(stage, port), *on(stage, other)])
    assert {each.member.identity for each in both} == {each.member.identity for each in (*ours, *theirs)}
    assert stage.host.occupants([]) == ()


def test_nobody_holds_a_listener_that_is_gone(stage: Stage) -> None:
    gone = Listener("127.0.0.1", 1, 0, 0)
    assert stage.host.holder(gone) is None
    assert stage.host.occupants([gone]) == ()


def test_a_dead_process_holds_no_sockets(stage: Stage) -> None:
    started = stage.start(Program(exits_after=0.2))
    members = stage.host.tree(started.run)
    stage.until(lambda: started.ends)
    assert stage.host.sockets_of(members) == frozenset()


def test_the_port_of_an_escaped_child_is_its_trees(stage: Stage) -> None:
    port = stage.world.free_port()
    child = Child(server(port=port), way=Way.ORPHAN)
    started = stage.start(Program(children=(child,), exits_after=0.2))
    stage.until(lambda: started.ends)
    stage.listening(port)
    held = stage.host.sockets_of(stage.host.tree(started.run))
    assert {each.inode for each in on(stage, port)} <= (held or set())


def test_a_server_whose_port_is_taken_does_as_it_is_told(stage: Stage) -> None:
    port = stage.world.free_port()
    first = stage.start(server(port=port))
    stage.listening(port)
    exits = stage.start(server(port=port))
    moves = stage.start(server(port=port, taken=Taken.NEXT))
    stays = stage.start(server(port=port, taken=Taken.STAY))
    stage.until(lambda: exits.ends)
    assert exits.ends[0].code == 1
    stage.until(lambda: stage.host.sockets_of(stage.host.tree(moves.run)))
    stage.world.pass_time(0.1)
    assert stage.host.sockets_of(stage.host.tree(stays.run)) == frozenset()
    assert len(on(stage, port)) == 1
    assert first.ends == []


def test_a_closed_listener_is_announced_while_its_process_lives(telling: Stage) -> None:
    port = telling.world.free_port()
    started = telling.start(Program(listens=(Listen(port, until=0.3),)))
    telling.listening(port)
    closed: list[int] = []
    watching = telling.host.watch_closed(closed.append)
    assert watching is not None
    telling.until(lambda: port in closed)
    assert on(telling, port) == []
    assert started.ends == []
    watching.cancel()


def test_the_listener_of_a_killed_process_is_announced(telling: Stage) -> None:
    port = telling.world.free_port()
    started = telling.start(Program(listens=(Listen(port, address="::1"),)))
    telling.listening(port)
    closed: list[int] = []
    watching = telling.host.watch_closed(closed.append)
    assert watching is not None
    telling.host.signal(telling.host.tree(started.run), "SIGKILL")
    telling.until(lambda: port in closed)
    watching.cancel()


def test_a_close_is_not_announced_once_cancelled(telling: Stage) -> None:
    port = telling.world.free_port()
    started = telling.start(server(port=port))
    telling.listening(port)
    closed: list[int] = []
    watching = telling.host.watch_closed(closed.append)
    assert watching is not None
    watching.cancel()
    watching.cancel()
    telling.host.signal(telling.host.tree(started.run), "SIGKILL")
    telling.until(lambda: started.ends)
    telling.world.pass_time(0.05)
    assert port not in closed


def test_the_accept_queue_of_a_stopped_server_grows(telling: Stage) -> None:
    port = telling.world.free_port()
    started = telling.start(server(port=port))
    telling.listening(port)
    telling.host.signal(telling.host.tree(started.run), "SIGSTOP")
    telling.until(lambda: [member.state for member in telling.host.tree(started.run)] == ["T"])
    for _ in range(3):
        telling.probe(CheckKind.TCP, port)
    assert [each.queue for each in on(telling, port)] == [3]
    telling.host.signal(telling.host.tree(started.run), "SIGCONT")
    telling.until(lambda: [each.queue for each in on(telling, port)] == [0])
