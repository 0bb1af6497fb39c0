"""A seed to a scenario.

Each world has a mood: the few kinds of trouble that it knows, drawn anew for each seed. A world in which
everything happens at the same rate never has three kills of the manager in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

from tests.fakes.programs import Way
from tests.simulation.world import scenario as of
from tests.simulation.world.scenario import ENDS, SERVERS, WORKERS, Happening, Scenario, Step, Table

NAMES = ("api", "db", "web", "job")
NEW_NAMES = (*NAMES, "extra", "other")
FIRST_PORT = 3000
PORTS_APART = 10  # so that an app that moves to the next port does not take that of another one
PAUSES = (0.0, 0.0005, 0.003, 0.02, 0.06, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0, 25.0)
WHILES = (0.1, 0.6, 1.2, 2.5, 5.0, 12.0)


def generate(seed: int) -> Scenario:
    """Return the world of this seed."""
    random = Random(seed)
    names = NAMES[: random.choice((1, 2, 2, 3, 4))]
    tables: list[Table] = []
    for index, name in enumerate(names):
        tables.append(_table(random, name, FIRST_PORT + PORTS_APART * index, tables))
    mood = random.sample(MOODS, random.randint(2, 5))
    steps = [Step(random.choice(PAUSES), of.ManagerComes(), 0)]
    for number in range(1, random.randint(5, 16)):
        happening = random.choice(mood)(random, random.choice(names))
        steps.append(Step(random.choice(PAUSES), happening, number))
    return Scenario(seed, tuple(tables), tuple(steps))


def _table(random: Random, name: str, port: int, before: list[Table]) -> Table:
    serves = random.random() < 0.65
    program = random.choice(_likely(SERVERS) if serves else _likely(WORKERS))
    needs = []
    for other in before:
        if random.random() < 0.4:
            ends = other.program in ENDS
            how = "completed" if ends and random.random() < 0.7 else random.choice(("started", "healthy"))
            needs.append((other.name, how))
    restart = random.choice(("always", "always", "always", "on-failure", "never"))
    if program in ENDS:
        restart = random.choice(("on-failure", "on-failure", "never"))
    return Table(
        name,
        program,
        port if serves else None,
        check=random.choice(("tcp", "tcp", "http", "exec"))
        if serves
        else random.choice(("none", "none", "exec")),
        interval=random.choice((1.0, 2.0, 5.0, 10.0, 60.0)),
        failures=random.choice((1, 2, 3)),
        retry=random.choice((0.5, 1.0)),
        timeout=random.choice((0.5, 1.0)),
        restart=restart,
        stop_timeout=random.choice((0.0, 1.0, 3.0, 3.0)),
        starts=random.choice((3, 5, 5, 0)),
        depends_on=tuple(needs),
        policy=random.choice(("strict", "strict", "reclaim", "follow")),
        prepare=random.random() < 0.1,
        autostart=random.random() < 0.9,
    )


def _likely(programs: Iterable[str]) -> tuple[str, ...]:
    """Return the names of programs, those that come up and stay the more likely ones."""
    names = tuple(programs)
    return (*names, *(each for each in names if each in of.COMES_UP), names[0], names[0])


def _a_while(random: Random) -> float:
    return random.choice(WHILES)


def _perhaps(random: Random) -> float | None:
    return random.choice((None, *WHILES))


def _edit(random: Random, app: str) -> Happening:
    what = random.choice(EDITS)
    return of.Edits(what, app, _value(random, what))


def _value(random: Random, what: str) -> object:
    match what:
        case "add":
            name = random.choice(NEW_NAMES)
            table = _table(random, name, FIRST_PORT + PORTS_APART * (NEW_NAMES.index(name) + 5), [])
            return replace(table, version=random.randint(1, 3))
        case "rename":
            return random.choice(NEW_NAMES)
        case "port":
            return FIRST_PORT + PORTS_APART * random.randint(0, 9)
        case "version":
            return random.randint(1, 3)
        case "interval":
            return random.choice((1.0, 7.0, 60.0))
        case "failures" | "starts":
            return random.choice((1, 2, 4))
        case "start_timeout" | "stop_timeout":
            return random.choice((1.0, 4.0, 10.0))
        case "restart":
            return random.choice(("always", "on-failure", "never"))
        case "policy":
            return random.choice(("strict", "reclaim", "follow"))
        case "check":
            return random.choice(("tcp", "http", "exec", "none"))
        case "program":
            return random.choice((*SERVERS, *WORKERS))
        case "autostart" | "enabled":
            return random.random() < 0.5
        case "depends_on":
            return tuple((name, random.choice(("started", "healthy"))) for name in random.sample(NAMES, 1))
        case _:
            return None


EDITS = (
    "add",
    "add",
    "remove",
    "remove",
    "rename",
    "rename",
    "touch",
    "break",
    "mend",
    "tear",
    "version",
    "version",
    "version",
    "port",
    "interval",
    "failures",
    "starts",
    "start_timeout",
    "stop_timeout",
    "restart",
    "policy",
    "check",
    "program",
    "autostart",
    "enabled",
    "enabled",
    "depends_on",
)


def _ask(random: Random, app: str) -> Happening:
    verb = random.choice(("up", "start", "stop", "stop", "stop", "restart", "restart", "reload", "down"))
    everything = verb in ("reload", "down") or random.random() < 0.3
    return of.Asks(verb, () if everything else (app,), force=random.random() < 0.1)


def _manager(random: Random, app: str) -> Happening:
    return random.choice(
        (
            of.ManagerDies(random.choice(("intact", "intact", "intact", "truncated", "garbage", "lost"))),
            of.ManagerDies("intact"),
            of.ManagerComes(),
            of.ManagerComes((app,)),
            of.ManagerComes(None),
            of.Upgrades(),
        )
    )


def _process(random: Random, app: str) -> Happening:
    which = random.randint(0, 5)
    return random.choice(
        (
            of.Kills(app, which, random.choice(("SIGKILL", "SIGTERM", "SIGSEGV"))),
            of.Kills(app, which, "SIGKILL"),
            of.Exits(app, random.choice((0, 0, 1, 1, 7))),
            of.Freezes(app, which, _perhaps(random)),
            of.Forks(app, which, random.choice(tuple(Way)), random.random() < 0.5, _perhaps(random)),
            of.Forks(app, which, random.choice(tuple(Way)), False, 0.002),
            of.PidTaken(app),
        )
    )


def _stranger(random: Random, app: str) -> Happening:
    address = random.choice(("127.0.0.1", "127.0.0.1", "::1", "0.0.0.0", "::"))
    seconds = random.choice((0.1, 0.6, 5.0, 12.0, 30.0, 90.0))
    return of.Strangers(app, address, seconds, beside=random.random() < 0.5)


MOODS: tuple[Callable[[Random, str], Happening], ...] = (
    _edit,
    _edit,
    _ask,
    _ask,
    _manager,
    _manager,
    _process,
    _process,
    _stranger,
    lambda random, app: of.Closes(app, _perhaps(random)),
    lambda random, app: of.Moves(app),
    lambda random, app: of.Answers(app, random.choice((None, 500, 200))),
    lambda random, app: of.Hangs(app, random.randint(0, 5), _a_while(random)),
    lambda random, app: of.SpawnsFail(
        random.choice(("EAGAIN", "EMFILE", "ENOMEM", "ENOENT", "EACCES")), _a_while(random)
    ),
    lambda random, app: of.ChecksFail(_a_while(random)),
    lambda random, app: of.AskedInVain(app, _a_while(random)),
    lambda random, app: of.Hides(_a_while(random)),
    lambda random, app: of.Silence(_a_while(random)),
    lambda random, app: of.ClockSet(random.choice((-3600.0, -5.0, 5.0, 90000.0))),
    lambda random, app: of.Suspends(random.choice((0.5, 30.0, 8 * 3600.0))),
    lambda random, app: of.ManagerStands(random.choice((0.3, 1.5, 4.0, 20.0))),
    lambda random, app: of.PidTaken(app),
)
