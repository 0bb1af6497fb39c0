"""The engine: all that can be asked of a manager, on top of the circle that keeps its apps going."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from procman import __version__
from procman.config.diagnostics import InvalidConfig
from procman.core import machine
from procman.core.config import AppConfig, Config
from procman.core.journal import Record
from procman.core.machine import ALIVE, App, State
from procman.core.order import with_dependencies
from procman.core.plan import AppChange, Plan, Verb, make_plan
from procman.core.selection import select
from procman.core.view import spell_time, view
from procman.engine.circle import Circle
from procman.engine.events import (
    Happening,
    Notice,
    Problem,
    Receipt,
    Reloaded,
    Signalled,
    Transition,
)
from procman.engine.handover import Records
from procman.engine.journal import record_of
from procman.engine.ports import Current
from procman.engine.reload import FileState, Reloader
from procman.engine.succession import Succession
from procman.host.base import ANY_PORT, Host


class Engine:
    """Every app of one file, supervised; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        config: the valid file to begin with.
        digest: of its bytes, so that it is parsed again only once it has changed.
        home: the folder for what is kept.
        environment: what apps inherit.
        on_empty: called once, when a shutdown has ended everything.
        keep: called with a record of everything that happens, for the history.
    """

    def __init__(
        self,
        host: Host,
        config: Config,
        digest: str,
        home: Path,
        environment: Mapping[str, str],
        on_empty: Callable[[], None],
        keep: Callable[[Record], None] = lambda record: None,
    ) -> None:
        self.config = config
        self.closing = False
        self._finished = False
        self._host = host
        self._on_empty = on_empty
        self._keep = keep
        self._listeners: list[Callable[[Notice], None]] = []
        self._file = FileState(error=None, applied_at=host.wall())
        self._began = host.now()
        self._circle = Circle(host, home, environment, self._tell, self._after_round)
        self._succession = Succession(host, Records(home / "run", host.boot()))
        for app in config.enabled_apps().values():
            self._circle.add(app)
        self._inherited = self._succession.take_back(self._circle)
        self._reloader = Reloader(host, config, digest, self._on_file)
        self._closed = host.watch_closed(self._on_listener_closed)

    # What others ask

    def begin(self) -> None:
        """Go on with what a former manager left; until then nothing happens to any app."""
        for inherited in self._inherited:
            self._tell(inherited)
        self._circle.drain()

    def hand_over(self) -> None:
        """Let go of every app as it is, for a successor to take back; nothing may be asked any more."""
        self._finished = self.closing = True
        self._reloader.close()
        if self._closed is not None:
            self._closed.cancel()
        self._succession.write(self._circle, tuple(self.apps))
        self._circle.release()

    @property
    def apps(self) -> Mapping[str, App]:
        """The state of every app, in file order; those that are leaving last."""
        return self._circle.apps

    @property
    def configs(self) -> Mapping[str, AppConfig]:
        """The configuration of every app that `apps` has."""
        return self._circle.configs

    def status(self) -> dict[str, Any]:
        """Return the document of `procman status --json`."""
        now, wall = self._host.now(), self._host.wall()
        return {
            "manager": {
                "pid": os.getpid(),
                "version": __version__,
                "file": self.config.file,
                "uptime_s": round(now - self._began, 3),
                "config": {
                    "state": "applied" if self._file.error is None else "rejected",
                    "error": self._file.error,
                    "applied_at": spell_time(self._file.applied_at),
                },
            },
            "apps": self._views(now, wall),
        }

    def _views(self, now: float, wall: float) -> list[dict[str, Any]]:
        everyone = tuple(self._circle.supervised.values())
        runs = [supervised.run for supervised in everyone if supervised.run is not None]
        trees = dict(zip(runs, self._host.trees(runs), strict=True))
        views = []
        for supervised in everyone:
            run = supervised.run
            pids = [member.pid for member in trees[run]] if run is not None else []
            leader = run.leader.pid if run is not None and not supervised.exited else None
            app, config = supervised.app, supervised.config
            problem = supervised.capture.problem
            views.append(view(app, config, now=now, wall=wall, pids=pids, leader=leader, log_problem=problem))
        return views

    def runs(self) -> tuple[Current, ...]:
        """Return every run there is, with the processes of its tree."""
        return tuple(
            Current(each.name, each.run.marker, tuple(member.pid for member in self._host.tree(each.run)))
            for each in self._circle.supervised.values()
            if each.run is not None
        )

    def select(self, patterns: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the apps that `patterns` mean; see `core.selection`."""
        return select(patterns, self.configs)

    def up(self, names: Sequence[str], explicit: bool) -> tuple[str, ...]:
        """Want `names` up, with what they depend on, and return all that is wanted by that.

        Args:
            names: apps of the file.
            explicit: whether somebody named them; else those without `autostart` stay as they are.
        """
        staying = self._staying(names)
        chosen = [name for name in staying if explicit or self._circle.supervised[name].config.autostart]
        wanted = with_dependencies(chosen, self._dependencies())
        for name in wanted:
            if self._circle.supervised[name].app.state is not State.COMPLETED:
                self._want(name, machine.Start("started by `procman up`"))
        self._circle.drain()
        return wanted

    def start(self, names: Sequence[str]) -> tuple[str, ...]:
        """Want `names` up, and what they depend on; return all of them."""
        wanted = with_dependencies(self._staying(names), self._dependencies())
        for name in wanted:
            if name in names or self._circle.supervised[name].app.state is not State.COMPLETED:
                self._want(name, machine.Start())
        self._circle.drain()
        return wanted

    def stop(self, names: Sequence[str], force: bool = False) -> None:
        """Want `names` down; what others of them depend on goes last."""
        self._circle.stop(names, machine.Stop(force=force))
        self._circle.drain()

    def restart(self, names: Sequence[str]) -> None:
        """Give each of `names` a new run."""
        for name in self._staying(names):
            self._want(name, machine.Restarted())
        self._circle.drain()

    def reload(self) -> Reloaded:
        """Read the file now and apply it, or say why not."""
        return self._on_file(self._reloader.read())

    def plan(self) -> Plan:
        """Return what a reload would do.

        Raises:
            InvalidConfig: the file on disk is not valid.
        """
        read = self._reloader.peek()
        if isinstance(read, InvalidConfig):
            raise read
        return make_plan(self.config, read)

    def signal(self, names: Sequence[str], signal: str) -> dict[str, tuple[str, ...]]:
        """Send a signal to the whole tree of each app, and return whom it reached."""
        reached = {}
        for name in names:
            run = self._circle.supervised[name].run
            members = self._host.tree(run) if run is not None else ()
            reached[name] = tuple(f"{m.name} {m.pid}" for m in self._host.signal(members, signal))
            if reached[name]:
                number = self._circle.supervised[name].app.generation
                self._tell(Signalled(name, self._host.wall(), number, signal, reached[name]))
        return reached

    def shutdown(self, force: bool = False) -> None:
        """Stop every app, dependents first, and call `on_empty` when all are gone."""
        self.closing = True
        self._reloader.close()
        self._circle.stop(self.apps, machine.Stop("the manager was asked to stop", force=force))
        self._circle.drain()
        self._finish_if_empty()

    def subscribe(self, listener: Callable[[Notice], None]) -> Callable[[], None]:
        """Tell `listener` of every notice from now on; returns what ends it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    # What happens

    def _staying(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of `names` that are in the file: what has left it is on its way out."""
        return tuple(name for name in names if not self._circle.supervised[name].leaving)

    def _want(self, name: str, event: machine.Start | machine.Restarted) -> None:
        self._circle.stops.withdraw([name])
        self._circle.put(name, event)

    def _after_round(self, changed: set[str]) -> None:
        for problem in self._succession.write(self._circle, changed):
            self._tell(problem)
        self._finish_if_empty()

    def _finish_if_empty(self) -> None:
        """After a shutdown that has ended everything: let go of all but what can still be asked."""
        if not self.closing or self._finished or any(app.state in ALIVE for app in self.apps.values()):
            return
        self._finished = True
        if self._closed is not None:
            self._closed.cancel()
        self._circle.release()
        self._succession.forget(self.apps)
        self._on_empty()

    def _on_listener_closed(self, port: int) -> None:
        for supervised in self._circle.supervised.values():
            listens = any(each.endswith(f":{port}") for each in supervised.app.listening)
            if supervised.port == port or listens or port == ANY_PORT:
                self._circle.put(supervised.name, machine.Suspected(supervised.app.generation))
        self._circle.drain()

    # The file

    def _on_file(self, read: Config | InvalidConfig) -> Reloaded:
        if self.closing:
            return Reloaded(self._host.wall(), None, "not looked at: the manager is stopping")
        if isinstance(read, InvalidConfig):
            notice = Reloaded(self._host.wall(), read.render(), "rejected; the last good file stays in force")
            if self._file.error != notice.error:
                self._file = replace(self._file, error=notice.error)
                self._tell(notice)
            return notice
        plan, was_rejected = make_plan(self.config, read), self._file.error is not None
        self._file = FileState(error=None, applied_at=self._host.wall())
        notice = Reloaded(self._host.wall(), None, summarise(plan))
        self.config = read
        for change in plan.changes:
            self._apply(change, read)
        self._circle.arrange(tuple(read.apps))
        if plan or was_rejected:
            self._tell(notice)
        self._circle.drain()
        return notice

    def _apply(self, change: AppChange, config: Config) -> None:
        name = change.name
        if change.verb is Verb.REMOVE:
            self._circle.supervised[name].leaving = True
            why = "disabled in the file" if change.fields else "its table has left the file"
            self._circle.stop([name], machine.Stop(why))
            return
        app = config.apps[name]
        if change.verb is Verb.ADD and name not in self._circle.supervised:
            self._circle.add(app)
            if app.autostart:
                self._circle.put(name, machine.Start("added to the file"))
            return
        supervised = self._circle.supervised[name]
        supervised.config, supervised.leaving = app, False
        supervised.capture.set_budget(app.logs)
        failed = supervised.app.wanted and supervised.app.state is State.FAILED
        if change.verb is Verb.ADD:  # it was removed and is back before it was gone
            if app.autostart:
                self._want(name, machine.Restarted("it is back in the file"))
        elif failed or (change.verb is Verb.RESTART and supervised.app.wanted):
            self._circle.put(name, machine.Restarted(f"restarted: {change.keys} changed in the file"))
        elif change.verb is Verb.LIVE:
            self._circle.watch_log(supervised)
            self._circle.put(name, machine.Reconfigured())

    def _dependencies(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(d for d, _ in config.depends_on) for name, config in self.configs.items()}

    def _tell(self, happening: Happening) -> None:
        """Keep what has happened, and tell everyone who listens of what they are to hear."""
        self._keep(record_of(happening))
        if isinstance(happening, Transition | Receipt | Reloaded | Problem):
            for listener in tuple(self._listeners):
                listener(happening)


def summarise(plan: Plan) -> str:
    """Return a plan on one line, for the log."""
    return (
        "; ".join(f"{change.verb.value} {change.name} {change.keys}".strip() for change in plan.changes)
        or "no change"
    )
