"""A capture for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.capturing import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A capture in a folder of its own."""
    bench = Bench(tmp_path)
    yield bench
    bench.close()
