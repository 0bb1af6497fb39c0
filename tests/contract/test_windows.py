"""What is different on Windows, on a simulated one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from procman.core.identity import MARKER
from procman.host.base import Ended, Order, Rights, Run, SpawnError, Stage
from procman.host.posix.fifo import waiting
from procman.host.windows import win32
from tests.fakes.machine import Machine
from tests.fakes.programs import Child, Program, Way, npm, server
from tests.fakes.windows import FOLDER, FakeWindows, Kernel


class Desk:
    """A simulated machine with a manager, and what it has heard of ends."""

    def __init__(self) -> None:
        self.machine = Machine()
        self.kernel = Kernel(self.machine)
        self.manager = FakeWindows(self.kernel, waiting)
        self.ends: list[Ended] = []

    def order(self, program: Program, marker: str = "m:web:1") -> Order:
        self.machine.programs["app"] = program
        return Order(("app",), False, "/", {MARKER: marker, "PATH": FOLDER}, -3, -3, -3)

    def start(self, program: Program, marker: str = "m:web:1") -> Run:
        leader = self.manager.host.spawn(self.order(program, marker), self.ends.append)
        self.machine.advance(0.1)
        return Run(leader, marker)

    def succeed(self) -> None:
        """Kill the manager, and begin another one."""
        self.manager.die()
        self.manager = FakeWindows(self.kernel, waiting)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A machine; at the end every handle was given back, but for those of what lives."""
    made = Desk()
    yield made
    made.manager.host.close()
    assert not made.manager.calls.open


FAMILY = Program(children=tuple(Child(Program(), way=way) for way in Way))


def test_ctrl_break_reaches_the_console_of_a_run_and_not_who_has_left_it(desk: Desk) -> None:
    run = desk.start(FAMILY)
    other = desk.start(Program(), "m:api:1")
    members = desk.manager.host.tree(run)
    assert len(members) == 4
    reached = desk.manager.host.signal(members, "SIGTERM")
    assert len(reached) == 2
    desk.machine.advance(0.1)
    left = {member.pid for member in members} - {member.pid for member in reached}
    assert {member.pid for member in desk.manager.host.tree(run)} == left
    assert len(desk.manager.host.tree(other)) == 1
    assert desk.ends == [Ended(None, "SIGTERM")]


def test_the_rest_of_a_run_is_asked_in_its_group_when_its_leader_is_gone(desk: Desk) -> None:
    run = desk.start(Program(children=(Child(Program()),), exits_after=0.2, code=3))
    desk.manager.host.tree(run)
    desk.machine.advance(0.3)
    (rest,) = desk.manager.host.tree(run)
    assert desk.manager.host.signal((rest,), "SIGTERM") == (rest,)
    desk.machine.advance(0.1)
    assert desk.manager.host.tree(run) == ()
    assert desk.ends == [Ended(3, None)]


@pytest.mark.parametrize("name", ["SIGSTOP", "SIGUSR1", "SIGWINCH"])
def test_a_signal_that_asks_for_no_end_reaches_nobody(desk: Desk, name: str) -> None:
    run = desk.start(Program())
    assert desk.manager.host.signal(desk.manager.host.tree(run), name) == ()
    desk.machine.advance(0.1)
    assert desk.ends == []


def test_a_job_is_ended_at_one_blow_wherever_its_processes_are(desk: Desk) -> None:
    run = desk.start(FAMILY)
    other = desk.start(Program(), "m:api:1")
    assert len(desk.manager.host.kill(run)) == 4
    desk.machine.advance(0.1)
    assert desk.manager.host.tree(run) == ()
    assert desk.ends == [Ended(None, "SIGKILL")]
    assert len(desk.manager.host.tree(other)) == 1
    assert desk.manager.host.kill(run) == ()


def test_the_next_manager_opens_the_job_by_its_name_and_learns_the_exit_code(desk: Desk) -> None:
    run = desk.start(Program(children=(Child(Program(), way=Way.ORPHAN),), exits_after=1.0, code=7))
    desk.succeed()
    # What carries no marker can only be found in the job.
    for process in desk.machine.processes.values():
        process.environment.pop(MARKER, None)
    assert len(desk.manager.host.tree(run)) == 2
    assert desk.manager.host.adopt(run, desk.ends.append)
    desk.machine.advance(1.0)
    assert desk.ends == [Ended(7, None)]
    assert len(desk.manager.host.tree(run)) == 1, "our handle keeps the name now"


def test_a_run_whose_job_has_lost_its_name_is_found_by_its_marker(desk: Desk) -> None:
    run = desk.start(Program(children=(Child(Program(), way=Way.ORPHAN),), exits_after=0.5))
    desk.manager.die()
    desk.machine.advance(0.5)  # the leader was the last one with a handle
    desk.manager = FakeWindows(desk.kernel, waiting)
    assert desk.manager.calls.open_job("Local\\procman") is None
    (left,) = desk.manager.host.tree(run)
    assert left.pid != run.leader.pid
    assert desk.manager.host.signal((left,), "SIGKILL") == (left,)
    desk.machine.advance(0.1)
    assert desk.manager.host.tree(run) == ()


def test_a_child_of_a_process_that_only_has_the_number_of_a_dead_parent_is_no_descendant(desk: Desk) -> None:
    # A run by its marker alone, so that the list has to tell: the child keeps its dead parent's number.
    run = desk.start(Program(exits_after=0.3, children=(Child(Program(), after=0.05),)))
    desk.manager.die()
    desk.machine.advance(0.3)
    daemon = next(each for each in desk.machine.processes.values() if each.environment.get(MARKER))
    daemon.environment.clear()
    desk.machine.start(Program(), "stranger", pid=run.leader.pid, environment={MARKER: run.marker})
    desk.manager = FakeWindows(desk.kernel, waiting)
    assert [member.name for member in desk.manager.host.tree(run)] == ["stranger"]


def test_a_process_of_a_recycled_number_is_not_signalled(desk: Desk) -> None:
    run = desk.start(Program(exits_after=0.3))
    members = desk.manager.host.tree(run)
    desk.machine.advance(0.5)
    stranger = desk.machine.start(Program(), "stranger", pid=run.leader.pid)
    assert desk.manager.host.signal(members, "SIGKILL") == ()
    assert desk.manager.host.signal(members, "SIGTERM") == ()
    assert not desk.manager.host.adopt(run, desk.ends.append)
    desk.machine.advance(0.1)
    assert stranger.end is None


def test_a_timer_waits_for_as_long_as_the_machine_has_slept(desk: Desk) -> None:
    told: list[float] = []
    host = desk.manager.host
    before = host.now()
    host.call_at(before + 10.0, lambda: told.append(host.now()))
    desk.machine.advance(5.0)
    desk.machine.suspended += 100.0
    assert host.suspended() == 100.0
    desk.machine.advance(0.0)
    assert told == []
    desk.machine.advance(200.0)
    assert len(told) == 1
    assert told[0] - before >= 10.0 - 0.002


@pytest.mark.parametrize(
    ("changed", "stage", "said"),
    [
        ({"rights": Rights(user="www")}, Stage.RIGHTS, "not there on Windows"),
        ({"rights": Rights(nice=5)}, Stage.RIGHTS, "not there on Windows"),
        ({"terminal": True}, Stage.TERMINAL, "`tty` is not there on Windows"),
        ({"cwd": "C:\\gone"}, Stage.CWD, "`C:\\gone`"),
        ({"arguments": ("nothing",)}, Stage.EXECUTE, "`nothing`"),
        ({"arguments": ("app", "a\0b")}, Stage.EXECUTE, "NUL"),
    ],
)
def test_what_can_not_be_started_says_why(
    desk: Desk, changed: dict[str, object], stage: Stage, said: str
) -> None:
    desk.machine.missing.add("C:\\gone")
    with pytest.raises(SpawnError) as raised:
        desk.manager.host.spawn(replace(desk.order(Program()), **changed), desk.ends.append)
    assert raised.value.stage is stage
    assert said in str(raised.value)
    assert not desk.manager.calls.open


def test_running_out_of_handles_is_told_as_pipes(desk: Desk) -> None:
    desk.machine.files_left = False
    with pytest.raises(SpawnError) as raised:
        desk.start(Program())
    assert raised.value.stage is Stage.PIPES


def test_a_crash_keeps_its_code_and_ctrl_c_in_the_console_is_told_as_such(desk: Desk) -> None:
    desk.start(Program(exits_after=0.05, code=0xC0000005))
    assert desk.ends == [Ended(0xC0000005, None)]
    run = desk.start(Program(), "m:api:1")
    handle = desk.manager.calls.open_process(run.leader.pid)
    assert handle is not None
    desk.manager.calls.terminate(handle, win32.CONTROL_C_EXIT)
    desk.manager.calls.close(handle)
    desk.machine.advance(0.1)
    assert desk.ends[1:] == [Ended(None, "SIGINT")]


def test_who_exits_with_1_by_itself_was_not_killed(desk: Desk) -> None:
    run = desk.start(replace(npm(Program(exits_after=0.5, code=1))))
    inner = max(desk.manager.host.tree(run), key=lambda member: member.born)
    desk.manager.host.signal((inner,), "SIGKILL")
    desk.machine.advance(0.5)
    assert desk.ends == [Ended(1, None)]


def test_a_hidden_process_makes_its_ports_unknown_and_is_no_stranger(desk: Desk) -> None:
    run = desk.start(server(port=4000))
    members = desk.manager.host.tree(run)
    assert desk.manager.host.sockets_of(members)
    desk.machine.hidden.add(run.leader.pid)
    assert desk.manager.host.sockets_of(members) is None
    assert not desk.manager.host.is_stranger(run)
