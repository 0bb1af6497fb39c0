"""What each thing that happens does to the machine, to the file and to the manager."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, assert_never

from procman.core.verdict import Listener
from procman.host.base import Ended, Stage
from tests.fakes.machine import Process, Socket
from tests.fakes.programs import Child, Listen, Program, Taken
from tests.simulation.world import scenario as of
from tests.simulation.world.scenario import Happening
from tests.simulation.world.table import DEAF, SERVERS, WORKERS, Table, is_of

if TYPE_CHECKING:
    from tests.simulation.world.play import World

STRANGER = "nc -l"
TROUBLES = {
    "EAGAIN": (Stage.FORK, errno.EAGAIN),
    "EMFILE": (Stage.PIPES, errno.EMFILE),
    "ENOMEM": (Stage.FORK, errno.ENOMEM),
    "ENOENT": (Stage.EXECUTE, errno.ENOENT),
    "EACCES": (Stage.EXECUTE, errno.EACCES),
}
TORN = 0.05  # s that a file is seen half written
APART = 0.1  # s between the saves of a file that is saved again and again
GROWN = 200_000_000  # bytes


def happen(world: World, what: Happening) -> None:
    """Let it happen; where it means nothing now, nothing does."""
    machine = world.machine
    match what:
        case of.Kills(app, which, signal):
            for process in _one(world.family(app), which):
                machine.signal(process, signal)
        case of.Exits(app, code):
            for process in _leader(world, app):
                machine.end(process, Ended(code, None))
        case of.Freezes(app, which, seconds):
            for process in _one(world.family(app), which):
                machine.signal(process, "SIGSTOP")
                if seconds is not None:
                    _later(world, seconds, _if_alive(process, lambda it: machine.signal(it, "SIGCONT")))
        case of.Hangs(app, which, seconds):
            for process in _one(world.family(app), which):
                machine.hold(process)
                _later(world, seconds, partial(machine.let_go, process))
        case of.Closes(app, seconds):
            for socket in _sockets(world, app):
                machine.close(socket)
                if seconds is not None:
                    _later(world, seconds, _opens(world, socket.owner, socket.spec))
        case of.Moves(app):
            for socket in _sockets(world, app):
                machine.close(socket)
                elsewhere = replace(socket.spec, port=next(world.free_ports), until=None)
                _opens(world, socket.owner, elsewhere)()
        case of.Answers(app, status):
            for socket in _sockets(world, app):
                socket.spec = replace(socket.spec, status=status)
        case of.Forks():
            _fork(world, what)
        case of.Strangers():
            _come(world, what)
        case of.PidTaken(app):
            _take_a_pid(world, app)
        case of.SpawnsFail(trouble, seconds):
            machine.refusal = TROUBLES[trouble]
            _later(world, seconds, lambda: setattr(machine, "refusal", None))
        case of.ChecksFail(seconds):
            _trouble(world, seconds)
        case of.AskedInVain(app, seconds):
            world.fail_when_asked(app, fails=True)
            _later(world, seconds, lambda: world.fail_when_asked(app, fails=False))
        case of.Hides(seconds):
            machine.readable = False
            _later(world, seconds, lambda: setattr(machine, "readable", True))
        case of.Silence(seconds):
            machine.announces = False
            _later(world, seconds, lambda: setattr(machine, "announces", True))
        case of.ClockSet(seconds):
            machine.set_by += seconds
        case of.Suspends(seconds):
            machine.suspended += seconds
        case of.ManagerStands(seconds):
            if world.host is not None:
                world.truth.stands_until = machine.now + seconds
                world.host.stop(seconds)
        case of.Edits():
            _edit(world, what)
        case of.Saves(app, times, beside):
            world.save_watched(app, beside)
            for number in range(1, times):
                _later(world, APART * number, partial(world.save_watched, app, beside))
        case of.Grows(app, which, seconds):
            for process in _one(world.family(app), which):
                process.program = replace(process.program, memory=GROWN)
                if seconds is not None:
                    _later(world, seconds, partial(_shrink, process))
        case of.Asks():
            _ask(world, what)
        case of.ManagerDies(records):
            if world.manager is not None:
                world.kill_manager()
                _damage(world, records)
        case of.ManagerComes(apps):
            _come_up(world, apps)
        case of.Upgrades():
            if world.manager is not None and not world.manager.closing:
                world.upgrade()
        case _ as unreachable:
            assert_never(unreachable)


def calm_down(world: World) -> None:
    """End all trouble, mend the file, and have a manager: from here on nothing but time happens."""
    machine = world.machine
    for due in tuple(world.passing):
        due()
    for process in list(machine.processes.values()):
        if process.command == STRANGER:
            machine.end(process, Ended(0, None))
    if world.read() is None:
        world.save(world.written())
    if world.read() is None:  # also without a mistake: two apps want the same port
        world.tables = {table.name: table for table in world.scenario.tables}
        world.save(world.written())
    _ask(world, of.Asks("reload"))  # of an edit that waits for it
    machine.changes += 1
    machine.advance(2.0)  # until an edit is applied, and the last signals have arrived


def _later(world: World, seconds: float, do: Callable[[], object]) -> None:
    """Do it after so many seconds, or when all trouble ends if that is sooner."""

    def due() -> None:
        if due in world.passing:
            world.passing.remove(due)
            do()
            world.machine.changes += 1

    world.passing.append(due)
    world.machine.after(seconds, due)


def _one(processes: list[Process], which: int) -> Iterator[Process]:
    if processes:
        yield processes[which % len(processes)]


def _leader(world: World, app: str) -> Iterator[Process]:
    leader = world.truth.newest_leader(app)
    if leader is not None and leader.end is None:
        yield leader


def _if_alive(process: Process, do: Callable[[Process], None]) -> Callable[[], None]:
    return lambda: do(process) if process.end is None else None


def _sockets(world: World, app: str) -> list[Socket]:
    owners = world.family(app)
    return [each for each in world.machine.sockets if each.owner in owners]


def _opens(world: World, owner: Process, spec: Listen) -> Callable[[], None]:
    def opens() -> None:
        if owner.end is None and not owner.is_held_up:
            world.machine._listen(owner, replace(spec, after=0.0, taken=Taken.STAY))

    return opens


def _shrink(process: Process) -> None:
    process.program = replace(process.program, memory=0)


def _fork(world: World, what: of.Forks) -> None:
    for parent in _one(world.family(what.app), what.which):
        ends = None if parent.program.follows else what.seconds  # else its end would be that of its parent
        program = Program(exits_after=ends, ignores=DEAF if what.deaf else frozenset())
        world.machine._fork(parent, Child(program, way=what.way))


def _come(world: World, what: of.Strangers) -> None:
    """Let somebody else listen on the port of an app; `beside` it, as SO_REUSEPORT and macOS let them."""
    table = world.tables.get(what.app)
    if table is None or table.port is None:
        return
    machine, listen = world.machine, Listen(table.port, address=what.address, taken=Taken.STAY)
    stranger = machine.start(Program() if what.beside else Program(listens=(listen,)), STRANGER)
    if what.beside:
        inode = machine._number()
        listener = Listener(what.address, table.port, inode, 0)
        machine.sockets.append(Socket(listener, listen, stranger, machine.now))
    _later(world, what.seconds, lambda: machine.end(stranger, Ended(0, None)))


def _take_a_pid(world: World, app: str) -> None:
    leader, machine = world.truth.newest_leader(app), world.machine
    if leader is not None and leader.end is not None and leader.pid not in machine.processes:
        machine.start(Program(), STRANGER, pid=leader.pid)


def _trouble(world: World, seconds: float) -> None:
    host = world.host
    if host is None:
        return
    host.trouble = "could not be made: too many open files"
    world.truth.trouble = True

    def over() -> None:
        host.trouble = None
        world.truth.trouble = False

    _later(world, seconds, over)


# edits


def _edit(world: World, what: of.Edits) -> None:
    match what.what:
        case "break":
            world.save(world.written() + "\n[apps.broken]\nport = 99999\n")
            return
        case "tear":
            whole = world.written()
            world.save(whole[: len(whole) // 2])
            saves = world.saves
            world.machine.after(TORN, lambda: world.save(whole) if world.saves == saves else None)
            return
        case "mend" | "touch":
            pass
        case "reload":
            world.reload = str(what.value)
        case "add":
            table = what.value
            assert isinstance(table, Table), "what is added is a table"
            world.tables.setdefault(table.name, table)
        case "remove":
            if len(world.tables) > 1:
                world.tables.pop(what.app, None)
        case "rename":
            _rename(world, what.app, str(what.value))
        case _:
            _change(world, what)
    world.save(world.written())


def _rename(world: World, old: str, new: str) -> None:
    """Give an app another name everywhere; its place in the file stays."""
    if old not in world.tables or new in world.tables:
        return
    tables = {}
    for name, table in world.tables.items():
        needs = tuple((new if other == old else other, how) for other, how in table.depends_on)
        renamed = new if name == old else name
        tables[renamed] = replace(table, name=renamed, depends_on=needs)
    world.tables = tables


def _change(world: World, what: of.Edits) -> None:
    """Change one field of a table, if the table can have that."""
    table = world.tables.get(what.app)
    if table is None:
        return
    fits = {
        "port": table.port is not None,
        "program": what.value in (SERVERS if table.port is not None else WORKERS),
        "check": table.port is not None or what.value in ("exec", "log", "none"),
        "depends_on": what.app not in [name for name, _ in what.value or ()]  # type: ignore[attr-defined]
        if what.what == "depends_on"
        else True,
    }
    if fits.get(what.what, True):
        world.tables[what.app] = replace(table, **{what.what: what.value})  # type: ignore[arg-type]


# requests


def _ask(world: World, what: of.Asks) -> None:
    engine = world.manager
    if engine is None or engine.closing:
        if engine is not None and what.verb == "down":
            engine.shutdown(force=True)  # as a second Ctrl-C
        return
    if what.verb in ("up", "start", "restart", "reload"):
        world.truth.asked_to_apply = True
        error = engine.reload().error
        world.truth.update()
        world.truth.asked_to_apply = False
        if error is not None and what.verb in ("restart", "reload"):
            return
    names = tuple(name for name in engine.apps if not what.apps or is_of(name, what.apps[0]))
    if what.apps and not names:
        return
    truth = world.truth
    match what.verb:
        case "up":
            truth.asked_up(names, explicit=bool(what.apps))
            engine.up(names, explicit=bool(what.apps))
        case "start":
            truth.asked_start(names)
            engine.start(names)
        case "stop":
            truth.asked_down(names)
            engine.stop(names, force=what.force)
        case "restart":
            truth.asked_restart(names)
            engine.restart(names)
        case "down":
            truth.asked_down(tuple(engine.apps))
            engine.shutdown(force=what.force)


def _come_up(world: World, apps: tuple[str, ...] | None) -> None:
    if world.manager is None and not world.manage():
        return
    if apps is not None:
        _ask(world, of.Asks("up", apps))


def _damage(world: World, how: str) -> None:
    """Do to the state folder of a manager that is dead what disks and their users do."""
    if how == "intact":
        return
    world.truth.records_were_lost()
    if how == "lost":
        shutil.rmtree(world.home, ignore_errors=True)
        return
    for path in (world.home / "run").glob("*.json"):
        with suppress(OSError):
            size = os.path.getsize(path)
            path.write_bytes(path.read_bytes()[: size // 2] if how == "truncated" else b"\xff\x00{")
