"""The machine for a command that has no manager to ask, or more to see than one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from procman import host
from procman.engine.service import Installation
from procman.host.base import Host, Unsupported
from procman.host.service_manager import NotDone, ServiceManager

__all__ = ["NotDone", "service_manager", "services_of", "this_machine", "variables_of"]


@contextmanager
def this_machine() -> Iterator[Host]:
    """Have the host of this machine as long as the block lasts, on the loop that runs.

    Raises:
        Unsupported: there is none for this system.
    """
    import asyncio  # 25 ms, and `up` looks for a service alone

    machine = host.make_host(asyncio.get_running_loop())
    try:
        yield machine
    finally:
        machine.close()


def service_manager(*, system: bool) -> ServiceManager:
    """Return what starts services here, for the machine or for this user; raises `NotDone`."""
    try:
        return host.make_service_manager(system=system)
    except Unsupported as error:
        raise NotDone(str(error)) from error


def services_of(file: str) -> tuple[Installation, ...]:
    """Return the services of a project, this user's and the machine's, be they installed or not."""
    try:
        return tuple(Installation(service_manager(system=system), file) for system in (False, True))
    except NotDone:
        return ()


def variables_of(user: str) -> dict[str, str]:
    """Return what the environment of an app says of its `user`; nothing of one that is not known here."""
    return host.variables_of(user)
