"""More planted mistakes: in what goes on around a run, and in keys that few tables have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from unittest.mock import patch

from procman.core import events
from procman.core.app import App, State
from procman.core.config import AppConfig
from procman.core.events import Event, Moment
from procman.core.machine import step
from procman.core.plan import Plan, Verb, make_plan
from procman.core.transitions import Step, wait
from procman.core.watched import Watched
from procman.engine.memory import MemoryLimits
from procman.engine.prober import Prober
from procman.engine.reload import Edit
from procman.engine.schedule import RUNS, Schedules
from procman.engine.succession import Succession
from procman.engine.supervised import Supervised
from procman.engine.watching import Watching, _Watch
from procman.logs.capture import Capture
from procman.logs.read import last_lines
from tests.simulation.world.bugs.planting import BUGS, Bug, decides, replaces

# schedules


_on_time = Schedules._on_time


@replaces(Schedules, "_on_time", "a run that was left out is missed in silence")
def says_nothing_of_a_run_that_is_left_out(schedules: Schedules, *given: Any) -> None:
    with patch.object(schedules, "_tell", lambda problem: None):
        _on_time(schedules, *given)


@replaces(Schedules, "take_back", "ours until this was simulated: a new manager waited for the next time")
def forgets_a_due_run_that_waits(schedules: Schedules, supervised: object) -> None:
    return None


@replaces("procman.engine.schedule", "next_time", "ours until this was simulated, in a night that has two")
def goes_back_an_hour_in_autumn(expression: str, after: float, zone: tzinfo) -> float:
    from cronsim import CronSim

    found: datetime = next(CronSim(expression, datetime.fromtimestamp(after, zone)))
    return found.astimezone(UTC).timestamp()


def _constant(where: str, value: float, name: str, whose: str) -> None:
    """Plant a mistake in a number."""
    BUGS.append(Bug(name, whose, lambda: patch(where, value)))


_constant(
    "procman.engine.schedule.BACK",
    0.0,
    "runs_again_what_has_run_when_the_clock_is_set_back",
    "what cron of Debian takes care of",
)


_tend = Schedules.tend


@replaces(Schedules, "tend", "ours until this was simulated: a start that could not be made uses up the time")
def forgets_a_due_run_that_could_not_be_made(schedules: Schedules, supervised: Supervised) -> None:
    _tend(schedules, supervised)
    if supervised.app.state in RUNS and supervised.name in schedules._planned:
        schedules._planned[supervised.name].due = False


# watched files


@contextmanager
def _watches_always() -> Iterator[None]:
    """Watch the files of every app, and restart it whatever its state is."""
    tend, settled = Watching.tend, _Watch._settled

    def tend_always(watching: Watching, supervised: Any) -> None:
        app, supervised.app = supervised.app, replace(supervised.app, wanted=True)
        tend(watching, supervised)
        supervised.app = app

    def settled_always(watch: _Watch) -> None:
        supervised = watch._supervised
        if supervised.app.state is State.STOPPED:
            watch._post(watch.config.name, events.Restarted("restarted: `src/` has changed"))
        settled(watch)

    with patch.object(Watching, "tend", tend_always), patch.object(_Watch, "_settled", settled_always):
        yield


BUGS.append(
    Bug(
        "starts_what_was_stopped_when_a_file_changes",
        "pm2: an app that was stopped is watched still",
        _watches_always,
    )
)


@replaces(Watched, "wants", "every file in the folder counts: notes, logs, what the app itself writes")
def takes_any_file_for_a_watched_one(watched: Watched, path: str) -> bool:
    return True


_settled = _Watch._settled


@replaces(_Watch, "_settled", "watchexec#179: an atomic save ends the watch of its inode")
def is_blind_after_the_first_change(watch: _Watch) -> None:
    _settled(watch)
    watch.cancel()


# memory


@replaces(MemoryLimits, "_over", "a limit for the first process alone: npm is small, what it starts is not")
def takes_the_memory_of_the_leader_for_that_of_the_tree(limits: MemoryLimits, counted: Any) -> int | None:
    run = counted.supervised.run
    leader = [] if run is None else [each for each in limits._host.tree(run) if each.identity == run.leader]
    used = limits._host.memory(leader)
    return used if used > counted.most else None


_constant(
    "procman.engine.memory.LOOKS",
    1,
    "restarts_at_the_first_look_at_its_memory",
    "pm2 `max_memory_restart`: one look is enough",
)


# checks


@replaces("procman.logs.capture", "last_lines", "a line of the run before makes this one ready")
def believes_a_line_of_an_earlier_run(folder: Any, app: str, count: int, run: int) -> Any:
    return last_lines(folder, app, count)


_watch = Capture.watch


@replaces(Capture, "watch", "what was printed before anybody looked is never seen")
def overlooks_a_line_that_is_there_already(capture: Capture, *given: Any, look_back: bool = False) -> None:
    _watch(capture, *given)


_begin = Prober.__init__


@replaces(Prober, "__init__", "ours until this was simulated: a port makes ready what has not said so")
def forgets_after_its_start_that_a_line_is_needed(prober: Prober, *given: Any) -> None:
    _begin(prober, *given)
    prober._never_up = prober._starting


@replaces("procman.core.policy", "passes_needed", "process-compose: `success_threshold` is not respected")
def takes_one_pass_for_all(check: object, *, starting: bool) -> int:
    return 1


# stops, the file, instances, terminals


@decides("`stop_signal` is read, and SIGTERM is sent")
def asks_always_by_sigterm(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    return step(app, event, moment, replace(config, stop_signal="SIGTERM"))


@decides("Supervisor: `update` starts what is FATAL")
def tries_again_what_was_given_up(app: App, event: Event, moment: Moment, config: AppConfig) -> Step:
    if isinstance(event, events.Reconfigured) and app.state is State.FAILED:
        return wait(app, "tried again", moment.now)
    return step(app, event, moment, config)


@replaces("procman.engine.engine", "judge", "an edit is applied that was to be asked for")
def applies_without_asking(old: object, new: Any) -> Edit:
    return Edit(new, None)


@replaces("procman.engine.engine", "make_plan", "another number of instances restarts them all")
def restarts_every_instance_for_their_number(old: Any, new: Any) -> Plan:
    plan = make_plan(old, new)
    changes = tuple(
        replace(change, verb=Verb.RESTART)
        if change.verb is Verb.LIVE and any(field.key == "instances" for field in change.fields)
        else change
        for change in plan.changes
    )
    return replace(plan, changes=changes)


@replaces(Succession, "pass_on", "`upgrade` ends every terminal, and the app in it")
def loses_its_terminals_in_an_upgrade(succession: Succession, circle: object) -> dict[str, Any]:
    return {}
