"""Plain values as YAML: a string that could mean anything else is quoted as in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

# What every reader of YAML 1.1 and 1.2 takes for a string.
_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_/.-]*(?: [A-Za-z_/][A-Za-z0-9_/.-]*)*")
_WORDS = frozenset("true false yes no on off y n null".split())  # noqa: SIM905


def yaml_text(value: Mapping[str, object]) -> str:
    """Return a table as a YAML document."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Mapping[str, object]) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield f"{_scalar(key)}:"
            yield from (f"  {line}" for line in _lines(item))
        elif isinstance(item, list | tuple) and item:
            yield f"{_scalar(key)}:"
            yield from (f"  {line}" for line in _items(item))
        else:
            yield f"{_scalar(key)}: {_scalar(item)}"


def _items(values: Sequence[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *rest = _lines(value)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield f"- {_scalar(value)}"


def _scalar(value: object) -> str:
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    if is_plain and not re.match(r"\.(?:\d|inf|nan)|\.$", str(value).lower()):
        return str(value)
    return json.dumps(value)  # ASCII: also of what YAML would not print
