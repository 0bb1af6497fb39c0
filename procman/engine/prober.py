"""Makes the check of one app: first whose port it is, then whether it answers, then one verdict.

A stranger is never sent a request: the kernel's list of listeners says who holds the port, for 0.1 ms
(measured with 100 listeners: 0.27 ms). Where nobody does, an app that was up is connected to nevertheless, so
that its record has what each address answered and not what the list made likely.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from procman.config.diagnostics import InvalidConfig
from procman.core.app import Outcome, State
from procman.core.config import Check, CheckKind, PortPolicy
from procman.core.events import Probed
from procman.core.identity import Member
from procman.core.verdict import Judgement, Listener, Verdict, follow, is_loopback, judge
from procman.engine import line_check
from procman.engine.context import Context, held
from procman.engine.listening import Listening, Seen
from procman.engine.runs import rights_of
from procman.engine.supervised import Supervised
from procman.host.base import Answer, Cancellable, Health, Host, ProbeOrder, Unseen

SETTLE = 0.02  # seconds after a connect until the first look at the accept queue; doubles
KNOCK = 0.05  # s for a loopback to refuse: 50 us, unless a firewall drops what it is sent


class Prober:
    """One check of one run; answers once through `on_probed`. Owned by the event loop's thread."""

    def __init__(
        self,
        host: Host,
        listening: Listening,
        supervised: Supervised,
        members: tuple[Member, ...],
        environment: Callable[[], dict[str, str]],
        context: Context,
        on_probed: Callable[[Probed], None],
    ) -> None:
        self._host = host
        self._listening = listening
        self._supervised = supervised
        self._config = supervised.config
        self._generation = supervised.app.generation
        self._run = supervised.run
        self._starting = supervised.app.state is State.STARTING
        self._never_up = (
            supervised.app.healthy_since is None
        )  # of this run; also once its start has timed out
        self._passed_with = supervised.app.sockets
        self._environment = environment
        self._context = context
        self._on_probed = on_probed
        self._pending: Cancellable | None = None
        self._shared = members  # as just seen in a look at several runs, if there was one
        self._members: tuple[Member, ...] = ()
        self._judgement = Judgement(Verdict.UNKNOWN)
        self._port = self._config.port  # that is asked: another one where the app is followed to it
        self._blind = False  # where a followed app listens can't be told
        self._moved: str | None = None  # where the app was followed to, in words
        self._answers: tuple[tuple[str, str], ...] = ()
        self._knocked = False
        self._began = host.now()
        self._due: float | None = None  # when the answer to a connection was to be there at the latest
        self._over = False

    def begin(self) -> None:
        """Make the check."""
        try:
            self._begin()
        except Unseen as unseen:
            self._done(Outcome.UNKNOWN, None, f"could not be checked: {unseen}")

    def _begin(self) -> None:
        assert self._run is not None, "only a run is checked"
        config = self._config
        self._members = self._shared or self._host.tree(self._run)
        if config.check.kind is CheckKind.LOG and (self._never_up or config.port is None):
            self._answer_log()
            return
        if config.check.kind is CheckKind.NONE:  # by an edit, while a check was due
            self._done(Outcome.UP, None, "alive, and no check is declared")
            return
        if config.port is not None:
            self._judgement = self._look(config.port)
            if config.port_policy is PortPolicy.FOLLOW:
                self._follow(config.port)
                self._blind = self._cannot_see()
                if self._blind and (self._judgement.verdict is Verdict.CLOSED or self._was_elsewhere()):
                    self._lose_sight()
                    return
            if config.check.kind is not CheckKind.EXEC and self._judgement.verdict in UNANSWERED:
                self._unanswered(config.port)
                return
        try:
            environment = self._environment() if config.check.kind is CheckKind.EXEC else {}
        except InvalidConfig as error:  # of an `env_file`: no word about the app
            self._done(Outcome.UNKNOWN, None, f"could not be checked: {error.summary}")
            return
        order = ProbeOrder(
            check=config.check,
            port=self._port,
            addresses=self._judgement.own_addresses or self._host.addresses(config.host),
            cwd=config.cwd,
            environment=environment,
            rights=rights_of(config),
        )
        self._due = self._host.now() + config.check.timeout
        self._pending = self._host.probe(order, self._answered)

    def cancel(self) -> None:
        """Call the check off; it does not answer any more."""
        self._over = True
        if self._pending is not None:
            self._pending.cancel()

    def _unanswered(self, port: int) -> None:
        """Answer for a port on which nobody of the app listens, by the kernel's list."""
        down = partial(self._done, Outcome.DOWN, self._judgement.verdict, self._say_who(port))
        loopbacks = tuple(a for a in self._host.addresses(self._config.host) if is_loopback(a))
        is_closed = self._judgement.verdict is Verdict.CLOSED
        if self._starting or self._knocked or not is_closed or not loopbacks:
            down()
            return

        def answered(answer: Answer) -> None:
            if self._over:
                return
            self._knocked, self._answers = True, answer.answers
            if answer.health is Health.PASSED:  # somebody has come to listen meanwhile: but who
                self.begin()
            else:
                down()

        check = Check(CheckKind.TCP, timeout=min(KNOCK, self._config.check.timeout))
        self._due = self._host.now() + check.timeout
        self._pending = self._host.probe(ProbeOrder(check, port, loopbacks, self._config.cwd), answered)

    def _look(self, port: int) -> Judgement:
        """Return whose port it is.

        What was seen for others just now is enough to know its own by. Not called a stranger: a listener that
        was opened between two lists, and one of the app's own that a dying process has not closed yet.
        """
        addresses = self._host.addresses(self._config.host)
        sockets = self._host.sockets_of(self._members)
        recent = self._listening.recent()
        judgement = judge(_concerning(recent, port, sockets), sockets, port, addresses)
        if judgement.verdict is Verdict.OWN:
            return judgement
        assert self._run is not None, "only a run is checked"
        if self._shared:
            self._shared, self._members = (), self._host.tree(self._run)
        for _ in range(2):
            seen, sockets = self._listening.look(), self._host.sockets_of(self._members)
            listeners = _concerning(seen, port, sockets)
            judgement = judge(listeners, sockets, port, addresses)
            if judgement.stranger is None:
                return judgement
            self._members = self._host.tree(self._run)
        lasting = [each for each in listeners or () if each.port != port or not self._is_closing(each)]
        return judge(lasting, sockets, port, addresses)

    def _is_closing(self, listener: Listener) -> bool:
        """Return whether a listener was the app's at its newest pass, and no process holds it any more.

        A Next server that is killed frees its 500 MB first: for 25 to 60 ms its main thread is a zombie, so
        that it has no descriptors to be read, and its listener still is on the list (measured at each of its
        restarts).
        """
        return listener.inode in self._passed_with and self._host.holder(listener) is None

    def _follow(self, port: int) -> None:
        """Go on with the port that the app has moved to, if it has."""
        there = follow(self._judgement, port)
        if there is None:
            return
        judgement = self._look(there)
        if judgement.verdict is Verdict.OWN:
            self._moved, self._port, self._judgement = self._say_who(port), there, judgement

    def _cannot_see(self) -> bool:
        """Return whether nobody can tell at present which ports the app has: it may be up on any.

        One that starts may be asked on its own: there a failed check does not count.
        """
        if self._starting or self._config.check.kind is CheckKind.EXEC:
            return False
        return self._host.listeners() is None or self._host.sockets_of(self._members) is None

    def _was_elsewhere(self) -> bool:
        listening = self._supervised.app.listening
        return bool(listening) and not any(each.endswith(f":{self._config.port}") for each in listening)

    def _lose_sight(self) -> None:
        """Say that a followed app can't be found; where it listened last is kept until it can be."""
        detail = "where it listens now can't be told"
        self._done(Outcome.UNKNOWN, Verdict.UNKNOWN, detail, self._supervised.app.listening)

    def _answer_log(self) -> None:
        outcome, detail = line_check.says(self._supervised)
        self._done(outcome, None, detail)

    def _answered(self, answer: Answer) -> None:
        if self._over:
            return
        config, verdict = self._config, self._judgement.verdict
        self._answers = answer.answers
        port_verdict = verdict if config.port is not None else None
        match answer.health:
            case Health.PASSED if (
                config.check.kind in (CheckKind.TCP, CheckKind.LOG) and verdict is Verdict.OWN
            ):
                self._watch_queue(answer, SETTLE, self._host.now() + config.check.timeout, None)
            case Health.PASSED:
                self._done(Outcome.UP, port_verdict, answer.detail + self._but_stranger())
            case Health.NOT_MADE:
                self._done(Outcome.UNKNOWN, port_verdict, answer.detail)
            case Health.REFUSED if self._blind:
                self._lose_sight()
            case Health.REFUSED if config.check.kind is not CheckKind.EXEC:
                self._done(Outcome.DOWN, Verdict.CLOSED, answer.detail)
            case Health.TIMED_OUT if config.check.kind is not CheckKind.EXEC:
                self._done(Outcome.DOWN, Verdict.HUNG, answer.detail)
            case Health.REFUSED | Health.FAILED | Health.TIMED_OUT:
                self._done(Outcome.DOWN, port_verdict, answer.detail)

    def _watch_queue(self, answer: Answer, pause: float, until: float, before: int | None) -> None:
        """Pass a connect only once the program itself has taken a connection from the kernel's queue.

        The kernel completes 512 connects for a server that is stopped or loops; its accept queue tells after
        the first. A queue that shrinks belongs to a server that is busy, not hung.
        """

        def look() -> None:
            queue = _queue(self._listening.recent(SETTLE / 4), self._judgement.listening)
            if queue == 0 or (before is not None and queue < before):
                self._done(Outcome.UP, Verdict.OWN, answer.detail)
            elif self._host.now() >= until:
                waits = "1 connection waits" if queue == 1 else f"{queue} connections wait"
                detail = f"accepts connections but does not take them: {waits} in its queue"
                self._done(Outcome.DOWN, Verdict.HUNG, detail)
            else:
                self._watch_queue(answer, pause * 2, until, queue)

        self._due = at = min(self._host.now() + pause, max(until, self._host.now()))
        self._pending = self._host.call_at(at, look)

    def _but_stranger(self) -> str:
        """Return what to add to a check that passed although somebody else holds the port: one by `exec`."""
        port = self._config.port
        return f"; {self._say_who(port)}" if port is not None and self._judgement.stranger is not None else ""

    def _say_who(self, port: int) -> str:
        judgement = self._judgement
        holder = self._host.holder(judgement.stranger) if judgement.stranger is not None else None
        stranger = str(holder) if holder is not None else "a process that can't be told"
        match judgement.verdict:
            case Verdict.MOVED:
                where = ", ".join(str(each) for each in judgement.listening)
                if any(each.port == port for each in judgement.listening):
                    checked = ", ".join(self._host.addresses(self._config.host))
                    return f"listens on {where}, but `host` says to check {checked}"
                taken = f"; port {port} is held by {stranger}" if judgement.stranger is not None else ""
                return f"listens on {where} instead of port {port}{taken}"
            case Verdict.STRANGER:
                return f"port {port} is held by {stranger}, which is not of this app"
            case _:
                return f"nothing listens on port {port}"

    def _done(
        self, outcome: Outcome, verdict: Verdict | None, detail: str, listening: tuple[str, ...] | None = None
    ) -> None:
        """Answer; `listening` is where the app listens if the judgement does not tell."""
        self._over = True
        self._pending = None  # which has us: together they would stay until garbage is looked for
        if listening is None:
            listening = tuple(str(each) for each in self._judgement.listening)
        if self._moved is not None:
            detail = f"{self._moved}; {detail}"
            verdict = Verdict.MOVED if verdict is Verdict.OWN else verdict
        if outcome is Outcome.DOWN and self._judgement.stranger is None:
            reason = self._context.why_held(self._supervised, self._members, self._began, self._due)
            if reason is not None:
                outcome, detail = Outcome.HELD, held(reason, detail)
        self._on_probed(
            Probed(
                generation=self._generation,
                outcome=outcome,
                detail=detail,
                verdict=verdict,
                listening=listening,
                sockets=tuple(sorted(each.inode for each in self._judgement.listening)),
                port_taken=self._judgement.stranger is not None,
                newest_birth=max((member.born for member in self._members), default=None),
                answers=self._answers,
            )
        )


UNANSWERED = frozenset({Verdict.CLOSED, Verdict.STRANGER, Verdict.MOVED})


def _concerning(seen: Seen | None, port: int, sockets: Collection[int] | None) -> list[Listener] | None:
    """Return the listeners of a look that matter here, or None where they can't be read."""
    return None if seen is None else seen.concerning(port, sockets)


def _queue(seen: Seen | None, mine: Collection[Listener]) -> int:
    """Return how many connections wait in the queues of `mine`, as they are now; 0 where it can't be told."""
    return 0 if seen is None else sum(each.queue for each in seen.among({each.inode for each in mine}))
