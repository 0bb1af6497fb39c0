"""Which lines of the reader have run: what tells a new input from one that only looks new."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import procman.config

_WHERE = tuple(f"{folder}/" for folder in (*procman.config.__path__,))
_CORE = ("values.py", "kinds.py", "globs.py", "schedules.py", "order.py", "secrets.py")


class Lines:
    """Counts the lines of `procman.config`, and of what it reads values with, that have run so far.

    A function all of whose lines have run is not looked at any more, so that this costs less with time.
    """

    def __init__(self) -> None:
        self._left: dict[CodeType, set[int]] = {}
        self.count = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count what runs meanwhile."""
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        left = self._left.get(code)
        if left is None:
            left = self._left[code] = _lines_of(code) if _is_ours(code.co_filename) else set()
        return self._line if left else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        left = self._left[frame.f_code]
        if frame.f_lineno in left:
            left.discard(frame.f_lineno)
            self.count += 1
        return self._line if left else None


def _lines_of(code: CodeType) -> set[int]:
    # The line of `def` itself has no event of its own.
    return {line for _, line in dis.findlinestarts(code) if line and line != code.co_firstlineno}


def _is_ours(file: str) -> bool:
    return file.startswith(_WHERE) or ("/core/" in file and file.endswith(_CORE))
