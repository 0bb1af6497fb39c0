"""What npm's lock file leaves out, for which `npm ci` refuses it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_ASKED = ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies")


def left_out(lock: Mapping[str, Any]) -> str | None:
    """Return an optional package that the lock file asks for and has no entry of, or None.

    npm writes such a file by itself and goes on: where the registry has no such package (as a mirror without
    the `napi-windows-process-start-time` of Vite 8), or where it has lost what is for other platforms. Only
    `npm ci` refuses it, with `Missing: NAME@VERSION from lock file`; in the first case `npm install` leaves
    the file as it is. The files of npm 6 and before have no `packages`: None.

    Looked at is what npm 11 looks at (`build-ideal-tree.js` of its arborist): what the root depends on, and
    what that depends on, but nothing that only a workspace does, for npm follows no links here.
    """
    entries = lock.get("packages")
    if not isinstance(entries, dict):
        return None
    waiting, seen = [""], {""}
    while waiting:
        path = waiting.pop()
        entry = entries.get(path)
        if not isinstance(entry, dict) or entry.get("link"):
            continue
        for kind in _ASKED:
            asked = entry.get(kind)
            for name in asked if isinstance(asked, dict) else ():
                found = _resolved(name, path, entries)
                # What came inside another package was not resolved by npm: not held against the file.
                if found is None and kind == "optionalDependencies" and not entry.get("inBundle"):
                    return str(name)
                if found is not None and found not in seen:
                    seen.add(found)
                    waiting.append(found)
    return None


def _resolved(name: str, path: str, entries: Collection[str]) -> str | None:
    """Return where a package finds another one: in its own folder, or in the nearest above; None: nowhere."""
    while path:
        found = f"{path}/node_modules/{name}"
        if found in entries:
            return found
        path = path.rpartition("/")[0]
    found = f"node_modules/{name}"
    return found if found in entries else None
