"""Checks: what each kind answers, and that it answers once."""

from __future__ import annotations

import pytest

from procman.core.config import CheckKind
from procman.host.base import Answer, Health
from tests.contract.conftest import Stage, on_each
from tests.fakes.programs import Listen, Program, server

stage = on_each("real", "fake", "tasks")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
@pytest.mark.parametrize("kind", [CheckKind.TCP, CheckKind.HTTP])
def test_localhost_is_up_when_either_loopback_answers(stage: Stage, kind: CheckKind, address: str) -> None:
    port = stage.world.free_port()
    stage.start(Program(listens=(Listen(port, address=address),)))
    stage.listening(port)
    answer = stage.probe(kind, port)
    assert answer.health is Health.PASSED
    where = f"[::1]:{port}" if address == "::1" else f"127.0.0.1:{port}"
    if address in ("127.0.0.1", "::1"):
        assert where in answer.detail
    assert 0.0 < answer.took_s < 2.0


@pytest.mark.parametrize("kind", [CheckKind.TCP, CheckKind.HTTP, CheckKind.LOG])
def test_a_port_that_nobody_listens_on_is_refused_at_each_address(stage: Stage, kind: CheckKind) -> None:
    port = stage.world.free_port()
    answer = stage.probe(kind, port)
    assert (answer.health, answer.detail) == (
        Health.REFUSED,
        f"127.0.0.1:{port} refused, [::1]:{port} refused",
    )


@pytest.mark.parametrize(
    ("status", "ranges", "health"),
    [
        (200, ((200, 399),), Health.PASSED),
        (399, ((200, 399),), Health.PASSED),
        (302, ((200, 399),), Health.PASSED),
        (400, ((200, 399),), Health.FAILED),
        (500, ((200, 399),), Health.FAILED),
        (204, ((200, 200), (204, 204)), Health.PASSED),
        (401, ((200, 399), (401, 401)), Health.PASSED),
    ],
)
def test_an_http_status_passes_inside_its_ranges(
    stage: Stage, status: int, ranges: tuple[tuple[int, int], ...], health: Health
) -> None:
    port = stage.world.free_port()
    stage.start(Program(listens=(Listen(port, status=status),)))
    stage.listening(port)
    answer = stage.probe(CheckKind.HTTP, port, path="/health", status=ranges)
    assert (answer.health, answer.detail) == (health, f"HTTP {status} from 127.0.0.1:{port}/health")


def test_each_address_is_told_with_what_it_answered(stage: Stage) -> None:
    port, closed = stage.world.free_port(), stage.world.free_port()
    stage.start(Program(listens=(Listen(port, status=500), Listen(port, address="::1", status=None))))
    stage.until(lambda: sum(each.port == port for each in stage.host.listeners() or ()) == 2)
    late = (f"[::1]:{port}", "timed out after 0.2s")
    answered = stage.probe(CheckKind.HTTP, port, timeout=0.2).answers
    assert answered == ((f"127.0.0.1:{port}", "HTTP 500"), late)
    assert stage.probe(CheckKind.HTTP, port, host="::1", timeout=0.2).answers == (late,)
    assert stage.probe(CheckKind.TCP, port, host="127.0.0.1").answers == ((f"127.0.0.1:{port}", "accepted"),)
    assert stage.probe(CheckKind.TCP, closed).answers == (
        (f"127.0.0.1:{closed}", "ECONNREFUSED"),
        (f"[::1]:{closed}", "ECONNREFUSED"),
    )


def test_the_address_that_passes_is_told_with_those_that_were_faster(stage: Stage) -> None:
    port = stage.world.free_port()
    stage.start(Program(listens=(Listen(port, address="::1"),)))
    stage.listening(port)
    assert stage.probe(CheckKind.HTTP, port).answers == (
        (f"127.0.0.1:{port}", "ECONNREFUSED"),
        (f"[::1]:{port}", "HTTP 200"),
    )


def test_a_server_that_accepts_and_says_nothing_is_timed_out(stage: Stage) -> None:
    port = stage.world.free_port()
    stage.start(Program(listens=(Listen(port, status=None),)))
    stage.listening(port)
    began = stage.host.now()
    answer = stage.probe(CheckKind.HTTP, port, timeout=0.2)
    assert (answer.health, answer.detail) == (
        Health.TIMED_OUT,
        f"no answer within 0.2s from 127.0.0.1:{port}",
    )
    assert 0.2 <= stage.host.now() - began < 1.0
    assert stage.probe(CheckKind.TCP, port).health is Health.PASSED


def test_one_address_that_passes_is_enough_when_the_other_hangs(stage: Stage) -> None:
    port = stage.world.free_port()
    stage.start(Program(listens=(Listen(port, status=None), Listen(port, address="::1", status=200))))
    stage.until(lambda: sum(each.port == port for each in stage.host.listeners() or ()) == 2)
    answer = stage.probe(CheckKind.HTTP, port)
    assert (answer.health, answer.detail) == (Health.PASSED, f"HTTP 200 from [::1]:{port}/")


def test_an_address_is_asked_alone(stage: Stage) -> None:
    port = stage.world.free_port()
    stage.start(server(port=port))
    stage.listening(port)
    assert stage.probe(CheckKind.TCP, port, host="127.0.0.1").health is Health.PASSED
    assert stage.probe(CheckKind.TCP, port, host="::1").health is Health.REFUSED


def test_a_stopped_server_still_accepts_but_does_not_answer(stage: Stage) -> None:
    port = stage.world.free_port()
    started = stage.start(server(port=port))
    stage.listening(port)
    stage.host.signal(stage.host.tree(started.run), "SIGSTOP")
    stage.until(lambda: [member.state for member in stage.host.tree(started.run)] == ["T"])
    assert stage.probe(CheckKind.TCP, port).health is Health.PASSED
    assert stage.probe(CheckKind.HTTP, port, timeout=0.1).health is Health.TIMED_OUT


@pytest.mark.parametrize(("code", "health"), [(0, Health.PASSED), (1, Health.FAILED), (7, Health.FAILED)])
def test_a_command_passes_with_code_0(stage: Stage, code: int, health: Health) -> None:
    command = stage.command(Program(exits_after=0.05, code=code))
    answer = stage.probe(CheckKind.EXEC, command=command)
    assert (answer.health, answer.detail) == (health, f"`{command.text}` exited with code {code}")


def test_a_command_that_does_not_end_is_timed_out(stage: Stage) -> None:
    command = stage.command(Program())
    answer = stage.probe(CheckKind.EXEC, command=command, timeout=0.2)
    assert (answer.health, answer.detail) == (
        Health.TIMED_OUT,
        f"`{command.text}` did not end within 0.2s",
    )


@pytest.mark.parametrize("kind", [CheckKind.TCP, CheckKind.HTTP, CheckKind.EXEC])
def test_a_cancelled_check_does_not_answer(stage: Stage, kind: CheckKind) -> None:
    port = stage.world.free_port()
    stage.start(server(port=port))
    stage.listening(port)
    command = stage.command(Program(exits_after=0.05))
    answers: list[Answer] = []
    checking = stage.host.probe(stage.probe_order(kind, port, command=command), answers.append)
    checking.cancel()
    checking.cancel()
    stage.world.pass_time(0.2)
    assert answers == []


def test_a_check_that_has_answered_can_be_cancelled(stage: Stage) -> None:
    answers: list[Answer] = []
    port = stage.world.free_port()
    checking = stage.host.probe(stage.probe_order(CheckKind.TCP, port), answers.append)
    stage.until(lambda: answers)
    checking.cancel()
    stage.world.pass_time(0.05)
    assert len(answers) == 1
