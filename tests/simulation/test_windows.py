"""The whole engine on a simulated Windows: its host, its jobs, and output by files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.config.read import read_config
from procman.engine import output as output_module
from procman.engine import renaming as renaming_module
from procman.engine.engine import Engine
from procman.host.windows import spool
from procman.logs import capture as capture_module
from procman.logs import store as store_module
from procman.logs.read import lines
from tests.fakes.programs import Child, Program, Way, npm, server
from tests.fakes.windows import FOLDER, FakeWindows, Kernel
from tests.simulation.village import Village

PROJECT = """\
[apps.api]
command = "node server.js"
port = 3000

[apps.web]
command = "npm run dev"
port = 5173
depends_on = ["api"]
"""


class WindowsVillage(Village):
    """A project on a simulated Windows."""

    def manage(self) -> None:
        self.ended = False
        if not hasattr(self, "kernel"):
            self.kernel = Kernel(self.machine)
        self.manager = FakeWindows(self.kernel, spool.waiting)
        self.host = self.manager.host  # type: ignore[assignment]  # as much of a simulated one as is needed
        config = read_config(str(self.file))
        environment = {"Path": FOLDER, "SystemRoot": "C:\\Windows"}
        keep = self.records.append
        self.engine = Engine(self.host, config, "", self.home, environment, self._on_empty, keep)
        self.engine.subscribe(self.notices.append)
        self.engine.begin()

    def kill_manager(self) -> None:
        self.manager.die()
        self.engine._circle.release()

    def printed(self, app: str) -> list[bytes]:
        return [line.text for line in lines(self.home / "logs", app)]


Found = Callable[..., WindowsVillage]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Found]:
    monkeypatch.setattr(capture_module, "fifo", spool)
    monkeypatch.setattr(store_module, "fifo", spool)
    monkeypatch.setattr(output_module, "fifo", spool)
    monkeypatch.setattr(renaming_module, "fifo", spool)
    villages: list[WindowsVillage] = []

    def make(text: str = PROJECT, **programs: Program) -> WindowsVillage:
        village = WindowsVillage(tmp_path, text)
        village.machine.programs.update(
            {"node server.js": server(after=0.3), "npm run dev": npm(server(after=0.5)), **programs}
        )
        villages.append(village)
        return village

    yield make
    for village in villages:
        village.end()
        assert not village.manager.calls.open, "every handle is given back"
    assert not spool._stored, "every file is closed"
    for reading in tuple(spool._writers):  # of spawns that failed
        os.close(spool._writers.pop(reading))


def test_apps_come_up_in_order_each_on_its_own_port_npm_through_its_batch_file(found: Found) -> None:
    village = found()
    village.up()
    village.until(village.is_up)
    assert (village.verdict("api"), village.verdict("web")) == ("own", "own")
    assert [command for _, command in village.machine.starts] == ["node server.js", "npm run dev"]
    assert len(village.pids("web")) == 3
    assert len(village.kernel.jobs) == 2


def test_a_stop_asks_by_ctrl_break_and_proves_that_nothing_is_left(found: Found) -> None:
    village = found()
    village.up()
    village.until(village.is_up)
    began = village.host.now()
    village.engine.shutdown()
    village.until(lambda: village.ended)
    assert village.host.now() - began < 2.0, "nobody had to be killed"
    assert all("SIGKILL" not in text for text in village.receipts())
    assert village.machine.sockets == []


def test_what_does_not_hear_ctrl_break_is_ended_with_its_job(found: Found) -> None:
    deaf = Program(ignores=frozenset({"SIGTERM"}), children=(Child(Program(), way=Way.ORPHAN),))
    village = found('[apps.web]\ncommand = "npm start"\nstop_timeout = "3s"\n', **{"npm start": deaf})
    village.up()
    village.until(village.is_up)
    assert len(village.pids("web")) == 2
    began = village.host.now()
    village.engine.shutdown()
    village.until(lambda: village.ended)
    assert village.host.now() - began >= 3.0
    assert village.pids("web") == []


def test_a_killed_manager_is_followed_by_one_that_takes_the_same_processes_back(found: Found) -> None:
    talking = Program(writes=tuple((0.5 * number, b"line %d\n" % number) for number in range(40)))
    village = found('[apps.web]\ncommand = "npm start"\n', **{"npm start": talking})
    village.up()
    village.until(village.is_up)
    village.advance(3.0)
    before = village.pids("web")
    village.kill_manager()
    village.advance(2.0)
    village.manage()
    village.until(village.is_up)
    village.advance(20.0)
    assert village.pids("web") == before
    assert village.starts("npm start") == 1
    assert village.printed("web") == [b"line %d" % number for number in range(40)]


def test_a_server_that_crashes_is_started_again(found: Found) -> None:
    village = found('[apps.api]\ncommand = "node server.js"\nport = 3000\n')
    village.up()
    village.until(village.is_up)
    (process,) = village.processes("api")
    handle = village.manager.calls.open_process(process.pid)
    assert handle is not None
    village.manager.calls.terminate(handle, 7)
    village.manager.calls.close(handle)
    village.until(lambda: village.starts("node server.js") == 2)
    village.until(village.is_up)
    assert "exited with code 7" in " ".join(record.text for record in village.records)


def test_a_strangers_port_is_told_as_such(found: Found) -> None:
    village = found('[apps.api]\ncommand = "node server.js"\nport = 3000\n')
    village.machine.start(server(port=3000), "stranger", environment={})
    village.advance(0.1)
    village.up()
    village.advance(5.0)
    assert village.states() == {"api": "waiting"}
    assert "127.0.0.1:3000 is held by pid" in village.engine.apps["api"].reason
    assert village.machine.starts == []


@pytest.mark.parametrize(
    ("key", "said"),
    [('user = "www"', "not there on Windows"), ("nice = 5", "not there on Windows")],
)
def test_what_only_posix_has_fails_with_its_name(found: Found, key: str, said: str) -> None:
    village = found(f'[apps.api]\ncommand = "node server.js"\n{key}\n')
    village.up()
    village.until(lambda: village.states() == {"api": "failed"})
    assert said in village.engine.apps["api"].reason


def test_time_that_the_machine_slept_is_no_time_of_an_app(found: Found) -> None:
    village = found()
    village.up()
    village.until(village.is_up)
    village.machine.suspended += 3600.0
    village.advance(30.0)
    assert village.is_up()
    assert len(village.machine.starts) == 2
