"""How often a pipe is looked at: seldom while little comes, and all the time while it would fill up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from procman.engine import output
from procman.engine.output import LONGEST_WAKE, NAP
from procman.host.posix import fifo
from tests.fakes.capturing import Bench

LITTLE = b"line\n"


@dataclass
class Pending:
    """Something that a host was asked to do."""

    undo: Callable[[], Any]

    def cancel(self) -> None:
        self.undo()


@dataclass
class Host:
    """What a reader asks of a host."""

    at: float = 0.0
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    readers: dict[int, Callable[[], None]] = field(default_factory=dict)

    def now(self) -> float:
        return self.at

    def call_at(self, when: float, callback: Callable[[], None]) -> Pending:
        entry = (when, callback)
        self.timers.append(entry)
        return Pending(lambda: self.timers.remove(entry) if entry in self.timers else None)

    def when_readable(self, descriptor: int, callback: Callable[[], None]) -> Pending:
        self.readers[descriptor] = callback
        return Pending(lambda: self.readers.pop(descriptor, None))

    def pass_nap(self) -> None:
        """Let the nap pass that is taken now."""
        ((self.at, callback),) = self.timers
        self.timers.clear()
        callback()


@dataclass
class Pipe:
    """The app's stdout, with its reader, and the host that drives it."""

    host: Host
    bench: Bench
    supervised: Any
    descriptor: int
    full: bytes

    def write(self, data: bytes) -> None:
        assert self.bench.streams is not None
        os.write(self.bench.streams.stdout, data)

    def notice(self) -> None:
        """Let the host say that there is something to read."""
        self.host.readers[self.descriptor]()

    @property
    def is_waited_on(self) -> bool:
        return self.descriptor in self.host.readers

    @property
    def naps(self) -> bool:
        return bool(self.host.timers)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    """A pipe that is followed."""
    bench, host = Bench(tmp_path), Host()
    bench.begin(1)
    assert bench.streams is not None
    mending = SimpleNamespace(begin=lambda: None, end=lambda: None)
    supervised: Any = SimpleNamespace(capture=bench.capture, mending=mending, readers=[])
    output.follow(host, supervised)  # type: ignore[arg-type]
    half = fifo.enlarge(bench.streams.stdout) // 2
    out, _ = bench.capture.readable_descriptors()
    yield Pipe(host, bench, supervised, out, b"x" * (half - 1) + b"\n")
    output.unfollow(supervised)
    bench.close()


def test_after_a_look_there_is_a_nap_and_after_that_a_wait(pipe: Pipe) -> None:
    pipe.write(LITTLE)
    pipe.notice()
    napped = (pipe.naps, pipe.is_waited_on)
    pipe.host.pass_nap()

    assert napped == (True, False)
    assert (pipe.naps, pipe.is_waited_on) == (False, True)
    assert pipe.host.at == NAP
    assert pipe.bench.texts() == [b"line"]


def test_while_lines_come_there_is_one_look_per_nap_and_nothing_is_waited_on(pipe: Pipe) -> None:
    pipe.write(LITTLE)
    pipe.notice()
    for _ in range(5):
        pipe.write(LITTLE * 100)
        pipe.host.pass_nap()
        assert (pipe.naps, pipe.is_waited_on) == (True, False)

    assert pipe.host.at == pytest.approx(5 * NAP)
    assert len(pipe.bench.texts()) == 501


def test_a_nap_in_which_nothing_came_leaves_no_record(pipe: Pipe) -> None:
    for _ in range(3):
        pipe.write(LITTLE)
        pipe.notice()
        pipe.bench.now += 1
        pipe.host.pass_nap()

    assert (pipe.bench.logs / "web" / "000001.index").stat().st_size == 3 * 24


def test_who_fills_half_of_the_pipe_in_a_nap_is_read_without_naps_for_longer_and_longer(pipe: Pipe) -> None:
    awake = []
    pipe.write(LITTLE)
    pipe.notice()
    for _ in range(9):
        pipe.write(pipe.full)
        pipe.host.pass_nap()
        began = pipe.host.at
        while not pipe.naps:
            pipe.write(LITTLE)
            pipe.notice()
            pipe.host.at += 0.0001
        awake.append(pipe.host.at - began)

    wanted = [min(NAP * 2**number, LONGEST_WAKE) for number in range(9)]
    assert awake == pytest.approx(wanted, abs=0.0003)


def test_a_burst_that_is_over_is_forgotten(pipe: Pipe) -> None:
    pipe.write(LITTLE)
    pipe.notice()
    pipe.write(pipe.full)
    pipe.host.pass_nap()
    pipe.host.at += 1.0
    pipe.write(LITTLE)
    pipe.notice()
    pipe.write(LITTLE)
    pipe.host.pass_nap()

    assert (pipe.naps, pipe.is_waited_on) == (True, False)


@pytest.mark.parametrize("in_a_burst", [False, True])
def test_a_stream_that_has_ended_is_not_looked_at_any_more(pipe: Pipe, in_a_burst: bool) -> None:
    pipe.write(LITTLE)
    pipe.notice()
    if in_a_burst:
        pipe.write(pipe.full)
    pipe.host.pass_nap()
    pipe.bench.exit()
    pipe.notice()

    assert (pipe.naps, pipe.is_waited_on) == (False, False)


def test_nothing_is_looked_at_after_the_run(pipe: Pipe) -> None:
    pipe.write(LITTLE)
    pipe.notice()
    output.unfollow(pipe.supervised)

    assert (pipe.naps, pipe.host.readers, pipe.supervised.readers) == (False, {}, ())
