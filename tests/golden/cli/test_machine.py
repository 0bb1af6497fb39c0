"""What `ports`, `free` and `doctor` print and how they exit, word for word, on a simulated machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from procman.cli import doctor, free, machine
from procman.cli.entry import main
from procman.control.local import Finding, Freed, Grade, Holding, Unreadable
from procman.core.config import AppConfig
from procman.engine.freeing import Freeing, targets
from procman.engine.ports import tell_apart
from tests.fakes.folder import EXAMPLE
from tests.fakes.neighbours import THEIRS, Neighbours, listening
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "machine"
FINDINGS = [
    Finding("python", Grade.OK, "Python 3.12.1 at `/opt/procman/bin/python`"),
    Finding("inotify watches", Grade.WARN, "190,000 of 192,493 are in use", "`sudo sysctl …`"),
    Finding("web", Grade.OK, "`npm` is `/usr/bin/npm`; node 20.11.0, npm 10.2.4"),
    Finding(
        "web", Grade.FAIL, "port 5173 is held by pid 4711 (`node \x1b[2Jserver.js`)", "`procman free 5173`"
    ),
]


@dataclass(frozen=True)
class Case:
    """A command, and whether its project has a manager and the machine something to fear."""

    name: str
    words: str
    managed: bool = True
    dreads: bool = False  # processes ignore every signal
    project: bool = True


CASES = [
    Case("ports", "ports"),
    Case("ports-json", "ports --json"),
    Case("ports-without-manager", "ports", managed=False),
    Case("ports-without-project", "ports", project=False),
    Case("free-nobody", "free 1"),
    Case("free-nobody-json", "free 1 --json"),
    Case("free-orphan", "free 3000"),
    Case("free-orphan-json", "free 3000 --json"),
    Case("free-orphan-survived", "free 3000", dreads=True),
    Case("free-running", "free 5173 --yes"),
    Case("free-running-without-manager", "free 5173", managed=False),
    Case("free-stranger", "free 8000"),
    Case("free-stranger-json", "free 8000 --json"),
    Case("free-stranger-yes", "free 8000 --yes"),
    Case("free-another-project", "free 8080"),
    Case("free-unseen", "free 80 --yes"),
    Case("free-no-port", "free web"),
    Case("free-wrong-port", "free 99999"),
    Case("doctor", "doctor"),
    Case("doctor-json", "doctor --json"),
]


class Simulation:
    """What a command finds on the machine, and does to it."""

    def __init__(self, case: Case) -> None:
        self.there = Neighbours()
        self.there.orphan(3000)
        _leader, self.current = self.there.app()
        self.there.start(listening(8000), "python3 -m http.server")
        self.there.start(listening(8080), "node server.js", f"{THEIRS}shop:2")
        hidden = self.there.start(listening(80), "nginx")
        self.there.machine.hidden.add(hidden.pid)
        self.there.host.advance(7200)
        self.case = case
        if case.dreads:
            self.there.machine.signal = lambda *_: None  # type: ignore[method-assign]

    def find(self, home: str | None) -> tuple[Holding, ...]:
        """Stand for `find_holdings`."""
        assert (home is not None) == self.case.project
        if home is None:
            return tell_apart(self.there.host, self.there.look(None), None, None)
        return tuple(self.there.holdings(self.current, managed=self.case.managed))

    def end(self, port: int, holdings: Sequence[Holding], apps: Mapping[str, AppConfig]) -> Freed:
        """Stand for `end_holders`."""
        done: list[Freed] = []
        Freeing(self.there.host, port, targets(holdings, apps), done.append).begin()
        while not done:
            self.there.host.advance(0.001)
        return done[0]


@pytest.fixture
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _utc: None) -> Callable[[Case], Simulation]:
    """Put a simulated machine in the place of this one."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    def simulate(case: Case) -> Simulation:
        if case.project:
            (tmp_path / "portwatch.toml").write_text(EXAMPLE)
        simulation = Simulation(case)
        monkeypatch.setattr(machine, "find_holdings", simulation.find)
        monkeypatch.setattr(free, "end_holders", simulation.end)
        monkeypatch.setattr(doctor, "examine_here", lambda _file, _home: FINDINGS)
        return simulation

    return simulate


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_command_prints_and_exits_as_it_did(
    case: Case, simulate: Callable[[Case], Simulation], capsys: pytest.CaptureFixture[str]
) -> None:
    simulate(case)
    code = main(case.words.split())
    out, err = capsys.readouterr()
    found = f"$ procman {case.words}\nexit {code}\n--- stdout\n{out}--- stderr\n{err}"
    compare(SNAPSHOTS / f"{case.name}.txt", found)


def test_every_snapshot_belongs_to_a_case() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {case.name for case in CASES}


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1), ("", 130)])
def test_in_a_terminal_a_stranger_is_ended_only_if_its_user_says_so(
    typed: str,
    code: int,
    simulate: Callable[[Case], Simulation],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulation = simulate(Case("", ""))
    lines: Iterator[str] = iter([typed] if typed else [])

    class Typing:
        """A terminal whose user types this, and then closes it."""

        def isatty(self) -> bool:
            return True

        def readline(self, *_: Any) -> str:
            return next(lines, "")

    monkeypatch.setattr("sys.stdin", Typing())
    monkeypatch.setattr("builtins.input", lambda *_: _typed(lines))
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: _typed(lines))
    assert main(["free", "8000"]) == code
    out, err = capsys.readouterr()
    assert ("stopped what held port 8000" in out) == (code == 0)
    alive = any(each.command.startswith("python3") for each in simulation.there.machine.processes.values())
    assert alive == (code != 0)
    assert ("nothing was ended" in err) == (code == 1)


def _typed(lines: Iterator[str]) -> str:
    try:
        return next(lines).rstrip("\n")
    except StopIteration:
        raise EOFError from None


def test_a_system_that_does_not_tell_who_listens_is_said_to(
    simulate: Callable[[Case], Simulation],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulate(Case("", ""))

    def refuse(_home: str | None) -> tuple[Holding, ...]:
        raise Unreadable

    monkeypatch.setattr(machine, "find_holdings", refuse)
    assert main(["ports"]) == 1
    assert capsys.readouterr().err == "error: this system does not tell who listens on its ports\n"


def test_a_port_that_is_taken_again_at_once_is_not_free(
    simulate: Callable[[Case], Simulation], capsys: pytest.CaptureFixture[str]
) -> None:
    simulation = simulate(Case("", ""))
    orphan = next(s for s in simulation.there.machine.sockets if s.listener.port == 3000)
    simulation.there.start(listening(3000), "thief")  # both addresses are taken: it waits for nothing
    thief = simulation.there.start(
        type(orphan.owner.program)(listens=(type(orphan.spec)(3000, address="192.0.2.1"),)), "thief"
    )
    find = simulation.find

    def find_before_the_thief(home: str | None) -> tuple[Holding, ...]:
        holdings = find(home)
        return tuple(each for each in holdings if each.occupant and each.occupant.pid != thief.pid)

    machine.find_holdings = find_before_the_thief  # undone by `simulate`'s monkeypatch
    assert main(["free", "3000"]) == 5
    out, err = capsys.readouterr()
    assert f"; port 3000 is held by pid {thief.pid} (`thief`)" in out
    assert err.startswith(f"error: port 3000 is held by pid {thief.pid} (`thief`)")
