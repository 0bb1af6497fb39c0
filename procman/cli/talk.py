"""What a command says beside its data, on stderr; and where colours may go, which never carry meaning.

Whatever a message quotes (a path, the name of a process, an answer by HTTP, an app's output) may be meant to
steer the terminal that it is shown on. So what goes to a terminal has no control characters in it but ours.

Imports nothing that `io` has not: `status --json` says it with this when no manager runs.
"""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

BOLD, DIM, RED, GREEN, YELLOW = "1", "2", "31", "32", "33"


def wants_colour(stream: TextIO) -> bool:
    """Return whether text on `stream` may be coloured; `NO_COLOR` says so first, then `FORCE_COLOR`."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, *codes: str) -> str:
    """Return `text` in a colour or weight of the terminal."""
    return f"\x1b[{';'.join(codes)}m{text}\x1b[0m"


def width(stream: TextIO) -> int | None:
    """Return the columns of the terminal that `stream` is, or None: what goes to a file is never cut."""
    if not stream.isatty():
        return None
    from shutil import get_terminal_size

    return get_terminal_size().columns


def note(text: str) -> None:
    """Say something that is neither data nor a fault."""
    _write(text)


def hint(text: str) -> None:
    """Say what to type next, under what was printed."""
    _write(f"\n{paint('hint', BOLD) if wants_colour(sys.stderr) else 'hint'}: {text}")


def fail(message: str, hint: str | None = None) -> None:
    """Say why a command fails, and what to type instead."""
    coloured = wants_colour(sys.stderr)
    lines = [f"{paint('error', BOLD, RED) if coloured else 'error'}: {message}"]
    if hint:
        lines += ["", f"{paint('hint', BOLD) if coloured else 'hint'}: {hint}"]
    _write("\n".join(lines))


def fail_as_is(text: str) -> None:
    """Show errors that name their own place: those of a file."""
    _write(text)


def warn_as_is(text: str) -> None:
    """Show a warning that names its own place, as `fail_as_is` does errors, apart from what was printed."""
    _write(f"\n{paint('warning', BOLD, YELLOW) if wants_colour(sys.stderr) else 'warning'}: {text}")


def steady(text: str) -> str:
    """Return a text with its lines, tabs and colours, and with nothing else in it that a terminal acts on."""
    if text.replace("\n", "").isprintable():
        return text
    import re

    return re.sub("\x1b(?!\\[[0-9;:]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", "�", text)


def steer(sequence: str) -> None:
    """Send a terminal a sequence of ours, which a `SteadyTerminal` would not let through."""
    sys.stdout.flush()
    sys.stdout.buffer.write(sequence.encode())


class SteadyTerminal(io.TextIOWrapper):
    """The stdout of a command where that is a terminal: only what is steady gets there."""

    def write(self, text: str) -> int:
        """Write a text, and return how long it was."""
        super().write(steady(text))
        return len(text)


def steady_stdout() -> None:
    """Let nothing that is printed from now on steer the terminal that stdout is, if it is one."""
    out = sys.stdout
    if out.isatty() and type(out) is io.TextIOWrapper:
        encoding, errors = out.encoding, out.errors
        sys.stdout = SteadyTerminal(out.detach(), encoding, errors, line_buffering=True)


def _write(text: str) -> None:
    text = steady(text)
    sys.stdout.flush()  # what was printed before is seen before
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()
