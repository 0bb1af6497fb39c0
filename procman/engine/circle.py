"""The circle: an event is handled by `core.machine.step`, and its actions are performed at once.

Everything that happens to an app (a request, an exit, an answer to a check, a deadline) comes in through
`post` and is handled in turn; nothing is decided here. Invariants, checked by the tests:

- an app has at most one run, and a run is forgotten only when its tree is proven gone;
- a timer is armed for exactly `App.wake_at`;
- dependents are looked at again after every change of state, in the same round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import assert_never

from procman.core import actions, events
from procman.core.app import ALIVE, App, State
from procman.core.config import AppConfig, Command, PortPolicy
from procman.core.events import Event, Moment
from procman.core.gate import blocker
from procman.core.identity import Member
from procman.core.machine import step
from procman.core.verdict import Listener, Verdict
from procman.engine import evidence, line_check, output, turn
from procman.engine.context import Context
from procman.engine.ending import TreeEnding
from procman.engine.events import Happening, Problem, Receipt, Signalled, Spawned
from procman.engine.journal import observed, transition_of
from procman.engine.listening import Listening
from procman.engine.mending import Mending
from procman.engine.prepare import Prepared
from procman.engine.prober import Prober
from procman.engine.reclaim import Reclaimer
from procman.engine.remedies import Remedies
from procman.engine.renaming import go_on, move_files
from procman.engine.rounds import Rounds
from procman.engine.runs import Runs
from procman.engine.stopping import OrderedStop
from procman.engine.supervised import Part, Supervised
from procman.engine.turn import Turn
from procman.engine.upkeep import Upkeep
from procman.host.base import Ended, Host
from procman.logs.capture import Capture
from procman.logs.segments import last_run


class Circle:
    """The apps of one project and their inbox; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        home: the folder for what is kept.
        folder: of the project.
        environment: what apps inherit.
        context: what goes on around them.
        obstacle: returns why no run may begin now, or None.
        tell: called with everything that happens.
        on_round: called after each round with the apps whose state, wish or run has changed in it.
    """

    def __init__(
        self,
        host: Host,
        home: Path,
        folder: str,
        environment: Mapping[str, str],
        context: Context,
        obstacle: Callable[[], str | None],
        tell: Callable[[Happening], None],
        on_round: Callable[[set[str]], None],
    ) -> None:
        self.supervised: dict[str, Supervised] = {}
        self.apps: Mapping[str, App] = Part(self.supervised, lambda each: each.app)
        self.configs: Mapping[str, AppConfig] = Part(self.supervised, lambda each: each.config)
        self.stops = OrderedStop()
        self.listening = Listening(host)
        self._rounds = Rounds(self.listening)
        self.runs = Runs(host, home, environment, self._is_marked)
        self.context = context
        self._host = host
        self._home = home
        self._obstacle = obstacle
        self._tell = tell
        self._capture = partial(Capture, home / "logs", home / "run", wall=host.wall, monotonic=host.now)
        self._on_round = on_round
        self._inbox: deque[tuple[str, Event]] = deque()
        self._draining = False
        self._turn = Turn(host, self._look_again)
        self._waiting: dict[str, None] = {}  # apps in that state; those with dependencies look at them
        self._moved: set[str] = set()  # apps whose state has changed since then
        self._handled: dict[str, None] = {}  # apps that something has happened to since then
        self._changed: set[str] = set()  # apps that have changed in this round
        self._endings: dict[str, TreeEnding] = {}
        self._looked: dict[str, tuple[Member, ...]] = {}  # the trees of what is checked, or stopped, together
        self.reclaimer = Reclaimer(host, self.runs.project, tell, self._look_again)
        self._prepared = Prepared(home / "prepared.json")
        self._remedies = Remedies(
            host,
            home / "logs",
            Path(folder),
            self.runs.environment,
            context.why_busy,
            self._prepared.is_due,
            self.post,
            tell,
        )
        self.upkeep = Upkeep(host, home, self.post, tell)

    def add(self, config: AppConfig) -> Supervised:
        """Take an app in; it is down until somebody wants it up."""
        app = App(generation=last_run(self._home / "logs" / config.name), since=self._host.now())
        supervised = Supervised(config, *self._capturing(config), app)
        self.supervised[config.name] = supervised
        return supervised

    def _capturing(self, config: AppConfig) -> tuple[Capture, Mending]:
        capture = self._capture(config.name, config.logs)
        return capture, Mending(self._host, config.name, capture, self._tell)

    def rename(self, old: str, config: AppConfig) -> bool:
        """Go on with an app under another name, its run untouched; return whether that can be."""
        supervised, new = self.supervised[old], config.name
        is_ending = supervised.leaving or old in self._endings or self.stops.holds(old)
        if is_ending or new in self.supervised or not move_files(self._home, supervised, new):
            return False
        self._remedies.forget(old)
        self.upkeep.rename(old, new)
        self._prepared.rename(old, new)
        self.supervised[new] = self.supervised.pop(old)
        if old in self._waiting:
            del self._waiting[old]
            self._waiting[new] = None
        supervised.config = config
        supervised.capture, supervised.mending = self._capturing(config)
        try:
            go_on(supervised)
        except OSError:
            self.put(new, events.Restarted("its output could not be read any more"))
        self.attach(supervised)
        self._moved.add(new)
        self._changed |= {old, new}
        return True

    def _is_marked(self, marker: str) -> bool:
        return any(each.run is not None and each.run.marker == marker for each in self.supervised.values())

    def _markers(self) -> set[str]:
        return {each.run.marker for each in self.supervised.values() if each.run is not None}

    def arrange(self, names: tuple[str, ...]) -> None:
        """Put the apps in the order of `names`; all others come last."""
        order = [name for name in names if name in self.supervised]
        order += [name for name in self.supervised if name not in names]
        for name in order:
            self.supervised[name] = self.supervised.pop(name)

    def release(self) -> None:
        """Close what is open, and forget nothing that can still be asked."""
        self._turn.release()
        self._remedies.release()
        self.upkeep.release()
        for supervised in self.supervised.values():
            output.release(supervised)

    def put(self, name: str, event: Event) -> None:
        """Put an event into the inbox, to be handled in the next round."""
        self._inbox.append((name, event))

    def stop(self, names: Iterable[str], stop: events.Stop) -> None:
        """Want apps down, from the next round on, each as soon as nothing that depends on it is left."""
        for name in names:
            self.put(name, events.Unwanted())
            self.stops.add([name], stop)

    def post(self, name: str, event: Event) -> None:
        """Put an event into the inbox and handle it, unless a round is under way, which will."""
        self.put(name, event)
        self.drain()

    def drain(self) -> None:
        """Handle what is in the inbox, and what follows from it, until nothing does."""
        if self._draining:
            return
        self._draining = True
        try:
            while self._inbox or self._follow_up():
                while self._inbox:
                    self._handle(*self._inbox.popleft())
                self._looked = {}
        finally:
            self._draining = False
        changed, self._changed = self._changed, set()
        if changed:
            self._on_round(changed)

    def _handle(self, name: str, event: Event) -> None:
        supervised = self.supervised.get(name)
        if supervised is None:
            return
        before = supervised.app
        if isinstance(event, events.Cleared) and self._turn.is_over():
            event = events.Held(turn.REASON)
        moment = Moment(self._host.now(), self._host.chance())
        supervised.app, actions = step(before, event, moment, supervised.config)
        after = supervised.app
        wall, allowed = self._host.wall(), supervised.config.check.failures
        seen = observed(name, event, before, after, wall, allowed)
        if seen is not None:
            self._tell(seen)
        if after.state is not before.state:
            self._moved.add(name)
            self._tell(transition_of(name, before, after, wall))
        for action in actions:
            self._perform(supervised, action)
        if actions or after.state is not before.state or after.wanted != before.wanted:
            self._changed.add(name)
        self._handled[name] = None
        if after.state is State.WAITING:
            self._waiting[name] = None
        else:
            self._waiting.pop(name, None)
        self._arm(supervised)
        self._remedies.tend(supervised)
        self.upkeep.tend(supervised)

    def _follow_up(self) -> bool:
        """Post what the changes of state mean for others; return whether there was anything."""
        moved, self._moved = self._moved, set()
        handled, self._handled = self._handled, {}
        for name in self._waiting if moved else ():
            supervised = self.supervised[name]
            if any(dependency in moved for dependency, _ in supervised.config.depends_on):
                self._look(supervised)
        for name in handled:
            supervised = self.supervised[name]
            if supervised.leaving and supervised.app.state not in ALIVE:
                output.release(self.supervised.pop(name))
                self._waiting.pop(name, None)
                self._changed.add(name)
        ready = self.stops.ready(self.apps, self.configs)
        self._look_at_all(name for name, _ in ready)
        for name, stop in ready:
            self.put(name, stop)
        return bool(self._inbox)

    def _perform(self, supervised: Supervised, action: actions.Action) -> None:
        match action:
            case actions.Look():
                self._look(supervised)
            case actions.Spawn(generation):
                self._begin(supervised, generation, supervised.config.command)
            case actions.Prepare(generation):
                assert supervised.config.prepare is not None, "a prepare is due only where one is declared"
                self._begin(supervised, generation, supervised.config.prepare)
            case actions.RecordPrepared():
                self._record_prepared(supervised)
            case actions.Probe():
                self._probe(supervised)
            case actions.Terminate(_, signal):
                self._ending(supervised).begin(signal, self._looked.get(supervised.name, ()))
            case actions.Kill():
                self._ending(supervised).force()
            case _ as unreachable:
                assert_never(unreachable)

    def _arm(self, supervised: Supervised) -> None:
        at = supervised.app.wake_at
        if at == supervised.timer_at:
            return
        if supervised.timer is not None:
            self.context.woke(supervised.timer_at)
            supervised.timer.cancel()
        supervised.timer_at = at
        supervised.timer = None if at is None else self._host.call_at(at, lambda: self._due(supervised))

    def _due(self, supervised: Supervised) -> None:
        overslept = self.context.overslept(supervised)
        supervised.timer = supervised.timer_at = None
        if overslept is not None:
            self.post(supervised.name, overslept)
            return
        now = self._host.now()
        same, others = self._rounds.split(supervised, self.supervised.values(), now)
        for each in same:  # of which there is nothing to tell
            unchanged = events.Unchanged(each.app.generation)
            each.app, _ = step(each.app, unchanged, events.Moment(now), each.config)
            self._arm(each)
        for each in others:
            self.put(each.name, events.Due())
        self._look_at_all(each.name for each in others)  # whose checks are made now
        self.drain()

    def _look_at_all(self, names: Iterable[str]) -> None:
        """Look at the trees of several apps together, for what is done with them in this round."""
        found = ((name, self.supervised[name].run) for name in names if name in self.supervised)
        runs = {name: run for name, run in found if run is not None}
        if len(runs) > 1:
            self._looked = dict(zip(runs, self._host.trees(tuple(runs.values())), strict=True))

    def _look(self, supervised: Supervised) -> None:
        """Answer a waiting app: what holds it, or that nothing does."""
        config = supervised.config
        if self.stops.holds(config.name):
            return
        held = self.upkeep.schedules.why_wait(supervised)
        if held is None and (reason := blocker(config, self.apps)) is not None:
            held = events.Held(reason)
        self.put(config.name, held or self._look_around(config))

    def _look_again(self) -> None:
        """Look at every waiting app: what it waits for may be over."""
        for supervised in self.supervised.values():
            if supervised.app.state is State.WAITING:
                self._look(supervised)
        self.drain()

    def _look_around(self, config: AppConfig) -> Event:
        if (obstacle := self._obstacle()) is not None:
            return events.Held(obstacle, recheck=True)
        if config.port is not None and config.port_policy is not PortPolicy.FOLLOW:
            listener = self.listening.in_the_way(config.port)
            if listener is not None:
                holder = self._host.holder(listener) or "a process that can't be told"
                reason = f"waits for port {config.port}: {listener} is held by {holder}"
                if config.port_policy is PortPolicy.RECLAIM and self._reclaim(config, listener):
                    return events.Held(
                        f"{reason}, an orphan of this project that is being ended", recheck=True
                    )
                return events.Held(reason, recheck=True, verdict=Verdict.STRANGER)
        paused = self.context.pause(self.apps[config.name], config.cwd)
        return paused or events.Cleared(prepare=self._prepared.is_due(config))

    def _reclaim(self, config: AppConfig, listener: Listener) -> bool:
        return self.reclaimer.reclaim(listener, self._markers(), config)

    def _begin(self, supervised: Supervised, generation: int, command: Command) -> None:
        supervised.exited = False
        supervised.log_matched = False
        supervised.checks = ()
        on_exit = self.on_exit(supervised, generation)
        failed = self.runs.begin(supervised, generation, command, on_exit, self._remedies.of_spawn)
        if failed is not None:
            supervised.exited = True
            self.put(supervised.name, failed)
            return
        self.attach(supervised)
        assert supervised.run is not None, "a run that began is there"
        self._tell(
            Spawned(
                supervised.name,
                self._host.wall(),
                generation,
                supervised.run.leader.pid,
                command.text,
                supervised.config.cwd,
                supervised.app.cause,
                prepare=command is supervised.config.prepare,
            )
        )
        self.put(supervised.name, events.Spawned(generation))

    def on_exit(self, supervised: Supervised, generation: int) -> Callable[[Ended], None]:
        """Return what is to be called when the first process of this run has ended."""

        def on_exit(ended: Ended) -> None:
            if supervised.app.generation != generation:
                return  # that run is over, and another one may have begun
            supervised.exited = True
            with suppress(OSError):  # its exit is known whatever becomes of its output
                supervised.capture.drain()  # all that it printed is in its log before that
            cause = self._remedies.of_exit(supervised, ended)
            exited = events.Exited(generation, ended.code, ended.signal, self._host.wall(), cause)
            ending = self._endings.get(supervised.name)  # one that is begun by this exit knows of it
            self.post(supervised.name, exited)
            if ending is not None:
                ending.leader_reaped()

        return on_exit

    def attach(self, supervised: Supervised) -> None:
        """Read what the app's run prints from now on."""
        output.follow(self._host, supervised)
        self.watch_log(supervised)

    def watch_log(self, supervised: Supervised) -> None:
        """Wait for the line that ends the start of an app, if that is its check; it may be there already."""

        def on_probed(probed: events.Probed) -> None:
            evidence.remember(self._host, supervised, probed, self._host.now())
            self.put(supervised.name, probed)
            if not looks_back:
                self.drain()

        looks_back = True  # a new manager decides nothing before it has taken back every app
        line_check.wait_for_line(self._host, supervised, on_probed, self._tell)
        looks_back = False

    def _record_prepared(self, supervised: Supervised) -> None:
        try:
            self._prepared.succeed(supervised.config)
        except OSError as error:
            self._tell(
                Problem(
                    supervised.name, self._host.wall(), f"its `prepare` will run again: {error}, ignoring"
                )
            )

    def _probe(self, supervised: Supervised) -> None:
        if supervised.probe is not None:
            supervised.probe.cancel()
        began, config = self._host.now(), supervised.config

        def on_probed(probed: events.Probed) -> None:
            supervised.probe = None
            evidence.remember(self._host, supervised, probed, began)
            supervised.checked_with, supervised.connected_at = config, began
            self.post(supervised.name, self._remedies.of_check(supervised, probed))

        environment = partial(self.runs.environment, supervised.config)
        looked = self._looked.get(supervised.name, ())
        prober = Prober(self._host, self.listening, supervised, looked, environment, self.context, on_probed)
        supervised.probe = prober
        prober.begin()

    def _ending(self, supervised: Supervised) -> TreeEnding:
        """Return the ending of the app's run, which is begun if it is not."""
        name, generation = supervised.name, supervised.app.generation
        if name not in self._endings:
            assert supervised.run is not None, "only a run is ended"
            if supervised.probe is not None:
                supervised.probe.cancel()
            self._endings[name] = TreeEnding(
                self._host,
                name,
                supervised.run,
                supervised.port,
                self.listening,
                number=generation,
                leader_reaped=supervised.exited,
                on_gone=lambda receipt: self._on_gone(supervised, receipt),
                on_survivors=self._tell,
                on_look=lambda members: evidence.examine(self._host, supervised, members, self._tell),
                on_signal=lambda signal, reached: self._tell(
                    Signalled(
                        name,
                        self._host.wall(),
                        generation,
                        signal,
                        tuple(f"{each.name} {each.pid}" for each in reached),
                    )
                ),
            )
        return self._endings[name]

    def _on_gone(self, supervised: Supervised, receipt: Receipt) -> None:
        del self._endings[supervised.name]
        output.unfollow(supervised)
        supervised.capture.end()
        supervised.run = None
        if receipt.ended:
            self._tell(receipt)
        self.put(supervised.name, events.Gone(supervised.app.generation))
        self.drain()
