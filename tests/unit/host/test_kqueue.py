"""Ends by kqueue, on a queue that is not macOS's."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from procman.host.macos.kqueue import Ends


class Queue:
    """Knows some living processes, and has a real descriptor that is readable once one of them has ended."""

    def __init__(self, living: set[int]) -> None:
        self.living = living
        self.watched: list[int] = []
        self.reading, self.writing = os.pipe()
        self.closed = False

    def fileno(self) -> int:
        return self.reading

    def control(self, changes: list[Any] | None, most: int, timeout: float | None = None, /) -> list[Any]:
        for pid in changes or ():
            if pid not in self.living:
                raise ProcessLookupError
            self.watched.append(pid)
        return []

    def end(self) -> None:
        os.write(self.writing, b".")

    def close(self) -> None:
        assert not self.closed, "a queue is closed once"
        self.closed = True
        os.close(self.reading)
        os.close(self.writing)


def wait(loop: asyncio.AbstractEventLoop, queue: Queue, pids: list[int], told: list[str]) -> Ends:
    return Ends(loop, pids, lambda: told.append("ended"), lambda: queue, lambda pid: pid)


async def rounds() -> None:
    """Let the loop see what is readable."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_the_first_end_is_told_once_and_the_queue_is_closed() -> None:
    async def play() -> None:
        queue, told = Queue({7, 8}), list[str]()
        wait(asyncio.get_running_loop(), queue, [7, 8], told)
        assert queue.watched == [7, 8]
        await rounds()
        assert told == []
        queue.end()
        queue.end()
        await rounds()
        assert told == ["ended"]
        assert queue.closed

    asyncio.run(play())


@pytest.mark.parametrize("pids", [[9], [7, 9], [9, 7]])
def test_a_process_that_is_gone_already_is_told_after_the_call(pids: list[int]) -> None:
    async def play() -> None:
        queue, told = Queue({7}), list[str]()
        wait(asyncio.get_running_loop(), queue, pids, told)
        assert told == []
        await rounds()
        assert told == ["ended"]
        assert queue.closed

    asyncio.run(play())


def test_nothing_is_told_once_cancelled() -> None:
    async def play() -> None:
        queue, told = Queue({7}), list[str]()
        waiting = wait(asyncio.get_running_loop(), queue, [7], told)
        queue.end()
        waiting.cancel()
        waiting.cancel()
        await rounds()
        assert told == []
        assert queue.closed

    asyncio.run(play())
