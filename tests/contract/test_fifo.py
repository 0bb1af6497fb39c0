"""What the system promises of named pipes, and what a capture makes of it: tried with real processes."""

from __future__ import annotations

import fcntl
import os
import random
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.core.config import LogBudget
from procman.host.posix import fifo
from procman.logs import read
from procman.logs.capture import Capture
from procman.logs.segments import Stream, segment_numbers

KILLS = 30  # raise it to look longer: 1,000 take 4 minutes
LONGEST_LIFE_S = 0.1  # of a capturing process, after its imports
PATIENCE_S = 30.0

# 10,000 numbered lines a second, one write each, to stdout and stderr by turns, until a file appears.
CHATTY = """
import os, sys, time
number, start = 0, time.monotonic()
while not os.path.exists(sys.argv[1]):
    while number < (time.monotonic() - start) * 10_000:
        os.write(1 + number % 2, b"line %d\\n" % number)
        number += 1
    time.sleep(0.001)
os.write(1, b"end")
os.write(2, b"end")
"""

MANAGER = """
import pathlib, select, sys
from procman.core.config import LogBudget
from procman.logs.capture import Capture
folder = pathlib.Path(sys.argv[1])
capture = Capture(folder / "logs", folder / "run", "web", LogBudget(30_000, 10_000))
print("imported", flush=True)
capture.adopt(1)
waiting = select.poll()
for descriptor in capture.readable_descriptors():
    waiting.register(descriptor, select.POLLIN)
while True:
    for descriptor, _ in waiting.poll():
        capture.on_readable(descriptor)
"""


@pytest.fixture
def fifos(tmp_path: Path) -> Iterator[fifo.RunFifos]:
    """The pipes of a run, made."""
    made = fifo.RunFifos.of(tmp_path, "web", 3)
    made.create()
    yield made
    made.remove()


def test_the_pipes_of_a_run_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    fifos = fifo.RunFifos.of(tmp_path, "web", 3)
    before = os.umask(0)
    try:
        fifos.create()
    finally:
        os.umask(before)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.3.err", "web.3.out"]
    assert {stat.filemode(path.stat().st_mode) for path in tmp_path.iterdir()} == {"prw-------"}


def test_pipes_left_by_another_run_of_that_name_are_replaced(fifos: fifo.RunFifos) -> None:
    with os.fdopen(fifo.open_for_child(fifos.stdout), "wb", buffering=0) as stale:
        stale.write(b"of another time")
        fifos.create()
        reading = fifo.open_for_manager(fifos.stdout)
        try:
            assert fifo.waiting(reading) == 0
        finally:
            os.close(reading)


def test_half_a_set_of_pipes_is_taken_away_again(tmp_path: Path) -> None:
    (tmp_path / "web.3.err").mkdir()

    with pytest.raises(FileExistsError):
        fifo.RunFifos.of(tmp_path, "web", 3).create()

    assert [path.name for path in tmp_path.iterdir()] == ["web.3.err"]


def test_removing_twice_does_nothing(fifos: fifo.RunFifos) -> None:
    fifos.remove()
    fifos.remove()


def test_no_descriptor_reaches_a_child_by_accident(fifos: fifo.RunFifos) -> None:
    descriptors = [fifo.open_for_child(fifos.stdout), fifo.open_for_manager(fifos.stdout)]
    try:
        assert [os.get_inheritable(descriptor) for descriptor in descriptors] == [False, False]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_a_writer_survives_its_reader_and_the_next_reader_gets_every_byte(fifos: fifo.RunFifos) -> None:
    writing = fifo.open_for_child(fifos.stdout)
    reading = fifo.open_for_manager(fifos.stdout)
    os.write(writing, b"read by the first, ")
    first = os.read(reading, 100)
    os.write(writing, b"left by the first, ")
    os.close(reading)
    os.write(writing, b"written to nobody")
    reading = fifo.open_for_manager(fifos.stdout)
    os.close(writing)

    assert first == b"read by the first, "
    assert os.read(reading, 100) == b"left by the first, written to nobody"
    assert os.read(reading, 100) == b""
    os.close(reading)


@pytest.mark.parametrize("has_proc", [True, False])
def test_stdin_never_ends_though_the_manager_holds_no_end_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_proc: bool
) -> None:
    if not has_proc:
        really = os.open

        def without_proc(path: str | Path, *rest: int) -> int:
            if str(path).startswith("/proc/"):
                raise FileNotFoundError(path)
            return really(path, *rest)

        monkeypatch.setattr(os, "open", without_proc)
    with os.fdopen(fifo.open_endless_input(tmp_path), "rb", buffering=0) as stdin:
        assert list(tmp_path.iterdir()) == [], "it needs no name"
        readable, _, _ = select.select([stdin], [], [], 0)

        assert readable == [], "an end of input is readable"
        assert os.get_blocking(stdin.fileno())


def test_what_a_child_does_to_its_descriptor_does_not_reach_ours(fifos: fifo.RunFifos) -> None:
    writing = fifo.open_for_child(fifos.stdout)
    reading = fifo.open_for_manager(fifos.stdout)
    try:
        for blocking in (False, True):
            os.set_blocking(writing, blocking)
            assert not os.get_blocking(reading)
    finally:
        os.close(writing)
        os.close(reading)


def test_the_manager_never_waits(fifos: fifo.RunFifos) -> None:
    writing = fifo.open_for_child(fifos.stdout)
    reading = fifo.open_for_manager(fifos.stdout)
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    os.close(writing)
    os.close(reading)


def test_what_is_no_pipe_any_more_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a pipe")
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="not a named pipe"):
        fifo.open_for_manager(tmp_path / "file")
    with pytest.raises(OSError, match=r"[Ss]ymbolic link"):
        fifo.open_for_manager(tmp_path / "link")


def test_a_pipe_is_enlarged_as_far_as_the_system_allows(
    fifos: fifo.RunFifos, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.fcntl

    def stingy(descriptor: int, command: int, argument: int = 0) -> int:
        if command == fcntl.F_SETPIPE_SZ and argument > 1 << 18:
            raise PermissionError
        return real(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", stingy)
    reading = fifo.open_for_manager(fifos.stdout)
    try:
        assert real(reading, fcntl.F_GETPIPE_SZ) in {1 << 18, 1 << 16}
        assert fifo.enlarge(reading) == real(reading, fcntl.F_GETPIPE_SZ)
    finally:
        os.close(reading)


@pytest.mark.slow
def test_a_manager_may_be_killed_at_any_moment_and_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    moments = random.Random(4)
    capture = Capture(tmp_path / "logs", tmp_path / "run", "web", LogBudget(30_000, 10_000))
    streams = capture.begin(1)
    with subprocess.Popen(
        [sys.executable, "-S", "-c", CHATTY, str(tmp_path / "stop")],
        stdin=streams.stdin,
        stdout=streams.stdout,
        stderr=streams.stderr,
    ) as app:
        capture.close()
        try:
            worked = sum(_manager_worked(tmp_path, moments.uniform(0, LONGEST_LIFE_S)) for _ in range(KILLS))
            capture.adopt(1)
            (tmp_path / "stop").touch()
            _store_until_both_end(capture)
        finally:
            app.kill()
    capture.end()
    capture.close()

    assert worked >= KILLS // 5, "most managers were killed before they had done anything"
    lines = list(read.lines(tmp_path / "logs", "web"))
    for stream in (Stream.OUT, Stream.ERR):
        texts = [line.text for line in lines if line.stream is stream]
        assert texts.pop() == b"end"
        assert texts == [b"line %d" % (stream + 2 * number) for number in range(len(texts))]
    assert len(lines) > 1000
    assert not any(line.partial or line.continues for line in lines)


def _manager_worked(folder: Path, life_s: float) -> bool:
    """Run a capturing process for a while, kill it, and return whether it has stored anything."""
    before = _stored(folder)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-S", "-c", MANAGER, str(folder)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE) as manager:
        assert manager.stdout is not None
        assert manager.stdout.readline() == b"imported\n"
        select.select([], [], [], life_s)
        manager.send_signal(signal.SIGKILL)
        assert manager.wait(PATIENCE_S) == -signal.SIGKILL
    return _stored(folder) > before


def _stored(folder: Path) -> tuple[int, int]:
    """Return how far the log has come: the newest segment, and its length."""
    numbers = segment_numbers(folder / "logs" / "web")
    if not numbers:  # the log is opened by the first byte
        return 0, 0
    newest = numbers[-1]
    return newest, (folder / "logs" / "web" / f"{newest:06}.log").stat().st_size


def _store_until_both_end(capture: Capture) -> None:
    deadline = time.monotonic() + PATIENCE_S
    waiting = select.poll()
    open_pipes = set(capture.readable_descriptors())
    for descriptor in open_pipes:
        waiting.register(descriptor, select.POLLIN)
    while open_pipes:
        assert time.monotonic() < deadline
        for descriptor, _ in waiting.poll(1000):
            if capture.on_readable(descriptor).ended:
                waiting.unregister(descriptor)
                open_pipes.discard(descriptor)
