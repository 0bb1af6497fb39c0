"""What a process does and uses, and the connections that it has."""

from __future__ import annotations

import contextlib
import os
import socket
import sys

import pytest

from procman.core.config import CheckKind
from procman.core.identity import MARKER
from procman.host.base import Answer, Health, Order, Vitals
from tests.contract.conftest import Stage, Started, on_each
from tests.fakes.programs import Listen, Program, npm, server

stage = on_each("real", "fake", "listed", "windows")
posix = on_each("real", "fake", "listed")

MEGABYTE = 1_000_000


def vitals(stage: Stage, started: Started) -> tuple[Vitals, ...]:
    """Return the vitals of a run's tree."""
    return stage.host.vitals(stage.host.tree(started.run))


def vital(stage: Stage, started: Started) -> Vitals:
    """Return the vitals of a run of one process."""
    (only,) = vitals(stage, started)
    return only


def test_each_living_process_of_a_tree_is_told_with_its_parent(stage: Stage) -> None:
    started = stage.start(npm(Program()))
    stage.grown(started, 3)
    # In the midst of its exec a process has no words yet.
    stage.until(lambda: all(each.arguments for each in vitals(stage, started)))
    members = stage.host.tree(started.run)
    seen = stage.host.vitals(members)
    assert [(each.identity, each.parent, each.name) for each in seen] == [
        (member.identity, member.parent, member.name) for member in members
    ]
    for each in seen:
        assert each.arguments, "none has wiped them"
        assert each.threads == 1
        assert each.descriptors is not None
        assert each.descriptors >= 3
        assert 0.0 <= each.age_s < 60.0


def test_nobody_is_told_of_nobody(telling: Stage) -> None:
    assert telling.host.vitals(()) == ()
    assert telling.host.connections(()) == {}


def test_a_busy_process_uses_its_time_and_an_idle_one_does_not(stage: Stage) -> None:
    busy, idle = stage.start(Program(burns=True)), stage.start(Program())
    stage.until(lambda: vital(stage, busy).cpu_s > 0.2)
    before = vital(stage, idle)
    used = vital(stage, busy).cpu_s
    stage.until(lambda: vital(stage, busy).cpu_s > used + 0.1)
    after = vital(stage, idle)
    assert after.cpu_s - before.cpu_s < 0.05
    stage.until(lambda: vital(stage, idle).doing == "sleeping")
    assert vital(stage, busy).cpu_s <= vital(stage, busy).age_s + 0.1, "one thread, one processor"


def test_what_a_process_has_filled_is_in_its_memory(stage: Stage) -> None:
    lean, large = stage.start(Program()), stage.start(Program(memory=50 * MEGABYTE))
    stage.until(lambda: vital(stage, large).memory_bytes > 50 * MEGABYTE)
    assert vital(stage, large).memory_bytes < 100 * MEGABYTE
    stage.until(lambda: vital(stage, lean).memory_bytes > MEGABYTE)
    assert vital(stage, lean).memory_bytes < 40 * MEGABYTE


def test_a_stopped_process_is_told_as_stopped_and_its_time_stands_still(posix: Stage) -> None:
    started = posix.start(Program(burns=True))
    posix.until(lambda: vital(posix, started).cpu_s > 0.05)
    posix.host.signal(posix.host.tree(started.run), "SIGSTOP")
    posix.until(lambda: vital(posix, started).state == "T")
    assert vital(posix, started).doing == "stopped"
    used = vital(posix, started).cpu_s
    posix.world.pass_time(0.1)
    assert vital(posix, started).cpu_s == used
    posix.host.signal(posix.host.tree(started.run), "SIGCONT")
    posix.until(lambda: vital(posix, started).cpu_s > used)


def test_a_process_that_has_ended_is_left_out(stage: Stage) -> None:
    gone, lives = stage.start(Program(exits_after=0.1)), stage.start(Program())
    members = (*stage.host.tree(gone.run), *stage.host.tree(lives.run))
    stage.until(lambda: gone.ends)
    assert [each.identity for each in stage.host.vitals(members)] == [lives.run.leader]


def test_a_zombie_is_left_out(real: Stage) -> None:
    """Its parent has become another program, which reaps nobody."""
    marker = f"zombie.{os.getpid()}"
    environment = {"PATH": os.defpath, MARKER: marker}
    text = "sleep 1 & exec sleep 100"
    started = real.begin(Order((text,), True, "/", environment, -3, -3, -3), marker)
    real.until(lambda: [each.arguments[1:] for each in vitals(real, started)] == [("100",), ("1",)])
    members = real.host.tree(started.run)
    real.until(lambda: len(real.host.tree(started.run)) == 1)
    assert os.path.exists(f"/proc/{members[1].pid}"), "a zombie is still there"
    assert [each.pid for each in real.host.vitals(members)] == [members[0].pid]


def test_connections_that_a_program_keeps_are_counted_by_state(telling: Stage) -> None:
    port = telling.world.free_port()
    started = telling.start(Program(listens=(Listen(port, status=None),)))
    telling.listening(port)

    def connections() -> dict[str, int] | None:
        held = telling.host.sockets_of(telling.host.tree(started.run))
        assert held is not None
        found = telling.host.connections(held)
        return None if found is None else dict(found)

    assert connections() == {}
    answers: list[Answer] = []
    asked = telling.probe_order(CheckKind.HTTP, port, "127.0.0.1", timeout=0.5)
    telling.host.probe(asked, answers.append)
    telling.until(lambda: connections() == {"established": 1})
    telling.until(lambda: answers)
    assert answers[0].health is Health.TIMED_OUT
    telling.until(lambda: connections() == {"close wait": 1})
    telling.probe(CheckKind.HTTP, port, "127.0.0.1", timeout=0.1)
    telling.until(lambda: connections() == {"close wait": 2})
    telling.host.signal(telling.host.tree(started.run), "SIGKILL")
    telling.until(lambda: started.ends)
    assert connections() == {}


def test_the_connections_of_others_are_not_counted(telling: Stage) -> None:
    port = telling.world.free_port()
    started = telling.start(Program())
    telling.world.stranger(Program(listens=(Listen(port, status=None),)), port)
    telling.listening(port)
    telling.probe(CheckKind.HTTP, port, "127.0.0.1", timeout=0.1)
    held = telling.host.sockets_of(telling.host.tree(started.run))
    assert held is not None
    assert telling.host.connections(held) == {}


def test_connections_are_not_counted_where_that_takes_too_long(
    real: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = real.world.free_port()
    started = real.start(server(port=port))
    real.listening(port)
    held = real.host.sockets_of(real.host.tree(started.run))
    assert held is not None
    monkeypatch.setattr("procman.host.linux.ports.MOST_CONNECTIONS", 1)
    with contextlib.ExitStack() as open_ones:
        for _ in range(3):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", port)))
        assert real.host.connections(held) is None
        assert real.host.listeners() is not None, "the list of listeners is not disturbed by it"
    monkeypatch.undo()
    real.until(lambda: real.host.connections(held) is not None)


def test_memory_that_processes_share_counts_once(real: Stage) -> None:
    """Four processes that have the same 40 MB: in the sum of what each has they are there four times."""
    marker = f"shared.{os.getpid()}"
    code = (
        "import os, sys, time; kept = bytearray(b'x') * 40_000_000\n"
        "[os.fork() or time.sleep(1e6) for _ in range(3)]\n"
        "time.sleep(1e6)"
    )
    order = Order(
        (sys.executable, "-I", "-S", "-c", code), False, "/", {MARKER: marker, "PATH": "/bin"}, -3, -3, -3
    )
    started = real.begin(order, marker)
    real.grown(started, 4)

    def both() -> tuple[int, int]:
        members = real.host.tree(started.run)
        return sum(each.memory_bytes for each in real.host.vitals(members)), real.host.memory(members)

    real.until(lambda: both()[0] > 160_000_000)
    summed, shared = both()
    assert 40_000_000 < shared < 100_000_000
    assert shared < summed
