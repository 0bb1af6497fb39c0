"""Lines: what an app printed, put together again from the batches in which it was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from procman.core.frozen import Frozen
from procman.logs.segments import Record, Stream

LONGEST_PART = 1 << 20  # bytes; a longer line comes in parts, so that no line can fill the memory


class Line(Frozen):
    """A line of an app, or a part of a very long one.

    The parts of a line follow one another for its stream; lines of the app's other stream may be in between.
    """

    app: str
    run: int
    stream: Stream
    at: float  # seconds since the epoch: when its first byte was read
    text: bytes  # as the app wrote it, without the newline
    continues: bool = False  # its beginning came in an earlier part, or is no longer kept
    partial: bool = False  # more of it is to come, or would be if the run had ended


@dataclass(slots=True)
class _Begun:
    """A line whose end has not been seen."""

    run: int
    at: float
    continues: bool
    text: bytearray = field(default_factory=bytearray)


class Assembler:
    """Puts the lines of one app together, each stream for itself; owned by one reader."""

    __slots__ = ("_app", "_begun")

    def __init__(self, app: str) -> None:
        self._app = app
        self._begun: dict[Stream, _Begun] = {}

    def rename(self, app: str) -> None:
        """Let what ends from now on be lines of an app of this name."""
        self._app = app

    def resume(self, record: Record) -> None:
        """Expect the rest of a line, begun before what is fed from now on, unless its beginning was fed."""
        self._begun.setdefault(record.whose, _Begun(record.run, record.at, continues=True))

    def feed(self, record: Record, data: bytes) -> Iterator[Line]:
        """Yield the lines that end in `data`, and parts of one that is too long to wait for its end."""
        stream, app, run, at = record.whose, self._app, record.run, record.at
        begun = self._begun.get(stream)
        if begun is not None and begun.run != run:
            yield from self._left(stream)  # that run will not end it any more
            begun = None
        pieces = data.split(b"\n")
        rest = pieces.pop()
        if pieces and begun is not None:
            yield from self._extend(stream, begun, pieces.pop(0))
            del self._begun[stream]
            yield Line(app, run, stream, begun.at, bytes(begun.text), begun.continues)
            begun = None
        for piece in pieces:
            yield Line(app, run, stream, at, piece)
        if rest:
            begun = begun or self._begun.setdefault(stream, _Begun(run, at, continues=False))
            yield from self._extend(stream, begun, rest)

    def flush(self) -> Iterator[Line]:
        """Yield what is there of lines that have not ended, and forget it: nothing more is to be fed."""
        for stream in sorted(self._begun):
            yield from self._left(stream)

    def _left(self, stream: Stream) -> Iterator[Line]:
        begun = self._begun.pop(stream)
        if begun.text:
            text = bytes(begun.text)
            yield Line(self._app, begun.run, stream, begun.at, text, begun.continues, partial=True)

    def _extend(self, stream: Stream, begun: _Begun, data: bytes) -> Iterator[Line]:
        """Add to a line, and yield the parts by which it has become too long."""
        begun.text += data
        while len(begun.text) > LONGEST_PART:
            part = bytes(begun.text[:LONGEST_PART])
            yield Line(self._app, begun.run, stream, begun.at, part, begun.continues, partial=True)
            del begun.text[:LONGEST_PART]
            begun.continues = True
