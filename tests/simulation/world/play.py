"""A scenario to a story: the real engine, its decisions, reload and hand-over on a simulated machine."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from procman.config.diagnostics import InvalidConfig
from procman.config.read import read_config
from procman.core.config import Config
from procman.core.identity import MARKER
from procman.core.journal import Record
from procman.engine.engine import Engine
from procman.engine.events import Notice, Problem, Transition
from procman.engine.runs import project_mark
from procman.engine.succession import Terminals
from procman.host.base import Ended
from tests.fakes.machine import Process
from tests.fakes.programs import Program
from tests.simulation.world.generator import NEW_NAMES
from tests.simulation.world.happenings import happen
from tests.simulation.world.promises import Promises
from tests.simulation.world.rest import Rest
from tests.simulation.world.scenario import Scenario
from tests.simulation.world.story import Story
from tests.simulation.world.table import PROGRAMS, Table, is_of, written
from tests.simulation.world.timetable import begin
from tests.simulation.world.truth import Truth
from tests.simulation.world.watched import Broken, WatchedHost, WatchedMachine

VERSIONS = (1, 2, 3)
NOTICED = 1.0  # s within which an edit is to be applied


def play(scenario: Scenario) -> Story:
    """Return the story of a world in which every promise was kept; its `broken` says if one was not."""
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=_memory()))
    descriptors = _descriptors()
    world = World(scenario, folder)
    try:
        world.run()
        world.release()
        _close(_descriptors() - descriptors)
    except Broken as broken:
        world.story.broken = broken
    except Exception as mistake:
        where = traceback.extract_tb(mistake.__traceback__)[-1]
        seen = f"{mistake!r} in {os.path.basename(where.filename)}:{where.lineno}"
        world.story.broken = Broken("the engine raises nothing", seen)
        world.story.trace = traceback.format_exc()
    finally:
        with suppress(Exception):
            world.release()
        shutil.rmtree(folder, ignore_errors=True)
    return world.story


def _memory() -> str | None:
    """Return a folder in memory, where there is one: worlds make and delete many small files."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _descriptors() -> set[str]:
    """Return what is open in this process, apart from the listing itself."""
    found = set()
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with suppress(OSError):
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return {each for each in found if not each.endswith("/fd")}


def _close(left: set[str]) -> None:
    """Close what a world has left open, so that the next one is not blamed for it, and say so."""
    for each in left:
        os.close(int(each.partition(" ")[0]))
    if left:
        raise Broken("no descriptor is left behind", ", ".join(sorted(left)))


class World:
    """One project on one machine, with one manager at a time.

    Attributes:
        tables: the file as it was saved last and was well-formed.
        reload: what it says of edits.
        free_ports: numbers that nobody else listens on.
        passing: what ends the troubles that last for a while.
        failing: apps whose `exec` check fails at present.
        manager: the engine; None while no manager runs.
    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.folder = folder
        self.file = folder / "portwatch.toml"
        self.home = folder / ".procman"
        self.machine = WatchedMachine()
        self.story = Story(scenario, self.machine.now, str(folder))
        self.tables: dict[str, Table] = {table.name: table for table in scenario.tables}
        self.saves = 0
        self.reload = scenario.reload
        self.failing: set[str] = set()
        self.manager: Engine | None = None
        self.host: WatchedHost | None = None
        self.project = project_mark(self.home)
        self.free_ports = itertools.count(40000)
        self.passing: list[Callable[[], None]] = []
        self._ended = False
        self._began = 0  # managers
        self.truth = Truth(self)
        self.promises = Promises(self)
        self.rest = Rest(self)
        self._set_up()

    def _set_up(self) -> None:
        for name, program in PROGRAMS.items():
            for version in VERSIONS:
                self.machine.programs[f"{name} {version}"] = program
        for name in NEW_NAMES:
            self.fail_when_asked(name, fails=False)
        self.machine.programs["prepare"] = Program(exits_after=0.3)
        self._prepare_home()
        (self.folder / "src").mkdir()
        begin(self.machine, self.scenario.begins)
        self.save(self.written())
        self.machine.on_advance.append(self._look)

    def _prepare_home(self) -> None:
        (self.home / "run").mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        """Let everything happen, then nothing any more, and see whether all comes to rest as it should."""
        for step in self.scenario.steps:
            self.machine.advance(step.after)
            self.story.step(self.machine.now, step)
            happen(self, step.what)
            self.machine.changes += 1
            self._look()
            self.promises.after_step()
        self.rest.calm()
        self.rest.close_down()

    def release(self) -> None:
        """Close what is open, as the kernel does when a process ends."""
        manager, self.manager = self.manager, None
        if manager is not None:
            manager._circle.release()
        if self.host is not None:
            self.host.close()
        for process in list(self.machine.processes.values()):
            outputs, process.outputs = process.outputs, ()
            for descriptor in outputs:
                os.close(descriptor)

    def fail_when_asked(self, app: str, *, fails: bool) -> None:
        """Let the `exec` check of an app fail, or pass, from now on."""
        (self.failing.add if fails else self.failing.discard)(app)
        self.machine.programs[f"ask {app}"] = Program(exits_after=0.01, code=int(fails))

    # the file

    def written(self) -> str:
        """Return the tables as a file."""
        return written(self.tables.values(), self.reload)

    def save(self, text: str) -> None:
        """Save the file."""
        self.saves += 1
        self.file.write_text(text)
        if self.host is not None:
            self.host.files_changed = True
        saves = self.saves
        self.machine.after(NOTICED, lambda: self.promises.an_edit_is_followed(saves))

    def save_watched(self, app: str, beside: bool) -> None:
        """Save the file that an app watches, or one beside it."""
        table = self.tables.get(app)
        if table is None or table.watch is None:
            return
        self.saves += 1
        (self.folder / "src" / ("notes.txt" if beside else table.watch)).write_text(str(self.saves))
        if self.host is not None:
            self.host.trees_changed = True
        if not beside:
            self.promises.upkeep.a_watched_file_is_saved(table.watch)

    def read(self) -> Config | None:
        """Return what the file says, or None if it is not valid."""
        try:
            return read_config(str(self.file))
        except InvalidConfig:
            return None

    # the manager

    def manage(self, pid: int | None = None, terminals: Terminals = MappingProxyType({})) -> bool:
        """Start a manager, if the file lets it start; return whether it did."""
        config = self.read()
        if config is None:
            return False
        self._prepare_home()
        self._ended = False
        self._began += 1
        self.host = WatchedHost(self.machine, self.truth, self.scenario.seed * 100 + self._began, pid)
        environment = {"PATH": "/bin"}
        engine = Engine(
            self.host,
            config,
            "",
            self.home,
            environment,
            self._on_empty,
            self._keep,
            terminals=terminals,
        )
        self.manager = engine
        self.truth.a_manager_came(config, upgraded=pid is not None)
        engine.subscribe(self._on_notice)
        engine.begin()
        self.truth.it_has_begun()
        return True

    def kill_manager(self) -> None:
        """`kill -9` the manager: its timers and descriptors are gone with it, the apps live on."""
        assert self.manager is not None, "there is a manager"
        assert self.host is not None, "it has a host"
        manager, host = self.manager, self.host
        self.truth.the_manager_went()
        self.manager = self.host = None
        everyone = manager._circle.supervised.values()
        sessions = {each.run.leader.pid for each in everyone if each.run and each.capture.terminal}
        host.die()
        manager._circle.release()
        for process in list(self.machine.processes.values()):
            if process.session in sessions:  # their terminal is gone
                self.machine.signal(process, "SIGHUP")

    def upgrade(self) -> None:
        """Replace the manager by another one in the same process."""
        assert self.manager is not None, "there is a manager"
        assert self.host is not None, "it has a host"
        manager, host = self.manager, self.host
        self.truth.the_manager_went()
        terminals = manager.hand_over()
        host.close()
        self.manager = self.host = None
        if not self.manage(host.pid, terminals):
            for descriptor in (each for _, *ends in terminals.values() for each in ends):
                os.close(descriptor)
            self.machine.end(self.machine.processes[host.pid], Ended(1, None))

    def _on_empty(self) -> None:
        self._ended = True

    def _on_notice(self, notice: Notice) -> None:
        if isinstance(notice, Transition):
            self.truth.update()
            self.promises.on_transition(notice)
        elif isinstance(notice, Problem):
            self.promises.on_problem(notice)

    def _keep(self, record: Record) -> None:
        self.story.record(self.machine.now, record)

    def _look(self) -> None:
        """Look at the promises; called after everything that happens."""
        if self.manager is None:
            return
        self.truth.update()
        self.promises.always()
        if self._ended:
            self._the_manager_ends()

    def _the_manager_ends(self) -> None:
        """Let a manager end that was asked to and has nothing left."""
        assert self.manager is not None, "there is a manager"
        assert self.host is not None, "it has a host"
        self.rest.nothing_is_left(self.host)
        manager, host = self.manager, self.host
        self._ended = False
        self.truth.the_manager_went()
        self.manager = self.host = None
        host.close()
        manager._circle.release()
        self.machine.end(self.machine.processes[host.pid], Ended(0, None))

    # processes

    def processes(self, app: str) -> list[Process]:
        """Return the living processes of an app, by what is really so."""
        return [each for each in self.ours() if self.truth.home.get(each.environment[MARKER]) == app]

    def family(self, table: str) -> list[Process]:
        """Return the living processes of an app, and of all instances of a table."""
        return [each for each in self.ours() if is_of(self.truth.home[each.environment[MARKER]], table)]

    def table(self, app: str) -> Table | None:
        """Return what the file says of an app."""
        return next((table for name, table in self.tables.items() if is_of(app, name)), None)

    def ours(self) -> Iterator[Process]:
        """Yield every living process that was started for an app of this project."""
        for process in self.machine.processes.values():
            if process.environment.get(MARKER, "").startswith(self.project):
                yield process
