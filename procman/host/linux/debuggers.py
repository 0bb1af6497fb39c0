"""Who debugs the processes of an app: a tracer that has stopped one, or a client of node's inspector."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Collection, Iterator

from procman.core.identity import Member
from procman.core.verdict import Listener
from procman.host.linux import ports, procfs

assert sys.platform == "linux"

FOLLOWERS = frozenset({"strace", "ltrace"})
RUNTIMES = frozenset({"node", "nodejs"})
INSPECTORS = range(9229, 9300)  # where node's inspector listens unless told otherwise; its workers' above it
EPHEMERAL = 32768  # and above: what the kernel gives to `--inspect=0` (ip(7), ip_local_port_range)
LOOPBACKS = frozenset({"127.0.0.1", "::1"})
# `--inspect`, `--inspect=9230`, `--inspect-brk=127.0.0.1:0`; not `--inspect-publish-uid=http`
FLAG = re.compile(r"--inspect(?:-brk|-wait|-port)?(?:=(?:.*:)?(?:(\d+)|[^:]*))?")


def debugger(members: Collection[Member], own: int | None, diagnostics: ports.Diagnostics) -> str | None:
    """Return who debugs one of the processes, as a sentence, or None.

    Args:
        members: the processes of an app.
        own: the app's port, whose clients are no debuggers.
        diagnostics: the kernel's lists of sockets.
    """
    for member in members:
        tracer = tracer_of(member.pid)
        if tracer is not None:
            return f"{member.name} (pid {member.pid}) is stopped by {tracer}"
    runtimes = [member for member in members if _runs_javascript(member.pid)]
    if not runtimes:
        return None
    listeners = {each.inode: each for each in diagnostics.listeners() or () if each.port != own}
    inspectors = {port: member for member in runtimes for port in _inspectors(member.pid, listeners)}
    port = diagnostics.connected_to(inspectors) if inspectors else None
    if port is None:
        return None
    member = inspectors[port]
    return f"a debugger is connected to {member.name} (pid {member.pid}) on port {port}"


def tracer_of(pid: int) -> str | None:
    """Return who keeps the process stopped by ptrace(2), in words, or None if nobody does.

    SIGSTOP and Ctrl-Z are no debugger: the kernel's letter for those is `T`. Followers such as strace stop a
    process too, but for 20 us at each of its system calls.
    """
    stat = procfs.stat(pid)
    if stat is None or stat.state != "t":
        return None
    tracer = procfs.stat(procfs.tracer(pid))  # none: it is outside of the container that we are in
    if tracer is not None and tracer.name in FOLLOWERS:
        return None
    return "a debugger" if tracer is None else f"{tracer.name} (pid {tracer.pid})"


def _runs_javascript(pid: int) -> bool:
    """Return whether the process may have an inspector: it is node, or was told to inspect."""
    with contextlib.suppress(OSError):
        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) in RUNTIMES:
            return True
    return any(map(FLAG.fullmatch, procfs.arguments(pid)))


def _inspectors(pid: int, listeners: dict[int, Listener]) -> Iterator[int]:
    """Yield the ports on which the inspector of this process may listen.

    A port that was said, or node's own; where a random one was said, or VS Code has its process attached to
    whatever is started in its terminal, a random port of the loopback.
    """
    words = (*procfs.arguments(pid), *(procfs.variable(pid, "NODE_OPTIONS") or "").split())
    said = {int(match[1] or INSPECTORS[0]) for word in words if (match := FLAG.fullmatch(word))}
    is_random = 0 in said or procfs.variable(pid, "VSCODE_INSPECTOR_OPTIONS") is not None
    with contextlib.suppress(PermissionError):
        for inode in procfs.sockets(pid):
            each = listeners.get(inode)
            if each is None:
                continue
            drawn = is_random and each.port >= EPHEMERAL and each.address in LOOPBACKS
            if drawn or each.port in said or each.port in INSPECTORS:
                yield each.port
