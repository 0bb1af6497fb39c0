"""`portwatch.local.toml`: what one machine or one person has otherwise, laid over the file beside it.

Tables are merged key by key, whatever else is replaced. The local file is not for the repository, so it may
say nothing, something else, or add an app; without the file beside it, it is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procman.config.source import Source
from procman.config.syntax import parse_toml
from procman.core.fields import CHECK_KINDS

_WITH_ITS_KIND = (*CHECK_KINDS, "status", "headers")  # a check of another kind takes nothing of these over


def read_document(source: Source) -> dict[str, object]:
    """Return the plain values of a file, those of its local file over them.

    Raises:
        InvalidConfig: one of the two is not TOML.
    """
    document = parse_toml(source)
    return document if source.local is None else _laid_over(document, parse_toml(source.local), ())


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return two tables as one; a check that is of another kind keeps its rhythm and no more."""
    kinds = [{kind for kind in CHECK_KINDS if kind in table} for table in (below, above)]
    if path[-1:] == ("check",) and kinds[1] and kinds[0] != kinds[1]:
        below = {key: value for key, value in below.items() if key not in _WITH_ITS_KIND}
    result = dict(below)
    for key, value in above.items():
        under = below.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        result[key] = _laid_over(under or {}, value, (*path, key)) if both else value
    return result
