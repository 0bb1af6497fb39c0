"""The machine for a command that has no manager to ask, or more to see than one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from procman import host
from procman.host.base import Host


@contextmanager
def this_machine() -> Iterator[Host]:
    """Have the host of this machine as long as the block lasts, on the loop that runs.

    Raises:
        Unsupported: there is none for this system.
    """
    machine = host.make_host(asyncio.get_running_loop())
    try:
        yield machine
    finally:
        machine.close()


def variables_of(user: str) -> dict[str, str]:
    """Return what the environment of an app says of its `user`; nothing of one that is not known here."""
    return host.variables_of(user)
