"""Texts that are to stay as they are, each in a file: how the golden tests compare with one, and renew it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def compare(path: Path, found: str) -> None:
    """Fail if a snapshot is not what it was; with `UPDATE_GOLDEN` it is what was found from now on."""
    expected = path.read_text(encoding="utf-8") if path.exists() else None
    if found != expected and os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
        pytest.fail(f"{path.name} is written anew: look at the difference")
    assert found == expected
