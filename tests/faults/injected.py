"""System calls of a running process that fail, as strace makes them; and limits that are set on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def failing(pid: int, *rules: str) -> Iterator[None]:
    """Make system calls of a process fail for as long as the block lasts.

    Args:
        pid: of the process; all the threads that it has are meant.
        rules: `calls:error=NAME`, with `:when=` as strace has it. A call that few machines have gets a `?`
            before it.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = ",".join(rule.partition(":")[0] for rule in rules)
    threads = os.listdir(f"/proc/{pid}/task")  # and not `-f`: what it starts is to be well
    words = ["strace", "-o", "/dev/null", *(f"--attach={each}" for each in threads), "-e", f"trace={calls}"]
    words += [word for rule in rules for word in ("-e", f"inject={rule}")]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        try:
            for _ in threads:
                said = tracer.stderr.readline()
                if "Operation not permitted" in said:
                    pytest.skip("no process may be traced here")
                assert "attached" in said, said
            yield
        finally:
            tracer.terminate()
            tracer.stderr.read()


def limit(pid: int, descriptors: int) -> None:
    """Let a process have descriptors below this number; those that it has above stay open."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={descriptors}:"], check=True)


def cpu(pid: int) -> int:
    """Return the ticks that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
