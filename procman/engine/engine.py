"""The engine: all that can be asked of a manager, on top of the circle that keeps its apps going."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from procman import __version__
from procman.config.diagnostics import InvalidConfig
from procman.config.folders import missing_folders
from procman.config.read import read_in_place
from procman.core import events
from procman.core.app import ALIVE, App, State
from procman.core.config import AppConfig, Config, Reload
from procman.core.journal import Record
from procman.core.order import with_dependencies
from procman.core.plan import AppChange, Plan, Verb, make_plan, summarise
from procman.core.selection import select
from procman.core.view import spell_time, view
from procman.engine.attaching import attach
from procman.engine.circle import Circle
from procman.engine.context import Context
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
from procman.engine.reload import FileState, Reloader, judge
from procman.engine.stale import Staleness
from procman.engine.succession import Succession, Terminals
from procman.engine.usage import Look, look, shown
from procman.host.base import ANY_PORT, Host
from procman.logs.terminal import Attachment


class Engine:
    """Every app of one file, supervised; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        config: the valid file to begin with.
        version: of its text, so that it is parsed again only once it has changed.
        home: the folder for what is kept.
        environment: what apps inherit.
        on_empty: called once, when a shutdown has ended everything.
        keep: called with a record of everything that happens, for the history.
        history_problem: returns what keeps those from being written, for `status`.
        obstacle: returns why no run of any app may begin now, or None.
        terminals: of runs that go on, which a former manager in this process has passed on.
    """

    def __init__(
        self,
        host: Host,
        config: Config,
        version: str,
        home: Path,
        environment: Mapping[str, str],
        on_empty: Callable[[], None],
        keep: Callable[[Record], None] = lambda record: None,
        history_problem: Callable[[], str | None] = lambda: None,
        obstacle: Callable[[], str | None] = lambda: None,
        terminals: Terminals = MappingProxyType({}),
    ) -> None:
        self.config = config
        self.environment = environment
        self.closing = False
        self._finished = False
        self._host = host
        self._on_empty = on_empty
        self._keep = keep
        self._history_problem = history_problem
        self._listeners: list[Callable[[Notice], None]] = []
        self._file = FileState(error=None, applied_at=host.wall())
        self._began = host.now()
        context = Context(host, config.folder)
        self._circle = Circle(
            host, home, config.folder, environment, context, obstacle, self._tell, self._after_round
        )
        self._succession = Succession(host, Records(home / "run", host.boot()))
        for app in config.enabled_apps().values():
            self._circle.add(app)
        self._inherited = self._succession.take_back(self._circle, terminals)
        self._reloader = Reloader(host, config, version, self._on_edit, self._heeds_edits)
        self._staleness = Staleness(config.folder, environment)
        self._closed = host.watch_closed(self._on_listener_closed)

    # What others ask

    def begin(self) -> None:
        """Go on with what a former manager left; until then nothing happens to any app."""
        for inherited in self._inherited:
            self._tell(inherited)
        self._circle.drain()

    def begin_service(self) -> None:
        """Begin, and want every app up but those that a former manager of this boot has left as they were.

        So all start with the machine and after a `down`. After a crash of the manager, what its user had
        stopped stays stopped.
        """
        self.begin()
        self.up(self._succession.unknown, explicit=False, cause="started with the service")

    def hand_over(self) -> Terminals:
        """Let go of every app as it is, for a successor to take back; nothing may be asked any more.

        Returns:
            The terminals of apps, still open: for a successor in this process.
        """
        self._succession.write(self._circle, tuple(self.apps))
        terminals = self._succession.pass_on(self._circle)
        self.let_go()
        return terminals

    def let_go(self) -> None:
        """Do so and write nothing, because a successor is there already."""
        self._finished = self.closing = True
        self._reloader.close()
        if self._closed is not None:
            self._closed.cancel()
        self._circle.release()

    def leave_records(self) -> None:
        """Write the records of all apps again, because their folder was deleted."""
        for problem in self._succession.write(self._circle, tuple(self.apps)):
            self._tell(problem)

    def report(self, text: str) -> None:
        """Tell everybody what has gone wrong with the manager as a whole."""
        self._tell(Problem(None, self._host.wall(), text))

    @property
    def apps(self) -> Mapping[str, App]:
        """The state of every app, in file order; those that are leaving last."""
        return self._circle.apps

    @property
    def configs(self) -> Mapping[str, AppConfig]:
        """The configuration of every app that `apps` has."""
        return self._circle.configs

    def look(self) -> Look:
        """Return what every run uses of the machine now, for `status` to compare with."""
        everyone = self._circle.supervised.values()
        return look(self._host, [each.run for each in everyone if each.run is not None])

    def status(self, before: Look | None = None) -> dict[str, Any]:
        """Return the document of `procman status --json`.

        Args:
            before: an earlier look; with it each app has the keys of `--wide`, and how busy it was since.
        """
        now, wall = self._host.now(), self._host.wall()
        return {
            "manager": {
                "pid": os.getpid(),
                "version": __version__,
                "file": self.config.file,
                "uptime_s": round(now - self._began, 3),
                "config": {
                    "state": self._file.word,
                    "error": self._file.error,
                    "applied_at": spell_time(self._file.applied_at),
                    "waiting": None if self._file.waiting is None else summarise(self._file.waiting),
                },
                "local_file": self.config.local_file,
                "history_problem": self._history_problem(),
            },
            "apps": self._views(now, wall, before),
        }

    def _views(self, now: float, wall: float, before: Look | None) -> list[dict[str, Any]]:
        after = self.look() if before is not None else None
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
            stale = self._staleness.of(supervised, self._file.waiting, now)
            seen = view(
                app, config, now=now, wall=wall, pids=pids, leader=leader, stale=stale, log_problem=problem
            )
            if before is not None and after is not None:
                seen |= shown(run, before, after)
            views.append(seen)
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

    def up(
        self, names: Sequence[str], explicit: bool, cause: str = "started by `procman up`"
    ) -> tuple[str, ...]:
        """Want `names` up, with what they depend on, and return all that is wanted by that.

        Args:
            names: apps of the file.
            explicit: whether somebody named them; else those without `autostart` stay as they are.
            cause: why.
        """
        staying = self._staying(names)
        chosen = [name for name in staying if explicit or self._circle.supervised[name].config.autostart]
        wanted = with_dependencies(chosen, self._dependencies())
        for name in wanted:
            if self._circle.supervised[name].app.state is not State.COMPLETED:
                self._want(name, events.Start(cause))
        self._circle.drain()
        return wanted

    def start(self, names: Sequence[str]) -> tuple[str, ...]:
        """Want `names` up, and what they depend on; return all of them."""
        wanted = with_dependencies(self._staying(names), self._dependencies())
        for name in names:
            self._circle.upkeep.schedules.run_now(self._circle.supervised[name])
        for name in wanted:
            if name in names or self._circle.supervised[name].app.state is not State.COMPLETED:
                self._want(name, events.Start())
        self._circle.drain()
        return wanted

    def stop(self, names: Sequence[str], force: bool = False) -> None:
        """Want `names` down; what others of them depend on goes last."""
        self._circle.stop(names, events.Stop(force=force))
        self._circle.drain()

    def restart(self, names: Sequence[str]) -> None:
        """Give each of `names` a new run."""
        for name in self._staying(names):
            self._circle.upkeep.schedules.run_now(self._circle.supervised[name])
            self._want(name, events.Restarted())
        self._circle.drain()

    def reload(self) -> Reloaded:
        """Read the file now and apply it, or say why not."""
        return self._on_file(self._reloader.read())

    def plan(self, file: str | None = None) -> Plan:
        """Return what a reload would do, also if `file` stood in the place of the project's.

        Raises:
            InvalidConfig: the file on disk is not valid.
        """
        if file is not None:
            return make_plan(self.config, read_in_place(file, self.config.file))
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

    def attach(self, name: str, on_output: Callable[[bytes], None], on_end: Callable[[], None]) -> Attachment:
        """Attach somebody to the terminal of an app's run; raises `NoTerminal`."""
        return attach(self._circle.supervised[name], on_output, on_end)

    def shutdown(self, force: bool = False) -> None:
        """Stop every app, dependents first, and call `on_empty` when all are gone; none that is another's."""
        if self._finished:
            return
        self.closing = True
        self._reloader.close()
        self._circle.stop(self.apps, events.Stop("the manager was asked to stop", force=force))
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

    def _want(self, name: str, event: events.Start | events.Restarted) -> None:
        self._circle.stops.withdraw([name])
        self._circle.put(name, event)

    def _after_round(self, changed: set[str]) -> None:
        for problem in self._succession.write(self._circle, changed):
            self._tell(problem)
        self._finish_if_empty()

    def _finish_if_empty(self) -> None:
        """After a shutdown that has ended everything: let go of all but what can still be asked."""
        if not self.closing or self._finished:
            return
        # From the last one on: they end about in their order, so what is asked after each of a thousand ends
        # is answered by the first that is looked at.
        if any(each.app.state in ALIVE for each in reversed(self._circle.supervised.values())):
            return
        self._finished = True
        if self._closed is not None:
            self._closed.cancel()
        self._circle.release()
        self._succession.forget(self.apps)
        self._on_empty()

    def _on_listener_closed(self, port: int) -> None:
        self._circle.listening.forget()
        ending = f":{port}"
        for supervised in self._circle.supervised.values():
            listens = any(each.endswith(ending) for each in supervised.app.listening)
            if supervised.port == port or listens or port == ANY_PORT:
                self._circle.put(supervised.name, events.Suspected(supervised.app.generation))
        self._circle.drain()

    # The file

    def _heeds_edits(self) -> bool:
        return self.config.manager.reload is not Reload.OFF

    def _on_edit(self, read: Config | InvalidConfig) -> None:
        """Do with an edit what `reload` says: apply it, or tell what it would do."""
        if self.closing or isinstance(read, InvalidConfig):
            self._on_file(read)
            return
        edit = judge(self.config, read)
        if edit.config is read:
            self._on_file(read)
            return
        told, self.config = self._file.waiting, edit.config
        self._file = replace(self._file, error=None, waiting=edit.waiting)
        if edit.waiting is not None and edit.waiting != told:
            self._tell(Reloaded(self._host.wall(), None, summarise(edit.waiting), applied=False))

    def _on_file(self, read: Config | InvalidConfig) -> Reloaded:
        if self.closing:
            return Reloaded(self._host.wall(), None, "not looked at: the manager is stopping")
        if isinstance(read, InvalidConfig):
            notice = Reloaded(self._host.wall(), read.render(), "rejected; the last good file stays in force")
            if self._file.error != notice.error:
                self._file = replace(self._file, error=notice.error, waiting=None)
                self._tell(notice)
            return notice
        plan, was_other = make_plan(self.config, read), self._file.word != "applied"
        lost = self._without_folder(plan, read)
        if lost is not None:
            return self._on_file(lost)
        self._file = FileState(error=None, applied_at=self._host.wall())
        notice = Reloaded(self._host.wall(), None, summarise(plan))
        self.config = read
        for change in sorted(plan.changes, key=lambda change: change.verb is not Verb.RENAME):
            self._apply(change, read)  # renamed ones first: others may depend on the new names
        self._circle.arrange(tuple(read.apps))
        if plan or was_other:
            self._tell(notice)
        self._circle.drain()
        return notice

    def _without_folder(self, plan: Plan, read: Config) -> InvalidConfig | None:
        """Return what is wrong with an edit that ends a run and begins one in a folder which is not there."""
        moved = [
            change.name
            for change in plan.changes
            if change.verb is Verb.RESTART
            and self.apps[change.name].state in ALIVE
            and any(field.key == "cwd" for field in change.fields)
        ]
        try:
            found = missing_folders(read, moved) if moved else ()
        except InvalidConfig as error:  # edited once more since then, and this time wrongly
            return error
        return InvalidConfig(found) if found else None

    def _apply(self, change: AppChange, config: Config) -> None:
        name = change.name
        if change.verb is Verb.REMOVE:
            self._circle.supervised[name].leaving = True
            why = "disabled in the file" if change.fields else "its table has left the file"
            self._circle.stop([name], events.Stop(why))
            return
        app = config.apps[name]
        wanted = app.autostart
        if change.was is not None and not self._circle.rename(change.was, app):
            wanted = self.apps[change.was].wanted
            self._apply(AppChange(change.was, Verb.REMOVE), config)
            change = AppChange(name, Verb.ADD)
        if change.verb is Verb.ADD and name not in self._circle.supervised:
            self._circle.add(app)
            if wanted:
                self._circle.put(name, events.Start("added to the file"))
            return
        supervised = self._circle.supervised[name]
        supervised.config, supervised.leaving = app, False
        supervised.capture.set_budget(app.logs)
        failed = supervised.app.wanted and supervised.app.state is State.FAILED
        if change.verb is Verb.ADD:  # it was removed and is back before it was gone
            if wanted:
                self._want(name, events.Restarted("it is back in the file"))
        elif failed or (change.verb is Verb.RESTART and supervised.app.wanted):
            self._circle.put(name, events.Restarted(f"restarted: {change.keys} changed in the file"))
        elif change.verb in (Verb.LIVE, Verb.RENAME):
            self._circle.watch_log(supervised)
            self._circle.put(name, events.Reconfigured())

    def _dependencies(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(d for d, _ in config.depends_on) for name, config in self.configs.items()}

    def _tell(self, happening: Happening) -> None:
        """Keep what has happened, and tell everyone who listens of what they are to hear."""
        self._keep(record_of(happening))
        if isinstance(happening, Transition | Receipt | Reloaded | Problem):
            for listener in tuple(self._listeners):
                listener(happening)
