"""Ends the tree of a run and proves it: signal, watch every member, look again, until none is left.

A leader that is gone says nothing about its children (npm dies in 50 ms, the server below it drains for
3 s), and a child may fork while it is being killed. So each look signals what the looks before have not
seen, and only an empty look ends it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from procman.core.identity import Identity, Member
from procman.core.receipt import Ended, Receipt
from procman.engine.listening import Listening
from procman.host.base import Cancellable, Host, Run, Unseen

FORCE = "SIGKILL"
PATIENCE = (
    5.0  # seconds after SIGKILL until what still lives is called a survivor: a core dump takes its time
)
BLIND = 0.2  # seconds until the next look, where there was no room for one


class TreeEnding:
    """The end of one run, from the first signal to the proof; owned by the event loop's thread.

    Args:
        host: the operating system.
        app: whose run it is, for the receipt.
        run: what is to be ended.
        port: what is to be free afterwards.
        listening: who listens on it.
        number: of the run; None for what belongs to no present run of the app.
        leader_reaped: whether the exit of its first process is known.
        on_gone: called once, with the proof that nothing is left.
        on_survivors: called with what outlives SIGKILL, once for as long as that stays the same.
        on_signal: called with every signal that was sent, and whom it reached.
        on_look: called once with the living processes, before the first of them is signalled; not for a run
            that is killed at once.
    """

    def __init__(
        self,
        host: Host,
        app: str,
        run: Run,
        port: int | None,
        listening: Listening,
        *,
        number: int | None = None,
        leader_reaped: bool,
        on_gone: Callable[[Receipt], None],
        on_survivors: Callable[[Receipt], None],
        on_signal: Callable[[str, tuple[Member, ...]], None] = lambda signal, reached: None,
        on_look: Callable[[tuple[Member, ...]], None] | None = None,
    ) -> None:
        self._host = host
        self._app = app
        self._run = run
        self._port = port
        self._listening = listening
        self._number = number
        self._on_gone = on_gone
        self._on_survivors = on_survivors
        self._on_signal = on_signal
        self._on_look = on_look
        self._began = host.now()
        self._forced_at: float | None = None
        self._signal = ""
        self._signalled: set[Identity] = set()
        self._seen: dict[Identity, Member] = {}
        self._killed: set[Identity] = set()
        self._watch: Cancellable | None = None
        self._reaped = leader_reaped
        self._told: tuple[str, ...] = ()  # survivors, as they were told
        self._over = False

    def begin(self, signal: str, seen: tuple[Member, ...] = ()) -> None:
        """Send `signal` to the whole tree; with nobody left to send it to, the run is over at once.

        Args:
            signal: its name.
            seen: the tree, as a look for many runs has just found it; if that was nobody, it is looked at.
        """
        self._signal = signal
        self._signalled.clear()
        self._look(seen)

    def force(self) -> None:
        """Send SIGKILL to every process that still lives, and to those that appear from now on."""
        self._on_look = None
        now = self._host.now()
        if self._forced_at is None:
            self._forced_at = now
        elif now - self._forced_at >= PATIENCE:
            self._tell_survivors()
        self._signal = FORCE
        self._signalled.clear()
        with suppress(Unseen):
            self._note(self._host.kill(self._run))
        self._look()

    def _tell_survivors(self) -> None:
        """Tell what outlives SIGKILL, once for as long as it stays the same."""
        survivors: tuple[str, ...] = ()
        with suppress(Unseen):
            survivors = tuple(f"{m.name} {m.pid} (state {m.state})" for m in self._host.tree(self._run))
        if survivors and survivors != self._told:
            self._told = survivors
            self._on_survivors(self._receipt(survivors))

    def leader_reaped(self) -> None:
        """Note that the run's first process was reaped: only now its exit is known."""
        self._reaped = True
        self._look()

    def cancel(self) -> None:
        """Stop watching; the run stays as it is."""
        self._over = True
        self._watch_for(None)

    def _watch_for(self, watch: Cancellable | None) -> None:
        """Wait for this, and for nothing else any more."""
        if self._watch is not None:
            self._watch.cancel()
        self._watch = watch

    def _look(self, seen: tuple[Member, ...] = ()) -> None:
        """Signal what was not signalled yet, and watch; an empty look is the proof, a blind one is none."""
        if self._over:
            return
        self._watch_for(None)
        try:
            self._signal_and_watch(seen or self._host.tree(self._run))
        except Unseen:
            self._watch = self._host.call_at(self._host.now() + BLIND, self._look)

    def _signal_and_watch(self, members: tuple[Member, ...]) -> None:
        look, self._on_look = self._on_look, None
        if look is not None:
            look(members)
        # Also who is gone before its turn: npm passes SIGTERM on to its shell, which ends at once.
        self._seen.update((member.identity, member) for member in members)
        fresh = [member for member in members if member.identity not in self._signalled]
        if fresh:
            self._note(self._host.signal(fresh, self._signal))
            self._signalled.update(member.identity for member in fresh)
        if not self._reaped and [member.identity for member in members] == [self._run.leader]:
            return  # its end is told, and what it forks until then is found then
        if members:  # what they fork until one of them ends is found then
            self._watch = self._host.when_one_ends(members, self._look)
        elif self._reaped:
            self.cancel()
            self._on_gone(self._receipt(()))

    def _note(self, reached: tuple[Member, ...]) -> None:
        for member in reached:
            self._seen[member.identity] = member
            if self._signal == FORCE:
                self._killed.add(member.identity)
        if reached:
            self._on_signal(self._signal, reached)

    def _receipt(self, survivors: tuple[str, ...]) -> Receipt:
        ended = tuple(
            Ended(member.name, member.pid, member.identity in self._killed) for member in self._seen.values()
        )
        port = self._port
        if port is not None and self._listening.recent() is None:
            port = None  # what can't be told is not said
        return Receipt(
            app=self._app,
            at=self._host.wall(),
            ended=ended,
            took_s=self._host.now() - self._began,
            forced_after_s=None if self._forced_at is None else self._forced_at - self._began,
            port=port,
            port_holder=None if survivors or port is None else self._port_holder(port),
            survivors=survivors,
            run=self._number,
        )

    def _port_holder(self, port: int) -> str | None:
        listener = self._listening.in_the_way(port)
        if listener is None:
            return None
        holder = self._host.holder(listener)
        return str(holder) if holder is not None else "a process that can't be told"
