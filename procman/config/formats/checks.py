"""Health checks as other tools have them, and the ports that they imply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from procman.config.formats.draft import Draft, shell_words
from procman.config.formats.nodes import Node

_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "")
# `curl -f http://localhost:3000/health || exit 1`, and what people write in its place.
_ASKS = re.compile(
    r"(?:curl|wget)\b[^|;&]*?[\"']?(?P<url>https?://[^\s\"'|;&]+)[\"']?[^|;&]*(?:(?:\|\|\s*exit\s+\d+)?\s*)"
)


def put_url(draft: Draft, url: str, node: Node) -> bool:
    """Make a check of an address of this machine, and return whether it is one and could be carried over."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        draft.lose(node, "it is no address")
        return False
    if parts.scheme != "http" or (parts.hostname or "") not in _LOCAL:
        draft.lose(node, "procman asks an app itself, on its own `port` and without TLS")
        return False
    if draft.values.get("port", port) != port:
        draft.lose(node, f"it asks port {port}, and the port of the app is {draft.values['port']}")
        return False
    if "port" not in draft.values and not draft.put("port", port, node):
        return False
    return draft.put("check.http", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), node)


def put_test(draft: Draft, text: str, node: Node) -> None:
    """Make a check of a command that a shell runs; one that asks for an address of the app becomes `http`."""
    match = _ASKS.fullmatch(text.strip())
    if match and match["url"].startswith("http://") and _is_own(draft, match["url"]):
        put_url(draft, match["url"], node)
    else:
        draft.put("check.exec", shell_words(text), node)


def put_words(draft: Draft, words: Sequence[str], node: Node) -> None:
    """Make a check of a command whose words are known."""
    if not any(word in ("-c", "-lc") for word in words[:2]) and _ASKS.fullmatch(" ".join(words)):
        put_test(draft, " ".join(words), node)
    else:
        draft.put("check.exec", list(words), node)


def put_http_get(draft: Draft, get: Node) -> None:
    """Make a check of `{ host, scheme, port, path }`."""
    told = {
        key: node.text for key in ("host", "scheme", "port", "path") if (node := get.child(key)) is not None
    }
    host = told.get("host", "localhost")
    port = f":{told['port']}" if "port" in told else ""
    path = told.get("path", "/")
    url = f"{told.get('scheme', 'http').lower()}://{host}{port}{path if path.startswith('/') else f'/{path}'}"
    put_url(draft, url, get)
    for key, node in get.table.items():
        if key == "headers" and node.table:
            draft.put("check.headers", {name: each.text for name, each in node.table.items()}, node)
        elif key == "status_code":
            draft.put("check.status", node.value, node)
        elif key not in told:
            draft.lose(node, "a check of procman has nothing like it")


def _is_own(draft: Draft, url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") in _LOCAL and draft.values.get("port", parts.port) == (parts.port or 80)
    except ValueError:
        return False
