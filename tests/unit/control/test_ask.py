"""A manager that ends while it is asked how its apps are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

if sys.platform == "win32":
    pytest.skip("the socket is a file here", allow_module_level=True)

from procman.control.ask import Lost, NotRunning, ask_status
from procman.control.endpoint import listen


@contextmanager
def hanging_up(home: Path, *, listens_on: bool) -> Iterator[None]:
    """Have somebody listen who takes one question and hangs up, for good or to be asked again."""
    with listen(str(home)) as listener:
        listener.setblocking(True)

        def take() -> None:
            connection, _ = listener.accept()
            if not listens_on:
                listener.close()
            connection.recv(1 << 16)
            connection.close()

        thread = Thread(target=take)
        thread.start()
        try:
            yield
        finally:
            thread.join()


def test_one_that_was_killed_a_moment_ago_does_not_run(tmp_path: Path) -> None:
    with hanging_up(tmp_path, listens_on=False), pytest.raises(NotRunning):
        ask_status(str(tmp_path))


def test_one_that_hangs_up_and_listens_on_has_not_answered(tmp_path: Path) -> None:
    with hanging_up(tmp_path, listens_on=True), pytest.raises(Lost, match="in the middle of its answer"):
        ask_status(str(tmp_path))
