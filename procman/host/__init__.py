"""Everything an operating system gives, behind the one contract of `base.py`; one folder for each system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from procman.host.base import Host
    from procman.host.service_manager import ServiceManager


def make_host(loop: asyncio.AbstractEventLoop) -> Host:
    """Return the host of the machine we run on, importing that one alone.

    Call it from the main thread: it takes over the loop's SIGCHLD.

    Raises:
        Unsupported: there is none for this system.
    """
    if sys.platform == "linux":
        from procman.host.linux.host import LinuxHost

        return LinuxHost(loop)
    if sys.platform == "darwin":
        from procman.host.macos.host import MacHost

        return MacHost(loop)
    if sys.platform == "win32":
        from procman.host.windows.host import WindowsHost
        from procman.host.windows.spool import waiting
        from procman.host.windows.win32_calls import Calls, SnapshotTable

        calls = Calls()
        return WindowsHost(loop, calls, SnapshotTable(calls), waiting)
    from procman.host.base import Unsupported

    raise Unsupported(f"procman does not run on `{sys.platform}`")


def variables_of(user: str) -> dict[str, str]:
    """Return what the environment of an app says of its `user`; nothing of one that is not known here."""
    if sys.platform == "win32":
        return {}
    else:
        from procman.host.posix.rights import variables

        return variables(user)


def make_service_manager(*, system: bool) -> ServiceManager:
    """Return what starts services on the machine we run on, for all users or for this one.

    Raises:
        Unsupported: there is none that we know.
    """
    if sys.platform == "linux":
        from procman.host.linux.systemd import Systemd

        return Systemd(system=system)
    if sys.platform == "darwin":
        from procman.host.macos.launchd import Launchd

        return Launchd(system=system)
    if sys.platform == "win32":
        from procman.host.windows.service import WindowsServices

        return WindowsServices(system=system)
    from procman.host.base import Unsupported

    raise Unsupported(f"procman installs no service on `{sys.platform}` yet")


def enter_leaf() -> None:
    """Move a manager that is a service into a cgroup of its own, below the one that it was given.

    Nothing where there are no cgroups, or none that this user may change.
    """
    if sys.platform == "linux":
        from procman.host.linux import cgroups

        cgroups.enter_leaf()
