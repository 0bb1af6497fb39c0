"""Between two managers: what this one leaves for the next, and how it takes back what the last one left."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from procman.core import events
from procman.core.config import AppConfig, Command
from procman.engine.adoption import Found, leader_of, living, newest_runs, recorded
from procman.engine.circle import Circle
from procman.engine.events import Problem, TakenBack
from procman.engine.handover import Record, Records, fingerprint
from procman.engine.output import unfollow
from procman.engine.supervised import Supervised
from procman.host.base import Host, Run

# The terminals of runs that go on, by app: the run's generation, and the descriptors of both ends.
Terminals = Mapping[str, tuple[int, int, int]]


class Succession:
    """Writes the records of the apps, and adopts their runs; owned by the event loop's thread."""

    def __init__(self, host: Host, records: Records) -> None:
        self._host = host
        self._records = records
        self.unknown: tuple[str, ...] = ()  # apps of the file that no manager of this boot has left

    def take_back(self, circle: Circle, terminals: Terminals) -> tuple[Problem | TakenBack, ...]:
        """Go on with every run that lives, end those whose app has left the file, start none twice.

        A run of which nothing lives has ended while no manager ran: that is an exit like any other. Terminals
        that were passed on and that no run has any more are closed.
        """
        passed = {(name, generation): ends for name, (generation, *ends) in terminals.items()}
        records = {name: self._records.read(name) for name in circle.supervised}
        renamed = {
            record.marker: (name, record.app.generation)
            for name, record in records.items()
            if record is not None and record.marker is not None
        }
        newest, older = newest_runs(self._host.marked(circle.runs.project), renamed)
        for found in older:
            circle.reclaimer.end(found.marker, found.members, None, config=None)
        told: list[Problem | TakenBack] = []
        for name, found in newest.items():
            supervised = circle.supervised.get(name)
            if supervised is None:
                supervised = circle.add(AppConfig(name, Command(("unknown",))))
                supervised.leaving = True
            terminal = passed.pop((name, found.generation), None)
            told += self._adopt(circle, supervised, found, self._records.read(name), terminal)
        for name, supervised in circle.supervised.items():
            record = records.get(name)
            if record is None or name in newest:
                continue
            lost = recorded(name, record, circle.runs.project)
            if lost is not None:
                terminal = passed.pop((name, lost.generation), None)
                told += self._adopt(circle, supervised, lost, record, terminal)
                continue
            generation = max(supervised.app.generation, record.app.generation)
            supervised.app = replace(record.app, generation=generation)
            circle.upkeep.schedules.take_back(supervised)
            circle.put(name, events.Reconfigured())  # its timer is armed, what it waits for is looked at
        runs = {
            (name, each.app.generation) for name, each in circle.supervised.items() if each.run is not None
        }
        self._records.sweep(circle.supervised, runs)
        for descriptor in (each for ends in passed.values() for each in ends):
            os.close(descriptor)
        self.unknown = tuple(
            name for name, record in records.items() if record is None and name not in newest
        )
        return tuple(told)

    def pass_on(self, circle: Circle) -> Terminals:
        """Read the terminals of runs no more, and return them: all that a record can't tell of."""
        terminals = {}
        for name, supervised in circle.supervised.items():
            if supervised.capture.terminal is not None:
                unfollow(supervised)
                ends = supervised.capture.pass_on()
                assert ends is not None, "it was there a moment ago"
                terminals[name] = (supervised.app.generation, ends.master, ends.slave)
        return terminals

    def _adopt(
        self,
        circle: Circle,
        supervised: Supervised,
        found: Found,
        record: Record | None,
        terminal: Sequence[int] | None,
    ) -> list[Problem | TakenBack]:
        name, config = found.app, supervised.config
        leader = leader_of(found, record, self._host.is_stranger)
        supervised.app = living(found, record, self._host.now(), config.start_timeout)
        supervised.run = Run(leader, found.marker)
        supervised.port = record.port if record is not None else config.port
        supervised.started_with = record.started_with if record is not None else fingerprint(config)
        supervised.env_files = record.env_files if record is not None else ()
        supervised.exited = False
        circle.upkeep.schedules.take_back(supervised)
        circle.put(name, events.Adopted(found.generation))
        pids = tuple(member.pid for member in found.members)
        told: list[Problem | TakenBack] = [TakenBack(name, self._host.wall(), found.generation, pids)]
        goes_on = supervised.app.wanted and not supervised.leaving
        try:
            supervised.capture.adopt(found.generation, terminal)
        except OSError as error:
            if not goes_on:
                pass  # it is ended in any case
            elif config.tty:  # most of it has ended by SIGHUP already; that is no exit to judge
                text = "its terminal ended with the former manager, so it is restarted"
                told.append(Problem(name, self._host.wall(), text))
                circle.put(name, events.Restarted("its terminal ended with the former manager"))
            elif found.members:
                text = f"its output can't be read any more, so it is restarted: {error}"
                told.append(Problem(name, self._host.wall(), text))
                circle.put(name, events.Restarted("its pipes were lost with the former manager"))
        circle.attach(supervised)
        if supervised.leaving:
            circle.stop([name], events.Stop("its table has left the file"))
        elif not supervised.app.wanted:
            circle.stop([name], events.Stop("a stop was under way when the former manager died"))
        elif supervised.started_with != fingerprint(config):
            circle.put(name, events.Restarted("its table changed while no manager ran"))
        if not self._host.adopt(supervised.run, circle.on_exit(supervised, found.generation)):
            supervised.exited = True
            circle.put(name, events.Exited(found.generation, None, None, self._host.wall()))
        return told

    def forget(self, names: Iterable[str]) -> None:
        """Leave nothing: these apps were ended in good order."""
        for name in names:
            self._records.forget(name)

    def write(self, circle: Circle, names: Iterable[str]) -> tuple[Problem, ...]:
        """Leave for a successor how these apps are now; return what could not be left."""
        problems = []
        for name in names:
            supervised = circle.supervised.get(name)
            if supervised is None:
                self._records.forget(name)
                continue
            run = supervised.run
            record = Record(
                app=supervised.app,
                leader=None if run is None else run.leader,
                port=supervised.port,
                started_with=supervised.started_with,
                env_files=supervised.env_files,
                marker=None if run is None else run.marker,
            )
            try:
                self._records.write(name, record)
            except OSError as error:
                text = f"its record could not be written: {error}, ignoring"
                problems.append(Problem(name, self._host.wall(), text))
        return tuple(problems)
