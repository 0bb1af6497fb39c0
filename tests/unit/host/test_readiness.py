"""Many descriptors behind one place in the loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="an epoll")

if sys.platform == "linux":
    from procman.host.linux.readiness import MOST_AT_A_TIME, Readiness


class Rig:
    """A loop that turns when it is told to, and pipes with something in them."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.readiness = Readiness(self.loop)
        self.failures: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _loop, context: self.failures.append(context))
        self._open: list[int] = []

    def full_pipe(self) -> int:
        """Return the end of a pipe that can be read."""
        reading, writing = os.pipe()
        os.write(writing, b"x")
        self._open += [reading, writing]
        return reading

    def turn(self, times: int = 1) -> None:
        """Have the loop call whoever is to be called."""
        for _ in range(times):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def close(self) -> None:
        with contextlib.suppress(ValueError):  # a test has closed it
            self.readiness.close()
        self.loop.close()
        for descriptor in self._open:
            os.close(descriptor)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def reader(rig: Rig, descriptor: int, seen: list[int]) -> Callable[[], None]:
    """Return a callback that empties a pipe and notes which."""

    def on_readable() -> None:
        os.read(descriptor, 1)
        seen.append(descriptor)

    return on_readable


def test_more_than_are_taken_at_a_time_are_all_called_back_once(rig: Rig) -> None:
    seen: list[int] = []
    pipes = [rig.full_pipe() for _ in range(MOST_AT_A_TIME + 10)]
    for pipe in pipes:
        rig.readiness.add_reader(pipe, reader(rig, pipe, seen))
    rig.turn(4)

    assert sorted(seen) == sorted(pipes)


def test_who_is_removed_is_not_called_back_and_may_be_removed_again(rig: Rig) -> None:
    seen: list[int] = []
    pipe = rig.full_pipe()
    rig.readiness.add_reader(pipe, reader(rig, pipe, seen))
    rig.readiness.remove_reader(pipe)
    rig.readiness.remove_reader(pipe)
    rig.turn(2)

    assert seen == []


def test_a_notice_of_a_descriptor_does_not_reach_the_one_that_got_its_number(rig: Rig) -> None:
    calls: list[str] = []
    pipes = [rig.full_pipe(), rig.full_pipe()]

    def replace_other(mine: int, other: int) -> None:
        calls.append("old")
        os.read(mine, 1)
        rig.readiness.remove_reader(other)
        reading, writing = os.pipe()  # nothing is in it
        os.dup2(reading, other)
        os.close(reading)
        os.close(writing)
        rig.readiness.add_reader(other, lambda: calls.append("new"))

    for mine, other in (pipes, pipes[::-1]):
        rig.readiness.add_reader(mine, lambda mine=mine, other=other: replace_other(mine, other))  # type: ignore[misc]
    looked_before = list(calls)
    rig.readiness._look()

    assert (looked_before, calls) == ([], ["old"])


def test_one_that_fails_is_told_and_the_others_are_called_back(rig: Rig) -> None:
    seen: list[int] = []
    broken, pipe = rig.full_pipe(), rig.full_pipe()

    def fail() -> None:
        rig.readiness.remove_reader(broken)
        raise RuntimeError("a mistake")

    rig.readiness.add_reader(broken, fail)
    rig.readiness.add_reader(pipe, reader(rig, pipe, seen))
    rig.turn(2)

    assert (seen, [str(each["exception"]) for each in rig.failures]) == ([pipe], ["a mistake"])


def test_after_its_end_nobody_is_called_back(rig: Rig) -> None:
    seen: list[int] = []
    pipe = rig.full_pipe()
    rig.readiness.add_reader(pipe, reader(rig, pipe, seen))
    rig.readiness.close()
    rig.readiness.remove_reader(pipe)
    rig.turn(2)

    assert seen == []


class Stubborn:
    """An epoll that lets go of nothing at first."""

    def __init__(self, epoll: Any) -> None:
        self._epoll, self.refuses = epoll, True
        self.register, self.poll, self.close, self.fileno = (
            epoll.register,
            epoll.poll,
            epoll.close,
            epoll.fileno,
        )

    def unregister(self, descriptor: int) -> None:
        if self.refuses:
            raise OSError(errno.ENOMEM, "no memory")
        self._epoll.unregister(descriptor)


def test_what_the_kernel_does_not_let_go_of_calls_nobody_and_can_be_watched_again(rig: Rig) -> None:
    stubborn = rig.readiness._epoll = Stubborn(rig.readiness._epoll)  # type: ignore[assignment]
    pipe, seen = rig.full_pipe(), list[int]()
    rig.readiness.add_reader(pipe, lambda: seen.append(1))
    rig.readiness.remove_reader(pipe)
    rig.turn(3)
    assert seen == []
    rig.readiness.add_reader(pipe, lambda: seen.append(2))
    rig.turn()
    assert seen == [2]
    rig.readiness.remove_reader(pipe)
    stubborn.refuses = False
    rig.turn()
    assert stubborn.poll(0) == [], "it is asked again to let go"
    assert not rig.failures
