"""A manager does without what it seldom uses until it is used, and gives back what is large."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import Any

import pytest

from procman.lean import SELDOM

LOADED = """
import json, sys
import procman.manager
before = {name: type(sys.modules[name]).__name__ for name in %r}
import dataclasses
made = dataclasses.make_dataclass("Made", [("first", int)])
after = type(sys.modules["inspect"]).__name__
print(json.dumps({"before": before, "doc": made.__doc__, "after": after}))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What a process says that has loaded all that a manager does."""
    words = [sys.executable, "-c", LOADED % (SELDOM,)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_nothing_that_a_manager_imports_loads_what_it_seldom_needs(told: dict[str, Any]) -> None:
    assert told["before"] == dict.fromkeys(SELDOM, "_Seldom")


def test_it_is_loaded_by_its_first_use(told: dict[str, Any]) -> None:
    assert told["doc"] == "Made(first: int)"
    assert told["after"] == "module"


LARGE_ONES = """
from procman import lean

def heap():
    "Return how many bytes malloc has taken for what is small."
    with open("/proc/self/maps") as maps:
        places = [line.split()[0].split("-") for line in maps if "[heap]" in line]
    return sum(int(end, 16) - int(start, 16) for start, end in places)

before = heap()
del bytearray(3_000_000)[:]
kept = [bytearray(400_000) for _ in range(10)]
print(heap() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc has other ways")
def test_what_is_large_never_lies_in_the_heap() -> None:
    done = subprocess.run([sys.executable, "-c", LARGE_ONES], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1_000_000, "by itself glibc puts all of them there"
