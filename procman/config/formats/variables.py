"""`$VAR` of a compose file, which compose fills in while it reads the file."""

from __future__ import annotations

import re

from procman.config.formats.draft import Draft
from procman.config.formats.nodes import Node

_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^{}]*))?\})")


def fill(text: str) -> str | None:
    """Return a text with the defaults of its variables filled in, or None: one has no default."""
    known = True

    def default(match: re.Match[str]) -> str:
        nonlocal known
        if match[1]:
            return "$"
        known = known and (match[4] or "").endswith("-")
        return match[5] or ""

    filled = _VARIABLE.sub(default, text)
    return filled if known else None


def for_env(draft: Draft, text: str, node: Node) -> str:
    """Return the value of a variable as `env` has it: `${VAR}`, `${VAR:-default}`, and `$` for itself."""
    odd = False

    def ours(match: re.Match[str]) -> str:
        nonlocal odd
        if match[1]:
            return "$$" if text.startswith("{", match.end()) else "$"
        name, sign, default = match[2] or match[3], match[4] or "", match[5]
        odd = odd or sign not in ("", ":-", "-")
        return f"${{{name}:-{default}}}" if sign.endswith("-") else f"${{{name}}}"

    value = _VARIABLE.sub(ours, text)
    if odd:
        draft.lose(node, "of `${VAR…}` only a default, `:-`, is carried over")
    return value


def without_dollars(text: str) -> str:
    """Return a text with each `$$` as the `$` that it stands for."""
    return text.replace("$$", "$")
