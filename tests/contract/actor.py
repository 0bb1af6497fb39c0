"""Plays a `tests.fakes.programs.Program` for real: run as a command with the program as JSON in `ACT`.

Imports as little as it can, because every process of a test's tree starts it anew.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False  # as `typing` has it, without its import
if TYPE_CHECKING:
    import socket
    from typing import Any

BORN = time.monotonic()
PORT = 0


def listen(spec: dict[str, Any], state: dict[str, Any]) -> None:
    """Open a listener as `spec` says, or do what it says of a port that is taken."""
    import socket

    port = spec["port"] if spec["port"] != PORT else int(os.environ["PORT"])
    family = socket.AF_INET6 if ":" in spec["address"] else socket.AF_INET
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((spec["address"], port))
            listener.listen(511)
            break
        except OSError:
            listener.close()
            if spec["taken"] == "exit":
                os._exit(1)
            if spec["taken"] == "stay":
                return
            port += 1
    listener.setblocking(False)
    state["listeners"].append((listener, spec))
    if spec["until"] is not None:
        state["plan"].append((spec["until"], lambda: close(listener, spec, state)))


def close(listener: socket.socket, spec: dict[str, Any], state: dict[str, Any]) -> None:
    """Close a listener."""
    state["listeners"].remove((listener, spec))
    listener.close()


def serve(listener: socket.socket, spec: dict[str, Any], state: dict[str, Any]) -> None:
    """Accept one connection, and answer it once it has asked."""
    connection, _peer = listener.accept()
    connection.settimeout(1.0)
    try:
        asked = connection.recv(4096)
        if asked and spec["status"] is not None:
            connection.sendall(b"HTTP/1.1 %d Said\r\ncontent-length: 0\r\n\r\n" % spec["status"])
        elif asked:
            state["kept"].append(connection)
            return
    except OSError:
        pass
    connection.close()


def fork(child: dict[str, Any], state: dict[str, Any]) -> None:
    """Start a child."""
    way = child["way"]
    pid = os.fork()
    if pid == 0:
        if way != "fork":
            os.setsid()
        if way == "orphan" and os.fork() != 0:
            os._exit(0)
        import json

        os.environ["ACT"] = json.dumps(child["program"])
        os.execv(sys.executable, [sys.executable, "-I", "-S", __file__])
    if way == "orphan":
        os.waitpid(pid, 0)
    else:
        state["children"].append(pid)


def drain(delay: float) -> None:
    """End in good order, after a while."""
    time.sleep(delay)
    os._exit(0)


def follow(state: dict[str, Any]) -> None:
    """End as the first child did."""
    for pid in list(state["children"]):
        reaped, status = os.waitpid(pid, os.WNOHANG)
        if reaped:
            state["children"].remove(pid)
            code = os.waitstatus_to_exitcode(status)
            if state["program"]["follows"]:
                os._exit(code if code >= 0 else 128 - code)


def main() -> None:
    """Play the program."""
    import json
    import select

    program = json.loads(os.environ["ACT"])
    state = {"program": program, "listeners": [], "kept": [], "children": [], "plan": []}
    plan = state["plan"]
    for name in program["ignores"]:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    for name, delay in program["drains"].items():
        signal.signal(getattr(signal, name), lambda *_, delay=delay: drain(delay))
    plan += [(each["after"], lambda each=each: listen(each, state)) for each in program["listens"]]
    plan += [(each["after"], lambda each=each: fork(each, state)) for each in program["children"]]
    plan += [(delay, lambda text=text: os.write(1, text.encode())) for delay, text in program["writes"]]
    state["memory"] = b"m" * program["memory"]
    if program["exits_after"] is not None:
        plan.append((program["exits_after"], lambda: os._exit(program["code"])))
    while True:
        plan.sort(key=lambda entry: entry[0])
        while plan and time.monotonic() - BORN >= plan[0][0]:
            plan.pop(0)[1]()
        follow(state)
        pause = 0.02 if state["children"] else 60.0
        if program["burns"]:
            pause = 0.0
        if plan:
            pause = min(pause, max(0.0, BORN + plan[0][0] - time.monotonic()))
        for listener in select.select([each for each, _spec in state["listeners"]], [], [], pause)[0]:
            for each, spec in list(state["listeners"]):
                if each is listener:
                    serve(listener, spec, state)


main()
