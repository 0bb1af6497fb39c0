"""Makes an app's output safe to show: what could move, hide or retitle a terminal is taken out of it."""

from __future__ import annotations

import re

# What a terminal acts on. Of a sequence that does not end in the line only the introducer is taken out: the
# text after it stays visible, where a terminal would have swallowed it. All begin with a control character:
# to say so first makes it four times as fast (100 characters with colours: 7.5 us, then 1.9).
_SEQUENCE = re.compile(
    r"""
    (?= [\x00-\x08\x0a-\x1f\x7f-\x9f] ) (?:
    (?P<colour> \x1b\[ [0-9;:]* m )
  | (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]?                    # cursor, clear, modes, reports
  | (?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])                 # title, clipboard, hyperlink, device strings
    (?: [^\x07\x1b\x9c\x90\x98\x9d-\x9f]* (?:\x07|\x1b\\|\x9c) )?
  | \x1b [ -/]* [0-~]?                                      # character sets, reset, index, a lone ESC
  | \r+\Z
  | (?P<space> \r+ )                                        # it would let text overwrite the line
  | [\x00-\x08\x0a-\x1f\x7f-\x9f]
    )
    """,
    re.VERBOSE,
)
_RESET = "\x1b[0m"


def clean(text: str) -> str:
    """Return a line that is safe on a terminal, with its colours, which do not reach beyond it."""
    if text.isprintable():  # most lines, for a twentieth of the time
        return text
    cleaned = _SEQUENCE.sub(lambda found: found["colour"] or (" " if found["space"] else ""), text)
    colour = cleaned.rfind("\x1b[")
    if colour < 0 or cleaned.startswith(("\x1b[m", _RESET), colour):
        return cleaned
    return cleaned + _RESET


def plain(text: str) -> str:
    """Return a line's text alone: no colours, no control characters but tabs."""
    if text.isprintable():
        return text
    return _SEQUENCE.sub(lambda found: " " if found["space"] else "", text)
