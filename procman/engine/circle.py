"""The circle: an event is handled by `core.machine.step`, and its actions are performed at once.

Everything that happens to an app (a request, an exit, an answer to a check, a deadline) comes in through
`post` and is handled in turn; nothing is decided here. Invariants, checked by the tests:

- an app has at most one run, and a run is forgotten only when its tree is proven gone;
- a timer is armed for exactly `App.wake_at`;
- dependents are looked at again after every change of state, in the same round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, assert_never

from procman.core import machine
from procman.core.config import AppConfig, CheckKind, Command, PortPolicy
from procman.core.gate import blocker
from procman.core.machine import ALIVE, App, Event, Moment, State, step
from procman.core.verdict import Listener, Verdict, in_the_way
from procman.engine import output
from procman.engine.ending import TreeEnding
from procman.engine.events import (
    Checked,
    Exited,
    Happening,
    Problem,
    Receipt,
    Signalled,
    Spawned,
    Transition,
)
from procman.engine.journal import is_news
from procman.engine.mending import Mending
from procman.engine.prepare import Prepared
from procman.engine.prober import Prober
from procman.engine.reclaim import Reclaimer
from procman.engine.runs import Runs
from procman.engine.stopping import OrderedStop
from procman.engine.supervised import Supervised
from procman.host.base import Ended, Host
from procman.logs.capture import Capture
from procman.logs.read import first_match
from procman.logs.segments import last_run

CHECKED = frozenset({State.STARTING, State.RUNNING, State.UNHEALTHY})
MOST_OF_A_LINE = 80  # characters of a line of output in a message
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Mapping[str, T], Generic[T]):
    """One attribute of every supervised app, by name, as it is when it is looked at."""

    supervised: dict[str, Supervised]
    take: Callable[[Supervised], T]

    def __getitem__(self, name: str) -> T:
        return self.take(self.supervised[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.supervised)

    def __len__(self) -> int:
        return len(self.supervised)


class Circle:
    """The apps of one project and their inbox; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        home: the folder for what is kept.
        environment: what apps inherit.
        tell: called with everything that happens.
        on_round: called after each round with the apps whose state, wish or run has changed in it.
    """

    def __init__(
        self,
        host: Host,
        home: Path,
        environment: Mapping[str, str],
        tell: Callable[[Happening], None],
        on_round: Callable[[set[str]], None],
    ) -> None:
        self.supervised: dict[str, Supervised] = {}
        self.apps: Mapping[str, App] = Part(self.supervised, lambda each: each.app)
        self.configs: Mapping[str, AppConfig] = Part(self.supervised, lambda each: each.config)
        self.stops = OrderedStop()
        self.runs = Runs(host, home, environment)
        self._host = host
        self._home = home
        self._tell = tell
        self._on_round = on_round
        self._inbox: deque[tuple[str, Event]] = deque()
        self._draining = False
        self._moved: set[str] = set()  # apps whose state has changed since dependents were looked at
        self._changed: set[str] = set()  # apps that have changed in this round
        self._endings: dict[str, TreeEnding] = {}
        self.reclaimer = Reclaimer(host, self.runs.project, tell, self._look_again)
        self._prepared = Prepared(home / "prepared.json")

    def add(self, config: AppConfig) -> Supervised:
        """Take an app in; it is down until somebody wants it up."""
        logs = self._home / "logs"
        capture = Capture(logs, self._home / "run", config.name, config.logs, self._host.wall, self._host.now)
        app = App(generation=last_run(logs / config.name), since=self._host.now())
        mending = Mending(self._host, config.name, capture, self._tell)
        supervised = Supervised(config, capture, mending, app)
        self.supervised[config.name] = supervised
        return supervised

    def arrange(self, names: tuple[str, ...]) -> None:
        """Put the apps in the order of `names`; all others come last."""
        order = [name for name in names if name in self.supervised]
        order += [name for name in self.supervised if name not in names]
        for name in order:
            self.supervised[name] = self.supervised.pop(name)

    def release(self) -> None:
        """Close what is open, and forget nothing that can still be asked."""
        for supervised in self.supervised.values():
            _release(supervised)

    def put(self, name: str, event: Event) -> None:
        """Put an event into the inbox, to be handled in the next round."""
        self._inbox.append((name, event))

    def stop(self, names: Iterable[str], stop: machine.Stop) -> None:
        """Want apps down, from the next round on, each as soon as nothing that depends on it is left."""
        for name in names:
            self.put(name, machine.Unwanted())
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
        moment = Moment(self._host.now(), self._host.chance())
        supervised.app, actions = step(before, event, moment, supervised.config)
        after = supervised.app
        self._tell_of(supervised, event, before)
        if after.state is not before.state:
            self._moved.add(name)
            self._tell(
                Transition(
                    name,
                    self._host.wall(),
                    after.generation,
                    before.state.value,
                    after.state.value,
                    after.reason,
                    after.wanted,
                )
            )
        for action in actions:
            self._perform(supervised, action)
        if actions or after.state is not before.state or after.wanted != before.wanted:
            self._changed.add(name)
        self._arm(supervised)

    def _tell_of(self, supervised: Supervised, event: Event, before: App) -> None:
        """Tell what has happened to a run that is still the present one, before what was decided about it."""
        name, after = supervised.name, supervised.app
        match event:
            case machine.Exited(run, code, signal, at, cause) if run == before.generation:
                self._tell(Exited(name, at, run, code, signal, cause))
            case machine.Probed() if event.generation == before.generation and before.state in CHECKED:
                if is_news(before, event, supervised.config.check.failures):
                    self._tell(
                        Checked(
                            name,
                            self._host.wall(),
                            event.generation,
                            event.outcome,
                            event.detail,
                            event.verdict,
                            after.failures,
                            event.answers,
                        )
                    )

    def _follow_up(self) -> bool:
        """Post what the changes of state mean for others; return whether there was anything."""
        moved, self._moved = self._moved, set()
        if moved:
            for supervised in self.supervised.values():
                depends = any(dependency in moved for dependency, _ in supervised.config.depends_on)
                if depends and supervised.app.state is State.WAITING:
                    self._look(supervised)
        for name in [each.name for each in self.supervised.values() if each.leaving]:
            if self.supervised[name].app.state not in ALIVE:
                _release(self.supervised.pop(name))
                self._changed.add(name)
        for name, stop in self.stops.ready(self.apps, self.configs):
            self.put(name, stop)
        return bool(self._inbox)

    def _perform(self, supervised: Supervised, action: machine.Action) -> None:
        match action:
            case machine.Look():
                self._look(supervised)
            case machine.Spawn(generation):
                self._begin(supervised, generation, supervised.config.command)
            case machine.Prepare(generation):
                assert supervised.config.prepare is not None, "a prepare is due only where one is declared"
                self._begin(supervised, generation, supervised.config.prepare)
            case machine.RecordPrepared():
                self._record_prepared(supervised)
            case machine.Probe():
                self._probe(supervised)
            case machine.Terminate(_, signal):
                self._ending(supervised).begin(signal)
            case machine.Kill():
                self._ending(supervised).force()
            case _ as unreachable:
                assert_never(unreachable)

    def _arm(self, supervised: Supervised) -> None:
        at = supervised.app.wake_at
        if at == supervised.timer_at:
            return
        if supervised.timer is not None:
            supervised.timer.cancel()
        supervised.timer_at = at
        supervised.timer = None if at is None else self._host.call_at(at, lambda: self._due(supervised))

    def _due(self, supervised: Supervised) -> None:
        supervised.timer = supervised.timer_at = None
        self.post(supervised.name, machine.Due())

    def _look(self, supervised: Supervised) -> None:
        """Answer a waiting app: what holds it, or that nothing does."""
        config = supervised.config
        if self.stops.holds(config.name):
            return
        reason = blocker(config, self.apps)
        event: Event = machine.Held(reason) if reason is not None else self._look_at_port(config)
        self.put(config.name, event)

    def _look_again(self) -> None:
        """Look at every waiting app: what it waits for may be over."""
        for supervised in self.supervised.values():
            if supervised.app.state is State.WAITING:
                self._look(supervised)
        self.drain()

    def _look_at_port(self, config: AppConfig) -> Event:
        if config.port is not None and config.port_policy is not PortPolicy.FOLLOW:
            listener = in_the_way(self._host.listeners(), config.port)
            if listener is not None:
                holder = self._host.holder(listener) or "a process that can't be told"
                reason = f"waits for port {config.port}: {listener} is held by {holder}"
                if config.port_policy is PortPolicy.RECLAIM and self._reclaim(config, listener):
                    return machine.Held(
                        f"{reason}, an orphan of this project that is being ended", recheck=True
                    )
                return machine.Held(reason, recheck=True, verdict=Verdict.STRANGER)
        return machine.Cleared(prepare=self._prepared.is_due(config))

    def _reclaim(self, config: AppConfig, listener: Listener) -> bool:
        current = {each.run.marker for each in self.supervised.values() if each.run is not None}
        return self.reclaimer.reclaim(listener, current, config)

    def _begin(self, supervised: Supervised, generation: int, command: Command) -> None:
        supervised.exited = False
        supervised.log_matched = False
        on_exit = self.on_exit(supervised, generation)
        failed = self.runs.begin(supervised, generation, command, on_exit)
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
        self.put(supervised.name, machine.Spawned(generation))

    def on_exit(self, supervised: Supervised, generation: int) -> Callable[[Ended], None]:
        """Return what is to be called when the first process of this run has ended."""

        def on_exit(ended: Ended) -> None:
            if supervised.app.generation != generation:
                return  # that run is over, and another one may have begun
            supervised.exited = True
            supervised.capture.drain()  # all that it printed is in its log before its exit is known
            self.post(
                supervised.name, machine.Exited(generation, ended.code, ended.signal, self._host.wall())
            )
            ending = self._endings.get(supervised.name)
            if ending is not None:
                ending.leader_reaped()

        return on_exit

    def attach(self, supervised: Supervised) -> None:
        """Read what the app's run prints from now on."""
        output.follow(self._host, supervised)
        self.watch_log(supervised)

    def watch_log(self, supervised: Supervised) -> None:
        """Wait for the line that ends the start of an app, if that is its check; it may be there already."""
        check, generation = supervised.config.check, supervised.app.generation
        if check.kind is not CheckKind.LOG or check.pattern is None or supervised.run is None:
            return

        def matched(line: str) -> None:
            supervised.log_matched = True
            detail = f"a line matched `{check.pattern}`: {line.strip()[:MOST_OF_A_LINE]}"
            self.post(supervised.name, machine.Probed(generation, machine.Outcome.UP, detail))

        supervised.capture.watch(check.pattern, matched)
        if supervised.app.state not in (State.STARTING, State.UNHEALTHY):
            return
        found = first_match(self._home / "logs", supervised.name, generation, check.pattern)
        if found is not None:
            supervised.capture.unwatch()
            matched(found)

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

        def on_probed(probed: machine.Probed) -> None:
            self.post(supervised.name, probed)

        prober = Prober(self._host, supervised, lambda: self.runs.environment(supervised.config), on_probed)
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
                number=generation,
                leader_reaped=supervised.exited,
                on_gone=lambda receipt: self._on_gone(supervised, receipt),
                on_survivors=self._tell,
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
        self.put(supervised.name, machine.Gone(supervised.app.generation))
        self.drain()


def _release(supervised: Supervised) -> None:
    """Let go of the timers and the files of an app, whatever lives of it."""
    for pending in (supervised.timer, supervised.probe):
        if pending is not None:
            pending.cancel()
    output.unfollow(supervised)
    supervised.capture.close()
