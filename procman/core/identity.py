"""Who a process is: a pid means nothing without its start time and the boot it belongs to."""

from __future__ import annotations

from typing import NamedTuple

MARKER = "PROCMAN_RUN"  # the variable in the environment of every process that procman started

# What systemd and its kin say to the one process that they have started, and to no child of it: with
# `NOTIFY_SOCKET` an app could answer for its manager, and with `LISTEN_FDS` take pipes for sockets.
FOR_THE_MANAGER = frozenset(
    (
        "INVOCATION_ID", "JOURNAL_STREAM", "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "MAINPID",
        "MANAGERPID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID",
        "WATCHDOG_PID", "WATCHDOG_USEC", "XPC_SERVICE_NAME",
    )
)  # fmt: skip


class Identity(NamedTuple):
    """One process, never confused with another that got the same number later.

    `started` is the start time as the kernel states it (Linux: clock ticks since boot, field 22 of
    `/proc/PID/stat`); it is compared for equality only. `boot` is the boot id, so that an identity kept in a
    file is not believed after a reboot (jdx/pitchfork#878 killed a system agent that way).
    """

    pid: int
    started: int
    boot: str


class Member(NamedTuple):
    """A living process of an app's tree, as seen in one look."""

    identity: Identity
    parent: int  # pid
    name: str  # the kernel's short name, 15 bytes at most
    born: float  # monotonic seconds, on the clock of `Host.now`
    state: str = "S"  # the kernel's letter: R, S, D, T (stopped)…; zombies are not members

    @property
    def pid(self) -> int:
        """The process id, for people and for messages."""
        return self.identity.pid
