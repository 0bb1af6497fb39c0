"""The manual page is made of the fields, and is one that `man` can show."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from procman.config import manual
from procman.core.fields import APP, CHECK

ROOT = Path(manual.__file__).parents[2]


def test_the_page_is_what_the_fields_say() -> None:
    how = f"python -m procman.config.manual > {manual.PAGE}"
    assert (ROOT / manual.PAGE).read_text(encoding="utf-8") == manual.page(), f"it is stale: `{how}`"


def test_every_key_has_an_entry() -> None:
    page = manual.page()
    for key in (*APP, *CHECK):
        assert f"\n.BR {key} " in page


def test_no_line_of_text_is_taken_for_a_macro() -> None:
    macros = (".TP", ".BR", ".SH", ".TH", ".nf", ".fi", ".B", ".I", ".IR", '.\\"')
    lines = [line for line in manual.page().splitlines() if line.startswith((".", "'"))]
    assert all(line.split(" ")[0] in macros for line in lines)


def test_a_linter_has_nothing_to_warn_of() -> None:
    if (mandoc := shutil.which("mandoc")) is None:
        pytest.skip("`mandoc` is not installed")
    done = subprocess.run(
        [mandoc, "-T", "lint", "-W", "warning", ROOT / manual.PAGE], capture_output=True, text=True
    )
    found = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert found == []
