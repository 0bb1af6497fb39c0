"""What a command says beside its data, on stderr; and where colours may go, which never carry meaning.

Imports nothing: `status --json` says it with this when no manager runs.
"""

from __future__ import annotations

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


def _write(text: str) -> None:
    sys.stdout.flush()  # what was printed before is seen before
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()
