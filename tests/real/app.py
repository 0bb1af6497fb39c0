"""The apps of these tests: `python app.py KIND key=value…`, small enough to start in 30 ms.

`serve` listens on `$PORT` and answers HTTP; SIGUSR1 closes its port, SIGUSR2 makes it answer 500. The other
kinds are named after the trouble they make. Run with `-I -S`: nothing of procman or of the tests is imported.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

Options = dict[str, str]
LOCK = fcntl.LOCK_EX | fcntl.LOCK_NB


def main() -> None:
    """Be the app that the arguments describe."""
    kind, *words = sys.argv[1:]
    KINDS[kind](dict(word.split("=", 1) for word in words))


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def sleep_forever() -> None:
    """Live until a signal ends it."""
    while True:
        signal.pause()


def listener(port: int, address: str, options: Options) -> socket.socket:
    """Return a listening socket; the port above is tried if `taken=next`, as Vite does."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if "reuseport" in options:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            made.bind((address, port))
            made.listen(511)
            return made
        except OSError:
            made.close()
            if options.get("taken") != "next":
                raise
            port = int(options["next"])


class Server:
    """A server of one thread, which signals close or break."""

    def __init__(self, options: Options) -> None:
        time.sleep(float(options.get("after", 0)))
        port = int(options.get("port") or os.environ["PORT"])
        addresses = options.get("bind", "127.0.0.1").split(",")
        self._listeners = [listener(port, each, options) for each in addresses]
        self._status = int(options.get("status", 200))
        self._told_to_close = False
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "_told_to_close", True))
        signal.signal(signal.SIGUSR2, lambda *_: self._break())
        say(f"listens on {self._listeners[0].getsockname()[1]}")

    def serve(self) -> None:
        """Answer."""
        while True:
            if self._told_to_close and self._listeners:
                self._close()
            ready, _, _ = select.select(self._listeners, [], [], 0.02)
            for each in ready:
                self._answer(each)

    def _answer(self, each: socket.socket) -> None:
        connection, _ = each.accept()
        with connection:
            connection.settimeout(0.2)
            try:
                if connection.recv(4096):
                    answer = f"HTTP/1.1 {self._status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    connection.sendall(answer.encode())
            except OSError:
                pass  # a check by TCP says nothing

    def _close(self) -> None:
        closing, self._listeners = self._listeners, []
        for each in closing:
            each.close()
        say("closed its port")

    def _break(self) -> None:
        self._status = 500
        say("answers 500 from now on")


def serve(options: Options) -> None:
    """Serve; exit with `code=` at SIGALRM."""
    if "deaf" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(int(options["code"])))
    Server(options).serve()


def leave(options: Options) -> None:
    """Live for `after=` seconds without a port, then exit with `code=`."""
    say("begins")
    time.sleep(float(options.get("after", 0)))
    say("leaves")
    sys.exit(int(options.get("code", 0)))


def stay(options: Options) -> None:
    """Live without a port; `note=` names a file to which a line is added at the start and at SIGTERM."""
    if "deaf" in options:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif "note" in options:
        note(options, "started")
        signal.signal(signal.SIGTERM, lambda *_: (note(options, "stopped"), os._exit(0)))
    if "hangup" in options:
        signal.signal(signal.SIGHUP, lambda *_: say("hung up"))
    say(" ".join(options.get("say", "ready").split("_")))
    sleep_forever()


def note(options: Options, what: str) -> None:
    """Add a line to the file that `note=` names."""
    with open(options["note"], "a", encoding="utf-8") as file:
        file.write(f"{options.get('name', '')} {what}\n")


def count(options: Options) -> None:
    """Print numbered lines, `rate=` a second, `lines=` of them, in batches of a hundredth of a second."""
    rate, last = int(options["rate"]), int(options["lines"])
    began, printed = time.monotonic(), 0
    while printed < last:
        due = min(last, int((time.monotonic() - began) * rate) + 1)
        while printed < due:
            os.write(1, f"line {printed} of its output\n".encode())
            printed += 1
        time.sleep(0.01)
    sleep_forever()


def alone(options: Options) -> None:
    """Print numbered lines, `rate=` a second, and how many they were at SIGTERM.

    A line in the file that `note=` names says when it starts, when it ends, and that there is another one of
    its `name=`. It holds a lock for as long as it lives, so nobody has to look at the right moment.
    """
    notes = os.open(options["note"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def say_of_itself(what: str) -> None:
        os.write(notes, f"{options['name']} {os.getpid()} {what}\n".encode())

    try:
        fcntl.flock(os.open(f"{options['note']}.{options['name']}", os.O_WRONLY | os.O_CREAT), LOCK)
    except BlockingIOError:
        say_of_itself("doubled")
        sys.exit(1)
    say_of_itself("started")
    rate, began, printed, told_to_end = int(options["rate"]), time.monotonic(), 0, False

    def end(*_: object) -> None:
        nonlocal told_to_end
        told_to_end = True

    signal.signal(signal.SIGTERM, end)
    while not told_to_end:
        due = int((time.monotonic() - began) * rate) + 1
        for number in range(printed, due):
            os.write(1, f"line {number} of its output\n".encode())
        printed = due
        time.sleep(0.01)
    say(f"printed {printed} lines")
    say_of_itself("ended")


def fork(child: Callable[[], None]) -> int:
    """Return the pid of a new process that does `child` and ends."""
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(0)
    return pid


def parent(options: Options) -> None:
    """Serve from a child process, as npm does from a grandchild; the leader waits and follows its end."""
    pid = fork(lambda: Server(options).serve())
    _, status = os.waitpid(pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status) % 256)


def watcher(options: Options) -> None:
    """Serve from a child process, and live on without a port when it dies: nodemon after a syntax error."""
    pid = fork(lambda: Server(options).serve())
    os.waitpid(pid, 0)
    say("app crashed - waiting for file changes")
    sleep_forever()


def daemon(options: Options) -> None:
    """Serve from a daemon: a session of its own, and its parents dead; the leader lives on with `stays`."""

    def first() -> None:
        os.setsid()
        fork(lambda: Server(options).serve())

    os.waitpid(fork(first), 0)
    if "stays" in options:
        sleep_forever()
    time.sleep(float(options.get("for", 0)))


def stubborn(options: Options) -> None:
    """Have a grandchild that ignores SIGTERM, while child and leader end by it."""

    def child() -> None:
        fork(grandchild)
        sleep_forever()

    def grandchild() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("deaf")
        sleep_forever()

    fork(child)
    sleep_forever()


def detached(options: Options) -> None:
    """Have a child in a session of its own, as `child_process.spawn(…, { detached: true })` makes."""

    def child() -> None:
        os.setsid()
        say("detached")
        sleep_forever()

    fork(child)
    sleep_forever()


def breeder(options: Options) -> None:
    """Answer SIGTERM by forking a child which does the same, `times=` times."""
    left = int(options["times"])

    def breed(*_: object) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            if os.fork() == 0:
                return
        os._exit(0)

    signal.signal(signal.SIGTERM, breed)
    say("ready")
    sleep_forever()


def crowd(options: Options) -> None:
    """Fork as fast as it can, up to `size=` processes, in sessions of their own."""

    def one() -> None:
        os.setsid()
        sleep_forever()

    for _ in range(int(options["size"])):
        fork(one)
    say("complete")
    sleep_forever()


KINDS: dict[str, Callable[[Options], None]] = {
    "serve": serve,
    "leave": leave,
    "stay": stay,
    "count": count,
    "alone": alone,
    "parent": parent,
    "watcher": watcher,
    "daemon": daemon,
    "stubborn": stubborn,
    "detached": detached,
    "breeder": breeder,
    "crowd": crowd,
}

if __name__ == "__main__":
    main()
