"""A seed to a scenario.

Each world has a mood: the few kinds of trouble that it knows, drawn anew for each seed. A world in which
everything happens at the same rate never has three kills of the manager in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

from tests.fakes.programs import Way
from tests.simulation.world import scenario as of
from tests.simulation.world.scenario import Happening, Scenario, Step
from tests.simulation.world.table import COMES_UP, ENDS, SAYS, SERVERS, WORKERS, Table
from tests.simulation.world.timetable import DAILY

NAMES = ("api", "db", "web", "job")
NEW_NAMES = (*NAMES, "extra", "other")
FIRST_PORT = 3000
PORTS_APART = 10  # so that an app that moves to the next port does not take that of another one
PAUSES = (0.0, 0.0005, 0.003, 0.02, 0.06, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0, 25.0)
UNTIL_DUE = (19.0, 20.0, 20.0, 40.0)  # a time of each schedule comes 20 s after the world begins
WHILES = (0.1, 0.6, 1.2, 2.5, 5.0, 12.0)
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGQUIT")
SCHEDULES = ("* * * * *", "* * * * *", "*/2 * * * *", DAILY)
RECORDS = ("intact", "intact", "truncated", "garbage", "lost")
CONDITIONS = ("started", "healthy", "completed")


def generate(seed: int) -> Scenario:
    """Return the world of this seed."""
    random = Random(seed)
    names = NAMES[: random.choice((1, 2, 2, 3, 4))]
    tables: list[Table] = []
    for index, name in enumerate(names):
        tables.append(_table(random, name, FIRST_PORT + PORTS_APART * index, tables))
    mood = random.sample(MOODS, random.randint(2, 5))
    reload = random.choice(("auto",) * 10 + ("ask", "off"))
    timed = any(table.schedule is not None for table in tables)
    begins = random.choice(("plain", "spring", "autumn", "autumn again")) if timed else "plain"
    pauses = (*PAUSES, *UNTIL_DUE) if timed else PAUSES
    steps = [Step(random.choice(PAUSES), of.ManagerComes(), 0)]
    for number in range(1, random.randint(5, 16)):
        happening = random.choice(mood)(random, random.choice(names))
        steps.append(Step(random.choice(pauses), happening, number))
    return Scenario(seed, tuple(tables), tuple(steps), reload, begins)


def _table(random: Random, name: str, port: int, before: list[Table]) -> Table:
    serves = random.random() < 0.65
    program = random.choice(_likely(SERVERS) if serves else _likely(WORKERS))
    restart = random.choice(("always", "always", "always", "on-failure", "never"))
    if program in ENDS:
        restart = random.choice(("on-failure", "on-failure", "never"))
    says = program in SAYS and random.random() < 0.7
    checks = ("tcp", "tcp", "http", "exec") if serves else ("none", "none", "exec")
    table = Table(
        name,
        program,
        port if serves else None,
        check="log" if says or random.random() < 0.02 else random.choice(checks),
        interval=random.choice((1.0, 2.0, 5.0, 10.0, 60.0)),
        failures=random.choice((1, 2, 3)),
        retry=random.choice((0.5, 1.0)),
        timeout=random.choice((0.5, 1.0)),
        restart=restart,
        stop_timeout=random.choice((0.0, 1.0, 3.0, 3.0)),
        starts=random.choice((3, 5, 5, 0)),
        depends_on=_needs(random, before),
        policy=random.choice(("strict", "strict", "reclaim", "follow")),
        prepare=random.random() < 0.1,
        autostart=random.random() < 0.9,
    )
    return replace(table, **_what_few_have(random, table))


def _needs(random: Random, before: list[Table]) -> tuple[tuple[str, str], ...]:
    needs = []
    for other in before:
        if random.random() < 0.4:
            ends = other.program in ENDS
            how = "completed" if ends and random.random() < 0.7 else random.choice(("started", "healthy"))
            needs.append((other.name, how))
    return tuple(needs)


def _what_few_have(random: Random, table: Table) -> dict[str, Any]:
    """Return the keys that most tables leave out."""
    rare: dict[str, tuple[float, tuple[object, ...]]] = {
        "successes": (0.1, (2, 3)),
        "stop_signal": (0.15, STOP_SIGNALS),
        "instances": (0.1, (2, 2, 3)),
        "watch": (0.2, (f"{table.name}.js",)),
        "max_memory": (0.12, (100,)),
        "schedule": (0.3 if table.port is None else 0.02, SCHEDULES),
        "tty": (0.05, (True,)),
    }
    return {key: random.choice(values) for key, (share, values) in rare.items() if random.random() < share}


def _likely(programs: Iterable[str]) -> tuple[str, ...]:
    """Return the names of programs, those that come up and stay the more likely ones."""
    names = tuple(programs)
    return (*names, *(each for each in names if each in COMES_UP), names[0], names[0])


def _a_while(random: Random) -> float:
    return random.choice(WHILES)


def _perhaps(random: Random) -> float | None:
    return random.choice((None, *WHILES))


def _edit(random: Random, app: str) -> Happening:
    what = random.choice(EDITS)
    return of.Edits(what, app, _value(random, what, app))


def _value(random: Random, what: str, app: str) -> object:
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
        case "start_timeout" | "stop_timeout" | "backoff":
            return random.choice((1.0, 4.0, 10.0))
        case "successes":
            return random.choice((1, 1, 2, 3))
        case "instances":
            return random.choice((1, 2, 3, 4))
        case "stop_signal":
            return random.choice(STOP_SIGNALS)
        case "watch":
            return random.choice((None, f"{app}.js"))
        case "max_memory":
            return random.choice((None, 100, 150))
        case "schedule":
            return random.choice((None, *SCHEDULES))
        case "tty":
            return random.random() < 0.5
        case "reload":
            return random.choice(("auto", "ask", "off"))
        case "restart":
            return random.choice(("always", "on-failure", "never"))
        case "policy":
            return random.choice(("strict", "reclaim", "follow"))
        case "check":
            return random.choice(("tcp", "http", "exec", "none", "log"))
        case "program":
            return random.choice((*SERVERS, *WORKERS))
        case "autostart" | "enabled":
            return random.random() < 0.5
        case "depends_on":
            return tuple((name, random.choice(CONDITIONS)) for name in random.sample(NAMES, 1))
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
    "backoff",
    "restart",
    "policy",
    "check",
    "program",
    "autostart",
    "enabled",
    "enabled",
    "depends_on",
    "successes",
    "stop_signal",
    "instances",
    "instances",
    "watch",
    "max_memory",
    "schedule",
    "schedule",
    "tty",
    "reload",
)


def _ask(random: Random, app: str) -> Happening:
    verb = random.choice(("up", "start", "stop", "stop", "stop", "restart", "restart", "reload", "down"))
    everything = verb in ("reload", "down") or random.random() < 0.3
    return of.Asks(verb, () if everything else (app,), force=random.random() < 0.1)


def _manager(random: Random, app: str) -> Happening:
    return random.choice(
        (
            of.ManagerDies(random.choice(RECORDS)),
            of.ManagerDies(random.choice(RECORDS)),
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
    lambda random, app: of.ClockSet(random.choice((-20000.0, -3600.0, -5.0, 5.0, 3600.0, 90000.0))),
    lambda random, app: of.Suspends(random.choice((0.5, 30.0, 8 * 3600.0))),
    lambda random, app: of.ManagerStands(random.choice((0.3, 1.5, 4.0, 20.0))),
    lambda random, app: of.PidTaken(app),
    lambda random, app: of.Saves(app, random.choice((1, 1, 3, 30)), beside=random.random() < 0.1),
    lambda random, app: of.Grows(app, random.randint(0, 5), random.choice((None, None, 5.0, 15.0, 50.0))),
)
