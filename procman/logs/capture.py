"""Captures what one app prints: from the pipes of its present run into its log, whatever happens to either.

A run in a terminal has that in the place of its pipes: there is one stream, and a later manager can read it
only if it is given the terminal.

The app comes first: its pipes are emptied also while the log can't be written. What is lost then is counted,
`problem` says so at once, and a line in the log says so later.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from procman.core.config import LogBudget
from procman.core.frozen import Frozen
from procman.host.outputs import fifo, pty
from procman.logs.read import last_lines
from procman.logs.segments import Stream
from procman.logs.store import NotWritten, Store
from procman.logs.terminal import Terminal
from procman.logs.watch import LineWatch

MOST_AT_A_TIME = 1 << 20  # bytes moved per call, so that one chatty app can't keep the others waiting
MOST_WATCHED = 1 << 16  # the same from a terminal, or while lines are looked at, which takes longer
SMALLEST_PIPE = 1 << 16  # bytes; where a system does not tell how many a pipe holds
LOOK_BACK = 1000  # lines that a watch looks at of what was there before it
READ_AT_A_TIME = 1 << 16
RETRY_EVERY_S = 1.0


class ChildStreams(Frozen):
    """The descriptors that a child gets as its stdin, stdout and stderr; blocking, and closed on exec."""

    stdin: int
    stdout: int
    stderr: int


class Moved(Frozen):
    """What one look at a pipe did.

    An app that writes line by line can be looked at 80,000 times a second. Who waits a millisecond before the
    next look, unless the pipe was `crowded`, moves the same bytes with a fifth of the CPU time.
    """

    count: int  # bytes taken out of the pipe
    ended: bool = False  # every writer has closed it: there is no use in waiting for more
    crowded: bool = False  # at least half of what the pipe holds was in it, or not all of it was taken


class _Pipe(NamedTuple):
    """One pipe of the run."""

    descriptor: int
    stream: Stream
    capacity: int  # bytes


class Capture:
    """The output of one app, run after run; owned by the thread of the event loop. Nothing here waits.

    `begin` and `adopt` may raise OSError, for a run without pipes can't be. Nothing else ever does.

    Attributes:
        terminal: of the run, if it has one.
        on_problem: called when `problem` appears, and when it is over; from inside of any call here.
    """

    # There is one for each app, so paths are made when they are needed: a `Path` that is kept takes 0.4 KB.
    __slots__ = (
        "_app",
        "_budget",
        "_child",
        "_failure",
        "_folder_logs",
        "_folder_run",
        "_lost",
        "_monotonic",
        "_named",
        "_on_match",
        "_pipes",
        "_retry_at",
        "_run",
        "_store",
        "_wall",
        "_watch",
        "on_problem",
        "terminal",
    )

    def __init__(
        self,
        folder_logs: Path,
        folder_run: Path,
        app: str,
        budget: LogBudget,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to capture; no file is touched yet.

        Args:
            folder_logs: of all logs; the app's own folder in it is made when the first run begins.
            folder_run: of the pipes; it must be there when a run begins.
            app: name of the app.
            budget: how much of its output is kept.
            wall: seconds since the epoch, for the times of lines.
            monotonic: seconds, for when to try again.
        """
        self._folder_logs = folder_logs
        self._folder_run = folder_run
        self._app = app
        self._budget = budget
        self._wall = wall
        self._monotonic = monotonic
        self._store: Store | None = None
        self._failure: OSError | None = None
        self._retry_at = 0.0
        self._lost = (0, 0)  # bytes per stream, since the log could be written
        self._run = 0
        self._named: int | None = None  # the run whose pipes are open, if they have names
        self._child: ChildStreams | None = None
        self._pipes: tuple[_Pipe, ...] = ()
        self.terminal: Terminal | None = None
        self._watch: LineWatch | None = None
        self._on_match: Callable[[str], None] | None = None
        self.on_problem: Callable[[], None] | None = None

    # a run

    def begin(self, generation: int, *, tty: bool = False) -> ChildStreams:
        """Make the pipes of a new run and return the child's ends, to be given back with `release`.

        Args:
            generation: of the run; greater than that of any run in the log (`segments.last_run`), or readers
                can't tell the runs apart.
            tty: whether it gets a terminal in their place.

        Raises:
            OSError: a pipe could not be made; nothing is left of the others.
        """
        if tty:
            return self._begin_in_terminal(generation)
        fifos = self._fifos(generation)
        fifos.create()
        opened: list[int] = []
        try:
            opened.append(fifo.open_endless_input(self._folder_run))
            opened.extend(map(fifo.open_for_child, (fifos.stdout, fifos.stderr)))
            self._open_pipes(generation)
        except OSError:
            for descriptor in opened:
                os.close(descriptor)
            fifos.remove()
            raise
        self._child = ChildStreams(*opened)
        self._start(generation)
        return self._child

    def _begin_in_terminal(self, generation: int, ends: pty.Ends | None = None) -> ChildStreams:
        self._close_pipes()
        self.terminal = Terminal(ends)
        self._pipes = (_Pipe(self.terminal.master, Stream.OUT, pty.CAPACITY),)
        self._start(generation)
        return ChildStreams(*[self.terminal.slave] * 3)

    def release(self) -> None:
        """Close the child's ends in this process: after the spawn, whether it succeeded or not."""
        if self._child is not None:
            for descriptor in (self._child.stdin, self._child.stdout, self._child.stderr):
                os.close(descriptor)
            self._child = None

    def adopt(self, generation: int, terminal: Sequence[int] | None = None) -> None:
        """Go on with a run whose former manager is gone, from the first byte which that has not stored.

        Args:
            generation: of the run.
            terminal: both ends of the one that the run has, if that was passed on.

        Raises:
            OSError: the pipes have lost their names, or the run had a terminal, which is gone. Its output
                can't be read: end the run.
        """
        if terminal is not None:
            self._begin_in_terminal(generation, pty.take_over(*terminal))
            return
        self._open_pipes(generation)
        self._start(generation)

    def pass_on(self) -> pty.Ends | None:
        """Return the terminal of the run, if it has one, and read it no more; it stays open."""
        if self.terminal is None:
            return None
        terminal, self.terminal, self._pipes = self.terminal, None, ()
        return terminal.pass_on()

    def end(self) -> None:
        """Store what is left and let go of the run, if there is one: its tree is proven gone."""
        self.drain()
        if self._store is not None:
            try:
                self._store.end_lines()
            except OSError as error:
                self._fail(error)
        if self._named is not None:
            self._fifos(self._named).remove()
        self._close_pipes()

    def close(self) -> None:
        """Close everything here and leave the run as it is, for another manager to adopt."""
        self._close_pipes()
        if self._store is not None:
            self._store.close()
            self._store = None

    # output

    def readable_descriptors(self) -> tuple[int, ...]:
        """Return what to wait on: the pipes of stdout and stderr, none without a run."""
        return tuple(pipe.descriptor for pipe in self._pipes)

    def on_readable(self, descriptor: int) -> Moved:
        """Store what waits in a pipe, at most 1 MiB of it; one that was closed has ended."""
        pipe = next((each for each in self._pipes if each.descriptor == descriptor), None)
        if pipe is None or (self.terminal is None and fifo.has_ended(descriptor)):
            return Moved(0, ended=True)  # without a look at the log, which is made by the first byte
        self.mend()
        most = MOST_AT_A_TIME if self._watch is None and self.terminal is None else MOST_WATCHED
        if self.terminal is not None:
            count, ended = self._show(self.terminal, most)
        else:
            move = self._discard if self._store is None else self._keep
            count, ended = move(descriptor, pipe.stream, most)
        return Moved(count, ended, crowded=count >= min(most, pipe.capacity // 2))

    def drain(self) -> None:
        """Store all that is in the pipes now; to be done before the exit of the run's leader is reported."""
        for descriptor in self.readable_descriptors():
            left = fifo.waiting(descriptor) if self.terminal is None else MOST_WATCHED
            while left > 0 and (count := self.on_readable(descriptor).count):
                left -= count

    def watch(
        self,
        pattern: str,
        on_match: Callable[[str], None],
        on_slow: Callable[[], None] = lambda: None,
        *,
        look_back: bool = False,
    ) -> None:
        """Call `on_match` once, with the first line from now on in which `pattern` is found.

        Colours and control characters are not part of the line then. Of a line over 4 KiB only its beginning
        is looked at. Another watch replaces this one, the run's end ends it.

        Args:
            pattern: a regular expression.
            on_match: may be called before this returns.
            on_slow: called once, as soon as there is a `watch_problem`.
            look_back: whether the newest lines that the run has printed so far are looked at, too.

        Raises:
            re.error: `pattern` is no regular expression.
        """
        self._watch, self._on_match = LineWatch(re.compile(pattern), on_slow), on_match
        if look_back:
            newest = last_lines(self._folder_logs, self._app, LOOK_BACK, self._run)
            printed = [line.text for line in newest if line.stream is not Stream.MANAGER]
            self._report(self._watch.first(printed))

    def unwatch(self) -> None:
        """End the watch."""
        self._watch = None

    @property
    def watch_problem(self) -> str | None:
        """What the pattern did that keeps the watch from seeing every line; None while it sees them."""
        return self._watch.problem if self._watch is not None else None

    # the log

    @property
    def problem(self) -> str | None:
        """What keeps output from being stored, in a sentence for `status`; None while all is well."""
        if self._failure is None:
            return None
        lost = f"{_amounts(self._lost)} lost so far" if any(self._lost) else "nothing lost so far"
        return f"its output can't be stored in `{self._folder()}`: {_reason(self._failure)}; {lost}"

    def set_budget(self, budget: LogBudget) -> None:
        """Keep to another budget from now on."""
        self._budget = budget
        if self._store is not None:
            try:
                self._store.set_budget(budget)
            except OSError as error:
                self._fail(error)

    def mend(self) -> None:
        """Try again to open a log that could not be written, at most once a second.

        Every look at a pipe does it too; call it on a timer while there is a `problem`, so that this goes
        away without waiting for the app to print something.
        """
        if self._store is not None or self._run == 0 or self._monotonic() < self._retry_at:
            return
        store = None
        try:
            store = Store(self._folder(), self._budget, self._wall)
            store.begin(self._run)
            if self._failure is not None and any(self._lost):
                store.end_lines()
                store.note(f"procman: {_amounts(self._lost)} lost here: {_reason(self._failure)}")
        except OSError as error:
            if store is not None:
                store.close()
            self._fail(error)
        else:
            self._store = store
            self._lost = (0, 0)
            if self._failure is not None:
                self._failure = None
                self._say_problem()

    def _folder(self) -> Path:
        """Return where the log of the app is."""
        return self._folder_logs / self._app

    def _start(self, generation: int) -> None:
        """Let what is stored from now on belong to this run; the log is opened by its first byte."""
        self._run = generation
        self._retry_at = 0.0
        if self._store is not None:
            try:
                self._store.begin(generation)
            except OSError as error:
                self._fail(error)

    def _fail(self, error: OSError) -> None:
        """Do without the log for a while."""
        appears = self._failure is None
        self._failure = error
        self._retry_at = self._monotonic() + RETRY_EVERY_S
        if self._store is not None:
            self._store.close()
            self._store = None
        if appears:
            self._say_problem()

    def _say_problem(self) -> None:
        if self.on_problem is not None:
            self.on_problem()

    def _lose(self, stream: Stream, count: int) -> None:
        """Count bytes that are in no log."""
        out, err = self._lost
        self._lost = (out, err + count) if stream is Stream.ERR else (out + count, err)

    def _keep(self, descriptor: int, stream: Stream, most: int) -> tuple[int, bool]:
        """Store what waits in a pipe, at most `most`; return how many bytes, and whether the stream ended."""
        moved = 0
        while moved < most and (store := self._store) is not None:
            try:
                count = store.take(descriptor, stream, most - moved)
                moved += count or 0
                if count and self._watch is not None:
                    self._report(self._watch.feed(stream, store.newest(count)))
            except OSError as error:
                if isinstance(error, NotWritten):
                    self._lose(stream, error.lost)
                self._fail(error)
                count, ended = self._discard(descriptor, stream, most)
                return moved + count, ended
            if not (count and store.is_full()):
                return moved, count == 0
        return moved, False

    def _discard(self, descriptor: int, stream: Stream, most: int) -> tuple[int, bool]:
        """Empty a pipe that would block the app, and count what is lost by it; return as `_keep` does."""
        count = 0
        while count < most:
            data = fifo.read(descriptor, READ_AT_A_TIME)
            if not data:
                return count, data is not None
            count += len(data)
            self._lose(stream, len(data))
            if self._watch is not None:
                self._report(self._watch.feed(stream, data))
        return count, False

    def _show(self, terminal: Terminal, most: int) -> tuple[int, bool]:
        """Store what was printed into a terminal, and show it; return as `_keep` does."""
        moved = 0
        while moved < most:
            data = pty.read(terminal.master, most - moved)
            if not data:
                return moved, data is not None
            moved += len(data)
            try:
                if self._store is None:
                    self._lose(Stream.OUT, len(data))
                else:
                    self._store.append(data, Stream.OUT)
            except NotWritten as error:
                self._lose(Stream.OUT, error.lost)
                self._fail(error)
            if self._watch is not None:
                self._report(self._watch.feed(Stream.OUT, data))
            terminal.show(data)
        return moved, False

    def _report(self, line: str | None) -> None:
        """End the watch if this is the line that it was for, and say so."""
        if line is not None and self._on_match is not None:
            self._watch = None  # before the call, which may set another
            self._on_match(line)

    # pipes

    def _fifos(self, generation: int) -> fifo.RunFifos:
        return fifo.RunFifos.of(self._folder_run, self._app, generation)

    def _open_pipes(self, generation: int) -> None:
        """Read from the pipes of a run from now on, or from none if one can't be opened."""
        self._close_pipes()
        fifos = self._fifos(generation)
        try:
            for path, stream in ((fifos.stdout, Stream.OUT), (fifos.stderr, Stream.ERR)):
                descriptor = fifo.open_for_manager(path)
                capacity = fifo.enlarge(descriptor) or SMALLEST_PIPE
                self._pipes += (_Pipe(descriptor, stream, capacity),)
        except OSError:
            self._close_pipes()
            raise
        self._named = generation

    def _close_pipes(self) -> None:
        self.release()
        if self.terminal is not None:
            terminal, self.terminal = self.terminal, None
            terminal.close()
        else:
            for pipe in self._pipes:
                fifo.close(pipe.descriptor)
        self._pipes = ()
        self._named = None
        self._watch = None


def _amounts(lost: tuple[int, int]) -> str:
    """Return how much of each stream was lost, in words."""
    named = zip(lost, ("stdout", "stderr"), strict=True)
    return " and ".join(f"{count:,} bytes of {name}" for count, name in named if count)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
