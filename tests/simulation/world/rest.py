"""What has to hold at the end: all comes to rest as it should be, stays so, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from procman.core.app import State
from procman.core.config import Condition, Restart
from procman.engine.supervised import Supervised
from tests.simulation.world.bounds import SLACK, end_budget, own_bound
from tests.simulation.world.happenings import calm_down
from tests.simulation.world.table import SERVERS, Table
from tests.simulation.world.watched import Broken, WatchedHost

if TYPE_CHECKING:
    from tests.simulation.world.play import World

QUIET = 12.0  # s in which nothing may happen once everything is as it should be


class Rest:
    """The end of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def _now(self) -> float:
        return self._world.machine.now

    def _everyone(self) -> dict[str, Supervised]:
        return self._world.promises.everyone()

    def calm(self) -> None:
        """Once nothing happens any more, everything comes to rest as it should be, and stays so."""
        world = self._world
        world.story.note(self._now, "all trouble ends")
        calm_down(world)
        if world.manager is not None and world.manager.closing:
            self._wait_for_the_end()
        if world.manager is None:
            world.manage()
            assert world.manager is not None, "the file is valid"
            world.story.note(self._now, "a manager comes")
        configs = world.manager.configs.values()
        end = self._now + sum(own_bound(each) for each in configs)
        while (unsettled := self._unsettled()) and self._now < end:
            world.machine.advance(0.5)
        if unsettled:
            raise Broken("everything comes to rest within its bound", "; ".join(unsettled))
        self._stays()

    def _stays(self) -> None:
        """Look whether anything moves that has no reason to."""
        before = {name: each.app for name, each in self._everyone().items()}
        self._world.machine.advance(QUIET)
        for name, supervised in self._everyone().items():
            table = self._world.table(name)
            stays = table is not None and table.comes_up and table.schedule is None
            was_up = name in before and before[name].state is State.RUNNING
            if stays and was_up and supervised.app.generation != before[name].generation:
                raise Broken(
                    "what is well is left alone", f"{name} was started again: {supervised.app.cause}"
                )
        if unsettled := [each for each in self._unsettled() if not self._may_flap(each.split()[0])]:
            raise Broken("what is well stays well", "; ".join(unsettled))

    def _may_flap(self, name: str) -> bool:
        """Return whether an app, or one that it depends on, has a program that ends by nature."""
        table = self._world.table(name)
        if table is None or not table.comes_up or table.schedule is not None:
            return True
        return any(self._may_flap(other) for other, _ in table.depends_on)

    def _unsettled(self) -> list[str]:
        """Return what is not as it should be, in words that begin with the name of the app."""
        found = []
        for name, supervised in self._everyone().items():
            why = "is still there" if supervised.leaving else self._why_unsettled(name, supervised)
            if why is not None:
                found.append(f"{name} {why}, {supervised.app.state.value}: {supervised.app.reason}")
        return found

    def _why_unsettled(self, name: str, supervised: Supervised) -> str | None:
        """Return why an app is not where all that was asked and its program lead it, or None."""
        app, config = supervised.app, supervised.config
        if not self._world.truth.wish.get(name, False):
            return None if app.state is State.STOPPED else "is not wanted"
        table = self._table(name)
        match app.state:
            case State.RUNNING:
                marker = self._world.truth.marker(name)
                well = marker is not None and self._world.truth.conditions[marker].now == "good"
                if self._world.promises.upkeep.is_over(supervised):
                    return "has too much memory"
                return None if well or not table.comes_up else "is not well"
            case State.FAILED:
                return None  # with a reason: that was looked at when it happened
            case State.COMPLETED:
                return None  # likewise
            case State.WAITING if app.starts_at is not None:
                return None  # for its time
            case State.WAITING:
                met = all(self._comes(other, how) for other, how in config.depends_on)
                return "has all that it waits for" if met else None
            case State.UNHEALTHY:
                return None if config.restart is Restart.NEVER else "is not well"
            case State.STOPPED | State.STOPPING:
                return "is wanted"
            case State.PREPARING if any(each.stopped for each in self._world.processes(name)):
                return None  # no time is set for a `prepare`, and it stands still
            case State.BACKOFF | State.STARTING | State.PREPARING:
                return "should be up" if self._should_come_up(name) else None

    def _table(self, name: str) -> Table:
        table = self._world.table(name)
        assert table is not None, "the file is applied"
        return table

    def _should_come_up(self, name: str) -> bool:
        table = self._table(name)
        serves = table.program in SERVERS
        return table.comes_up and (table.port is not None) == serves and table.start_timeout > table.up_after

    def _comes(self, name: str, how: Condition) -> bool:
        """Return whether an app has reached, for good, what another one waits for."""
        found = self._everyone().get(name)
        if found is None or found.leaving:
            return False
        if how is Condition.COMPLETED:
            ended = found.app.last_exit  # unseen, it is not believed to have been well
            return found.app.state is State.COMPLETED and ended is not None and ended.code == 0
        return found.app.state is State.RUNNING and self._should_come_up(name)

    def close_down(self) -> None:
        """`procman down` ends everything within its budget, and leaves nothing behind."""
        engine = self._world.manager
        assert engine is not None, "it was there until now"
        self._world.truth.asked_down(tuple(engine.apps))
        self._world.promises.closes_down = True
        engine.shutdown()
        self._world.truth.update()
        self._wait_for_the_end()

    def _wait_for_the_end(self) -> None:
        assert self._world.manager is not None, "there is a manager"
        budget = sum(end_budget(each) for each in self._world.manager.configs.values()) + SLACK
        end = self._now + budget
        while self._world.manager is not None and self._now < end:
            self._world.machine.advance(0.1)
        if self._world.manager is not None:
            left = {name: each.app.state.value for name, each in self._everyone().items()}
            raise Broken("every stop ends within its budget", f"not down after {budget:g}s: {left}")

    def nothing_is_left(self, host: WatchedHost) -> None:
        """Look at what a manager leaves that has ended everything."""
        for process in self._world.ours():
            raise Broken("nothing is left of what was stopped", f"`{process.command}` {process.pid}")
        if timers := host.timers():
            raise Broken("no timer is left behind", f"{len(timers)} after the end: {timers[0].callback}")
        if host.open_watches():
            raise Broken("no watch is left behind", f"{host.open_watches()} after the end")
