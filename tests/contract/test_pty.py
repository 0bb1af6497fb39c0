"""Pseudo-terminals, as the kernel gives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from procman.core.identity import MARKER
from procman.host.base import Order
from procman.host.posix import pty
from tests.contract.conftest import Stage
from tests.real.project import until


@pytest.fixture
def ends() -> Iterator[pty.Ends]:
    """Return a terminal that is closed after the test."""
    made = pty.open_terminal()
    yield made
    for each in made:
        os.close(each)


def read_all(master: int) -> bytes:
    """Return what waits in a terminal."""
    found = b""
    while data := pty.read(master, 1 << 16):
        found += data
    return found


def start(stage: Stage, terminal: pty.Ends, script: str) -> None:
    """Start a script of Python as a run in a terminal, and wait for its end."""
    slave = terminal.slave
    words = (sys.executable, "-I", "-S", "-c", f"import os, signal, sys\n{script}")
    order = Order(words, False, "/", {MARKER: "test.pty"}, slave, slave, slave, terminal=True)
    started = stage.begin(order, "test.pty")
    stage.until(lambda: started.ends)


def test_it_has_80_columns_and_24_rows(ends: pty.Ends) -> None:
    assert os.get_terminal_size(ends.slave) == (80, 24)


def test_nothing_waits_in_a_new_one(ends: pty.Ends) -> None:
    assert pty.read(ends.master, 100) is None


def test_what_is_written_is_read_with_a_return_before_each_newline(ends: pty.Ends) -> None:
    os.write(ends.slave, b"one\ntwo\n")
    assert read_all(ends.master) == b"one\r\ntwo\r\n"


def test_a_look_sees_all_that_was_written_before_it(ends: pty.Ends) -> None:
    """The kernel passes output on in a task of its own: a look that came too early would take it for all."""
    for number in range(300):
        os.write(ends.slave, b"%d" % number)
        assert pty.read(ends.master, 100) == b"%d" % number


def test_no_more_is_read_than_is_asked_for(ends: pty.Ends) -> None:
    os.write(ends.slave, b"abcdef")
    assert pty.read(ends.master, 4) == b"abcd"
    assert pty.read(ends.master, 4) == b"ef"


def test_its_end_is_read_when_nobody_has_it_open() -> None:
    master, slave = pty.open_terminal()
    os.write(slave, b"last")
    os.close(slave)
    try:
        assert read_all(master) == b"last"
        assert pty.read(master, 100) == b""
    finally:
        os.close(master)


def test_one_that_nobody_reads_takes_so_much_and_no_more(ends: pty.Ends) -> None:
    taken = 0
    while count := pty.write(ends.master, b"x" * 1000 + b"\n"):
        taken += count
        assert taken < 1 << 20
    assert taken > 0


@pytest.mark.parametrize(
    ("asked", "given"), [((120, 40), (120, 40)), ((0, -3), (1, 1)), ((99_999, 5), (10_000, 5))]
)
def test_a_size_is_brought_into_what_is_possible(
    ends: pty.Ends, asked: tuple[int, int], given: tuple[int, int]
) -> None:
    pty.resize(ends.master, *asked)
    assert os.get_terminal_size(ends.slave) == given


def test_neither_end_is_inherited(ends: pty.Ends) -> None:
    assert not any(map(os.get_inheritable, ends))
    assert not os.get_blocking(ends.master)
    assert os.get_blocking(ends.slave)


def test_a_child_has_it_as_its_controlling_terminal(real: Stage, ends: pty.Ends) -> None:
    start(real, ends, "print(open('/dev/tty').isatty(), os.tcgetpgrp(0) == os.getpid() == os.getsid(0))")
    assert read_all(ends.master) == b"True True\r\n"


def test_an_interrupt_that_is_typed_reaches_the_child(real: Stage, ends: pty.Ends) -> None:
    pty.write(ends.master, b"\x03")  # before there is anybody: the kernel would drop it
    script = "signal.signal(signal.SIGINT, lambda *_: sys.exit('interrupted'))\nprint('ready', flush=True)\n"
    slave = ends.slave
    words = (sys.executable, "-I", "-S", "-c", f"import os, signal, sys\n{script}signal.pause()")
    order = Order(words, False, "/", {MARKER: "test.pty"}, slave, slave, slave, terminal=True)
    started = real.begin(order, "test.pty")
    seen = b""

    def ready() -> bool:
        nonlocal seen
        seen += read_all(ends.master)
        return b"ready" in seen

    real.until(ready)
    pty.write(ends.master, b"\x03")
    real.until(lambda: started.ends)
    assert b"interrupted" in read_all(ends.master)


def test_what_a_child_printed_last_outlives_it(real: Stage, ends: pty.Ends) -> None:
    start(real, ends, "os.write(1, b'x' * 8000)")
    assert read_all(ends.master) == b"x" * 8000


def test_who_opens_it_again_after_all_have_closed_it_is_read(ends: pty.Ends) -> None:
    path = os.ttyname(ends.slave)
    for text in (b"one", b"two"):
        again = os.open(path, os.O_RDWR | os.O_NOCTTY)
        os.write(again, text)
        os.close(again)
        assert pty.read(ends.master, 100) == text
    assert pty.read(ends.master, 100) is None


def test_one_that_was_let_through_exec_is_taken_over(ends: pty.Ends) -> None:
    """Its processes are not hung up, it says what it was told before, and exec closes it the next time."""
    with subprocess.Popen(
        ["sleep", "600"], stdin=ends.slave, start_new_session=True, preexec_fn=pty.take_control
    ) as child:
        os.write(ends.slave, b"before")
        after = "import os, sys; from procman.host.posix import pty\n"
        after += "ends = pty.take_over(*map(int, sys.argv[1:]))\n"
        after += "print(pty.read(ends.master, 100), any(map(os.get_inheritable, ends)), "
        after += "os.get_blocking(ends.master))"
        words = [sys.executable, "-c", after, str(ends.master), str(ends.slave)]
        became = f"import os; os.execv({words[0]!r}, {words!r})"
        done = subprocess.run(
            [sys.executable, "-c", became], pass_fds=ends, capture_output=True, text=True, check=True
        )
        assert done.stdout == "b'before' False False\n"
        assert child.poll() is None
        child.kill()


def test_what_is_no_terminal_is_not_taken_over() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(OSError, match="Inappropriate ioctl"):
            pty.take_over(read, write)
    finally:
        os.close(read)
        os.close(write)


def test_its_processes_are_hung_up_when_its_master_is_gone() -> None:
    master, slave = pty.open_terminal()
    with subprocess.Popen(
        ["sleep", "600"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=pty.take_control,
    ) as process:
        os.close(slave)
        os.close(master)
        until(lambda: process.poll() is not None, "its end")
        assert process.returncode == -signal.SIGHUP
