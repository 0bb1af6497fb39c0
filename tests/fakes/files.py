"""Folders with files in them, as a test writes them down."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

Files = Mapping[str, object]  # a path below the folder, and a text or a document for JSON


def lay(folder: Path, files: Files) -> Path:
    """Make a folder with these files, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
    return folder


def package(scripts: Mapping[str, str], needs: Iterable[str] = (), **rest: object) -> dict[str, object]:
    """Return a `package.json`."""
    return {"scripts": dict(scripts), "dependencies": dict.fromkeys(needs, "*"), **rest}
