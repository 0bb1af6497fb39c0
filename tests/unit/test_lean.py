"""What is large and is let go of goes back to the system, also where it is made again and again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

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
