"""Which node an app wants, as far as that is told by a major version alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOOLS = frozenset({"node", "npm", "npx", "pnpm", "yarn"})  # commands that need a node, and say their version
_COMPARATOR = re.compile(r"(>=|<=|>|<|\^|~|=)?v?(\d+)((?:\.(?:\d+|[xX*])){0,2})")


def accepts(range_: str, major: int) -> bool:
    """Return False where no node of `major` satisfies a range of npm's, and True also where that takes more.

    `>=18`, `^20.9`, `20.x`, `18 || 20` and `>=18 <21` are told by their majors; `lts/*`, a hyphen range and
    whatever else may be written are not.
    """
    return any(_alternative(each, major) for each in range_.split("||"))


def _alternative(text: str, major: int) -> bool:
    comparators = re.sub(r"([<>=^~])\s+", r"\1", text.strip()).split()
    matches = [_COMPARATOR.fullmatch(each) for each in comparators]
    return not all(matches) or all(_compare(match, major) for match in matches if match is not None)


def _compare(match: re.Match[str], major: int) -> bool:
    operator, wanted = match[1], int(match[2])
    exact = bool(re.search(r"[1-9]", match[3]))  # `<20.9` leaves some of 20, `<20` and `<20.0.0` nothing
    match operator:
        case ">=":
            return major >= wanted
        case ">":
            return major > wanted or (major == wanted and bool(match[3]))
        case "<=":
            return major <= wanted
        case "<":
            return major < wanted or (major == wanted and exact)
    return major == wanted


def major_of(version: str) -> int | None:
    """Return 20 for `v20.11.0`."""
    match = re.match(r"v?(\d+)\.", version)
    return int(match[1]) if match else None


def wishes(cwd: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is said about node's version for an app: where, and the range."""
    for name in (".nvmrc", ".node-version"):
        for place in dict.fromkeys((cwd, folder)):
            try:
                text = (place / name).read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                continue
            yield name, text
            break
    engines = package(cwd).get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    if isinstance(wanted, str):
        yield "`engines` of package.json", wanted


def package(cwd: Path) -> dict[str, Any]:
    """Return the app's package.json, empty where there is none that can be read."""
    return document(cwd / "package.json")


def document(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON, empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def lacks_modules(cwd: Path, folder: Path) -> bool:
    """Return whether package.json asks for packages and there is no `node_modules` up to `folder`."""
    manifest = package(cwd)
    if not manifest.get("dependencies") and not manifest.get("devDependencies"):
        return False
    above = [each for each in cwd.parents if each.is_relative_to(folder)]
    return not any((each / name).exists() for each in (cwd, *above) for name in ("node_modules", ".pnp.cjs"))
