"""The reference page is what the fields say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from procman.config.reference import PAGE, page
from procman.core.fields import APP, BACKOFF, CHECK, GIVE_UP, HISTORY, LOGS, MANAGER

REPOSITORY = Path(__file__).parents[3]


def test_the_reference_page_is_not_stale() -> None:
    written = REPOSITORY / PAGE
    if os.environ.get("UPDATE_GOLDEN"):
        written.write_text(page(), encoding="utf-8")
        pytest.fail(f"{PAGE} is written anew: run again without UPDATE_GOLDEN")
    assert written.read_text(encoding="utf-8") == page(), "run `python -m procman.config.reference`"


def test_every_key_is_in_it() -> None:
    for table in (APP, CHECK, BACKOFF, GIVE_UP, HISTORY, LOGS, MANAGER):
        for key in table:
            assert f"\n| `{key}` | " in page()


def test_the_page_is_printed() -> None:
    command = [sys.executable, "-m", "procman.config.reference"]
    printed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, timeout=30)
    assert printed.stdout.decode() == page()
