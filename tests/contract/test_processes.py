"""Making processes, and how they end."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from procman.host.base import Ended, Order, SpawnError, Stage
from tests.contract.conftest import Stage as World
from tests.contract.conftest import on_each
from tests.fakes.programs import Child, Program, Way, npm, server

stage = on_each("real", "fake", "listed", "windows")
posix = on_each("real", "fake", "listed")


def test_the_exit_code_is_told_once_and_not_from_inside_the_call(stage: World) -> None:
    started = stage.start(Program(exits_after=0.0, code=3))
    assert started.ends == []
    stage.until(lambda: started.ends)
    stage.world.pass_time(0.05)
    assert started.ends == [Ended(3, None)]


def test_a_death_by_signal_is_told_by_the_signals_name(stage: World) -> None:
    started = stage.start(Program())
    reached = stage.host.signal(stage.host.tree(started.run), "SIGKILL")
    assert [member.identity for member in reached] == [started.run.leader]
    stage.until(lambda: started.ends)
    assert started.ends == [Ended(None, "SIGKILL")]


def test_a_command_that_does_not_exist_names_the_stage_and_the_errno(stage: World) -> None:
    order = Order(("no-such-command-4711",), False, "/", {"PATH": "/bin"}, -3, -3, -3)
    with pytest.raises(SpawnError) as raised:
        stage.host.spawn(order, lambda ended: None)
    assert (raised.value.stage, raised.value.errno, raised.value.subject) == (
        Stage.EXECUTE,
        2,
        "no-such-command-4711",
    )
    assert str(raised.value) == (
        "could not execute its command: `no-such-command-4711`: No such file or directory"
    )


def test_a_living_process_is_its_own_tree_with_a_birth_in_the_hosts_time(stage: World) -> None:
    before = stage.host.now()
    started = stage.start(Program())
    (leader,) = stage.host.tree(started.run)
    assert leader.identity == started.run.leader
    assert leader.state != "Z"
    assert before - 0.02 <= leader.born <= stage.host.now()


def test_two_looks_at_an_unchanged_tree_agree(stage: World) -> None:
    started = stage.start(npm(Program()))
    stage.grown(started, 3)
    first = {(member.identity, member.parent, member.born) for member in stage.host.tree(started.run)}
    assert first == {(member.identity, member.parent, member.born) for member in stage.host.tree(started.run)}


@pytest.mark.parametrize("way", Way)
def test_a_child_is_in_the_tree_however_it_left(stage: World, way: Way) -> None:
    started = stage.start(Program(children=(Child(Program(), way=way),)))
    stage.grown(started, 2)
    assert started.run.leader.pid in stage.pids(started)


@pytest.mark.parametrize("way", Way)
def test_a_child_stays_in_the_tree_when_the_leader_is_dead(stage: World, way: Way) -> None:
    started = stage.start(Program(children=(Child(Program(), way=way),), exits_after=0.3))
    stage.until(lambda: started.ends)
    (left,) = stage.host.tree(started.run)
    assert left.pid != started.run.leader.pid
    stage.host.signal((left,), "SIGKILL")
    stage.until(lambda: stage.host.tree(started.run) == ())


def test_a_daemon_below_a_daemon_is_in_the_tree(stage: World) -> None:
    inner = Program(children=(Child(Program(), way=Way.ORPHAN),), exits_after=0.3)
    started = stage.start(Program(children=(Child(inner, way=Way.ORPHAN),), exits_after=0.2))
    stage.until(lambda: started.ends)
    stage.until(lambda: len(stage.host.tree(started.run)) == 1)
    stage.world.pass_time(0.3)
    assert len(stage.host.tree(started.run)) == 1


def test_the_trees_of_two_runs_do_not_mix(stage: World) -> None:
    daemon = Program(children=(Child(Program(), way=Way.ORPHAN),), exits_after=0.3)
    first, second = stage.start(daemon), stage.start(daemon)
    stage.until(lambda: first.ends and second.ends)
    stage.grown(first, 1)
    stage.grown(second, 1)
    assert stage.pids(first).isdisjoint(stage.pids(second))


def test_a_strangers_process_is_in_no_tree(stage: World) -> None:
    port = stage.world.free_port()
    stage.world.stranger(Program(), port)
    started = stage.start(Program())
    stage.world.pass_time(0.05)
    assert stage.pids(started) == {started.run.leader.pid}


def test_a_tree_is_empty_once_all_have_ended(stage: World) -> None:
    started = stage.start(npm(Program()))
    stage.grown(started, 3)
    stage.host.signal(stage.host.tree(started.run), "SIGTERM")
    stage.until(lambda: started.ends)
    stage.until(lambda: stage.host.tree(started.run) == ())


def test_npm_ends_with_128_and_the_signal_that_killed_its_server(posix: World) -> None:
    started = posix.start(npm(Program()))
    posix.grown(started, 3)
    inner = max(posix.host.tree(started.run), key=lambda member: member.identity.started)
    posix.host.signal((inner,), "SIGKILL")
    posix.until(lambda: started.ends)
    assert started.ends == [Ended(137, None)]


def test_a_signal_reaches_only_the_process_that_was_meant(stage: World) -> None:
    started = stage.start(Program())
    (leader,) = stage.host.tree(started.run)
    for other in (
        leader.identity._replace(started=leader.identity.started + 1),
        leader.identity._replace(boot="another boot"),
    ):
        assert stage.host.signal((leader._replace(identity=other),), "SIGKILL") == ()
    stage.world.pass_time(0.05)
    assert started.ends == []
    assert stage.pids(started) == {leader.pid}


def test_a_signal_to_a_dead_process_reaches_nobody(stage: World) -> None:
    started = stage.start(Program(exits_after=0.2))
    members = stage.host.tree(started.run)
    stage.until(lambda: started.ends)
    assert stage.host.signal(members, "SIGTERM") == ()


def test_who_ignores_a_signal_is_reached_and_lives_on(stage: World) -> None:
    port = stage.world.free_port()
    started = stage.start(replace(server(port=port), ignores=frozenset({"SIGTERM"})), port=port)
    stage.listening(port)
    (leader,) = stage.host.signal(stage.host.tree(started.run), "SIGTERM")
    stage.world.pass_time(0.05)
    assert stage.pids(started) == {leader.pid}


def test_who_handles_a_signal_ends_in_its_own_time(stage: World) -> None:
    port = stage.world.free_port()
    started = stage.start(replace(server(port=port), drains={"SIGTERM": 0.2}), port=port)
    stage.listening(port)
    asked = stage.host.now()
    stage.host.signal(stage.host.tree(started.run), "SIGTERM")
    stage.until(lambda: started.ends)
    assert started.ends == [Ended(0, None)]
    assert stage.host.now() - asked >= 0.2


def test_a_stopped_process_sees_the_signal(posix: World) -> None:
    started = posix.start(Program())
    posix.host.signal(posix.host.tree(started.run), "SIGSTOP")
    posix.until(lambda: [member.state for member in posix.host.tree(started.run)] == ["T"])
    posix.host.signal(posix.host.tree(started.run), "SIGTERM")
    posix.until(lambda: started.ends)
    assert started.ends == [Ended(None, "SIGTERM")]


def test_the_first_end_of_several_is_told_once(stage: World) -> None:
    started = [stage.start(Program()) for _ in range(3)]
    members = [member for each in started for member in stage.host.tree(each.run)]
    told: list[float] = []
    stage.host.when_one_ends(members, lambda: told.append(stage.host.now()))
    stage.host.signal(stage.host.tree(started[1].run), "SIGKILL")
    stage.until(lambda: told)
    stage.until(lambda: started[1].ends)
    assert [bool(each.ends) for each in started] == [False, True, False]
    stage.host.signal(members, "SIGKILL")
    stage.until(lambda: all(each.ends for each in started))
    assert len(told) == 1


def test_an_end_that_was_before_the_call_is_told_after_it(stage: World) -> None:
    started = stage.start(Program())
    members = stage.host.tree(started.run)
    stage.host.signal(members, "SIGKILL")
    stage.until(lambda: started.ends)
    told: list[bool] = []
    stage.host.when_one_ends(members, lambda: told.append(True))
    assert told == []
    stage.until(lambda: told)


def test_an_end_is_not_told_once_cancelled(stage: World) -> None:
    started = stage.start(Program())
    members = stage.host.tree(started.run)
    told: list[bool] = []
    waiting = stage.host.when_one_ends(members, lambda: told.append(True))
    waiting.cancel()
    waiting.cancel()
    stage.host.signal(members, "SIGKILL")
    stage.until(lambda: started.ends)
    stage.world.pass_time(0.05)
    assert told == []


def test_what_is_written_can_be_read(stage: World) -> None:
    reading, writing = os.pipe()
    started = stage.start(
        Program(writes=((0.0, b"one\n"), (0.05, b"two\n")), exits_after=0.1), output=writing
    )
    os.close(writing)
    got = bytearray()
    watching = stage.host.when_readable(reading, lambda: got.extend(os.read(reading, 100)))
    stage.until(lambda: started.ends and got == b"one\ntwo\n")
    watching.cancel()
    watching.cancel()
    os.close(reading)
