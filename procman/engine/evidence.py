"""What an app looks like before its run is ended because it failed: while there is still something to see.

A signal destroys what says why it was needed: who was stopped or busy, how many connections waited for an
answer. So it is looked at between the decision and the first signal, in 2 to 5 ms for a tree of 12 processes.
Of a run that has ended whole nothing is left to read, and its replacement is not kept waiting: only its
checks are told, which are remembered anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

from procman.core.app import App, Ending
from procman.core.config import AppConfig, Restart
from procman.core.events import Probed
from procman.core.identity import Member
from procman.core.secrets import show_command
from procman.core.units import spell_duration, spell_size
from procman.core.view import spell_time
from procman.engine.events import Examined, Happening, PastCheck, Sockets
from procman.engine.supervised import Supervised
from procman.host.base import Host, Vitals

REMEMBERED = 20  # checks
MOST_PROCESSES = 50  # that are looked at: 50 us each, and as much again for its sockets
MOST_NAMES = 3  # of processes, in the sentence
MOST_OF_A_COMMAND = 200  # characters


def is_owed(app: App, config: AppConfig) -> bool:
    """Return whether the run is being ended because it failed, and not because somebody wanted that."""
    match app.ending:
        case Ending.UNHEALTHY | Ending.NOT_PREPARED:
            return True
        case Ending.EXITED:
            assert app.last_exit is not None, "an app that exited has an exit"
            return not app.last_exit.clean or config.restart is Restart.ALWAYS
        case Ending.STOP | Ending.RESTART | Ending.PREPARED | None:
            return False
        case _ as unreachable:
            assert_never(unreachable)


def remember(host: Host, supervised: Supervised, probed: Probed, began: float) -> None:
    """Keep what a check said for the evidence of its run; `began` is monotonic."""
    took, known = host.now() - began, supervised.checks
    detail, answers = probed.detail, probed.answers
    if known and (known[-1].detail, known[-1].answers) == (detail, answers):
        # The same words are kept once, and not with each of them: 0.5 KB a check, 10 MB with 1,000 apps.
        detail, answers = known[-1].detail, known[-1].answers
    check = PastCheck(host.wall(), probed.outcome, detail, took, answers)
    supervised.checks = (*known, check)[-REMEMBERED:]


def examine(
    host: Host, supervised: Supervised, members: Sequence[Member], tell: Callable[[Happening], None]
) -> None:
    """Tell what the tree of a run that is about to be ended looks like, if the run has failed.

    Args:
        host: the operating system.
        supervised: whose run it is.
        members: its living processes; none of them was signalled yet.
        tell: called with what there is to tell.
    """
    app = supervised.app
    if not is_owed(app, supervised.config):
        return
    seen = members[:MOST_PROCESSES]
    tell(
        Examined(
            supervised.name,
            host.wall(),
            app.generation,
            size=len(members),
            processes=host.vitals(seen) if seen else (),
            sockets=_sockets(host, seen) if seen else None,
            checks=supervised.checks,
        )
    )


def _sockets(host: Host, members: Sequence[Member]) -> Sockets | None:
    listeners, held = host.listeners(), host.sockets_of(members)
    if listeners is None or held is None:
        return None
    return Sockets(tuple(each for each in listeners if each.inode in held), host.connections(held))


def words(told: Examined) -> str:
    """Return the evidence in a sentence: what of it is out of the ordinary."""
    if not told.size:
        return "no process of its tree was left"
    cpu = sum(each.cpu_s for each in told.processes)
    memory = sum(each.memory_bytes for each in told.processes)
    counted = "1 process" if told.size == 1 else f"{told.size} processes"
    parts = [f"its tree was {counted} with {spell_duration(cpu)} of CPU time, {spell_size(memory)} of memory"]
    parts += _remarkable(told.processes)
    for listener in told.sockets.listening if told.sockets is not None else ():
        if listener.queue:
            waited = "1 connection" if listener.queue == 1 else f"{listener.queue} connections"
            parts.append(f"{waited} waited on {listener}")
    return "; ".join(parts)


def _remarkable(processes: Sequence[Vitals]) -> list[str]:
    """Return who did anything but wait for something to do, by what that was."""
    found: dict[str, list[str]] = {}
    for each in processes:
        if each.state not in "SI":
            found.setdefault(each.doing, []).append(f"{each.name} {each.pid}")
    texts = []
    for doing, names in found.items():
        more = len(names) - MOST_NAMES
        texts.append(f"{doing}: {', '.join(names[:MOST_NAMES])}" + (f" and {more} more" if more > 0 else ""))
    return texts


def data(told: Examined) -> dict[str, Any]:
    """Return the evidence as it is kept; the lines that the app has printed are added by the history."""
    return {
        "processes": [_process(each) for each in told.processes],
        "sockets": None if told.sockets is None else _open(told.sockets),
        "checks": [_check(each) for each in told.checks],
    }


def _process(seen: Vitals) -> dict[str, Any]:
    return {
        "pid": seen.pid,
        "parent": seen.parent,
        "name": seen.name,
        "command": show_command(seen.arguments, MOST_OF_A_COMMAND) or f"[{seen.name}]",
        "state": seen.state,
        "doing": seen.doing,
        "waits_in": seen.waits_in,
        "threads": seen.threads,
        "cpu_s": round(seen.cpu_s, 3),
        "memory_bytes": seen.memory_bytes,
        "descriptors": seen.descriptors,
        "age_s": round(seen.age_s, 3),
    }


def _open(sockets: Sockets) -> dict[str, Any]:
    return {
        "listening": [{"address": str(each), "queue": each.queue} for each in sockets.listening],
        "connections": None if sockets.connections is None else dict(sockets.connections),
    }


def _check(past: PastCheck) -> dict[str, Any]:
    return {
        "at": spell_time(past.at),
        "outcome": past.outcome.value,
        "detail": past.detail,
        "took_s": round(past.took_s, 3),
        "answers": dict(past.answers),
    }
