"""`procman up` where nobody watches: as the first process of a container, and with `--foreground`.

It stays as long as its manager has something to do, prints what happens, and turns signals into requests. The
manager is a process of its own here too (docs/decisions/0010): if it dies, another one takes the apps back.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence

from procman.cli import exits, render
from procman.cli.failure import Failure
from procman.cli.project import Project
from procman.cli.pursue import Outcome
from procman.cli.standing_log import StandingLog
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation, call
from procman.control.launch import Manager
from procman.control.orphans import is_first, reap
from procman.control.protocol import Request
from procman.core.config import AppConfig
from procman.core.goal import ResultOfAll, result_of_all

Launch = Callable[[str | None], Manager]  # a manager, with what it is to do first

SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform != "win32":
    SIGNALS = (*SIGNALS, signal.SIGHUP, signal.SIGCHLD)
PATIENCE = 10.0  # seconds for a manager that has nothing left to do to end
MOST_DEATHS = 5  # of managers, within `DEATHS_WITHIN` seconds: so many are no accident
DEATHS_WITHIN = 60.0


class Standing:
    """One `up` that stays, from the request to the end of its apps or its own.

    Args:
        project: whose apps they are.
        manager: of the project.
        launch: starts another one.
        patterns: the apps that were named.
        log: what prints.
        signals: a socket that gets the number of each signal.
        stop_within: seconds from a signal until everything left is killed; None: each app has its own time.
    """

    def __init__(
        self,
        project: Project,
        manager: Manager,
        launch: Launch,
        patterns: Sequence[str],
        log: StandingLog,
        signals: socket.socket,
        stop_within: float | None,
    ) -> None:
        self._project = project
        self._manager = manager
        self._launch = launch
        self._patterns = tuple(patterns)
        self._log = log
        self._signals = signals
        self._stop_within = stop_within
        self._notices = Conversation(project.home, Request("follow"))
        self._down: Conversation | None = None
        self._forced = False
        self._kill_at: float | None = None  # monotonic
        self._deaths: list[float] = []
        self._result = ResultOfAll.GOES_ON
        self._has_left = False
        self._is_over = False  # the manager has said that every app is stopped
        self._outcome = Outcome()

    def run(self) -> int:
        """Start the apps, stay until they are over, and return the exit code."""
        chosen = None
        for frame in call(self._project.home, Request("up", self._patterns, wait=False)):
            if frame["type"] == "chosen" and self._patterns:
                chosen = frozenset(frame["apps"])
        self._log.begin(chosen)
        try:
            self._look_at_all()  # all may be over already: a state folder outlives its container
            code = self._attend()
            self._say(self._sum(code), "error" if code else "info")
        finally:
            is_read = self._log.close()
            self._notices.close()
            if self._down is not None:
                self._down.close()
        if not is_read:
            os._exit(code)  # a thread is stuck in a write to stdout: the interpreter would wait for it
        return code

    def _attend(self) -> int:
        """Wait for signals and for the manager until either ends this, and return the exit code."""
        if is_first():
            reap(self._manager.process)  # what has come while the manager started
        while True:
            down = self._down
            sources = [self._signals.fileno(), *([] if self._is_over else [self._notices.fileno()])]
            sources += [] if down is None else [down.fileno()]
            left = None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())
            readable, _, _ = select.select(sources, [], [], left)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_at = None
                self._say(f"not all has stopped within {self._stop_within:g}s: kills what is left", "warning")
                self._stop(force=True)
                continue
            if self._notices.fileno() in readable and not self._hear():
                self._reach_again()
                continue
            if down is not None and down.fileno() in readable:
                code = self._end_of(down)
                if code is not None:
                    return max(code, self._result.code)
            if self._signals.fileno() in readable:
                for number in self._signals.recv(64):
                    self._take(number)
            if self._has_left:
                return exits.DONE
            if self._is_over and self._down is None:
                self._notices.wait_gone(PATIENCE)  # as the first process we would take it along
                return self._result.code

    def _take(self, number: int) -> None:
        """Do what a signal asks for."""
        name = signal.Signals(number).name
        if name == "SIGCHLD":
            if is_first():
                reap(self._manager.process)
        elif not self._manager.is_ours:
            self._has_left = True  # its apps were started by somebody else, who wants them to go on
        elif name == "SIGHUP" and not sys.stdout.isatty():  # else the terminal is gone, and that is an end
            self._say("SIGHUP: reads the file again")
            self._ask(Request("reload"))
        elif self._down is None:
            self._say(f"{name}: stops everything; a second one kills at once")
            if self._stop_within is not None:
                self._kill_at = time.monotonic() + self._stop_within
            self._stop(force=False)
        elif not self._forced:
            self._say(f"{name}: kills everything")
            self._stop(force=True)

    def _stop(self, *, force: bool) -> None:
        """Ask for the end of every app; the manager ends with the last of them."""
        self._forced = self._forced or force
        if self._down is not None:
            self._down.close()  # the next one hears of the same end
            self._down = None
        try:
            self._down = Conversation(self._project.home, Request("down", force=self._forced))
        except NotRunning:
            if not self._is_over:
                self._revive(then="down")

    def _hear(self) -> bool:
        """Tell what the manager has to say; return False once it has hung up."""
        frames = self._notices.receive()
        for frame in frames or ():
            if frame["type"] == "done":
                self._is_over = True
            elif frame["type"] == "error":
                raise Refused(frame)
            elif frame["type"] != "chosen":
                self._outcome.take(frame)
                self._log.tell(frame)
                if frame["type"] == "transition" and frame["new"] in ("completed", "failed"):
                    self._look_at_all()
        return frames is not None or self._is_over

    def _look_at_all(self) -> None:
        """Stop what is left once no app will do anything more by itself: a container ends with its apps."""
        if self._down is not None:
            return
        try:
            apps = json.loads(self._project.ask_status())["apps"]
            configs: dict[str, AppConfig] = self._project.read().enabled_apps()
        except Failure:  # the manager is gone, or the file is being edited: another time
            return
        waits = {name: config.depends_on for name, config in configs.items()}
        self._result = result_of_all(apps, waits)
        if self._result is not ResultOfAll.GOES_ON:
            self._say(f"every app is over: {self._result.value}", "error" if self._result.code else "info")
            self._stop(force=False)

    def _reach_again(self) -> None:
        """Hear the manager again: one that was upgraded in place, or the next one."""
        try:
            self._notices.replace(Conversation(self._project.home, Request("follow")))
        except NotRunning:
            self._revive(then="down" if self._down is not None else None)

    def _revive(self, *, then: str | None) -> None:
        """Start a manager in the place of one that has died; it takes the apps back as they are."""
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if now - at < DEATHS_WITHIN] + [now]
        log = os.path.join(self._project.home, "manager.log")
        if len(self._deaths) >= MOST_DEATHS:
            message = f"{len(self._deaths)} managers have died within {DEATHS_WITHIN:g}s"
            raise Failure(exits.FAILED, message, f"`{log}` may say why")
        self._say("the manager has died: another one takes its apps back", "error")
        self._manager.reap()
        self._manager = self._launch(then)
        self._notices.replace(Conversation(self._project.home, Request("follow")))
        if then == "down":
            self._stop(force=self._forced)

    def _end_of(self, down: Conversation) -> int | None:
        """Return the exit code of the stop once it is over; None if it goes on."""
        frames = down.receive()
        if frames is None:
            down.close()
            self._down = None
            self._stop(force=self._forced)  # the manager has died, or ends: that is heard from the notices
            return exits.DONE if self._is_over else None
        for frame in frames:
            if frame["type"] == "error":
                raise Refused(frame)
            if frame["type"] == "done":
                while not self._is_over and select.select([self._notices], [], [], PATIENCE)[0]:
                    if not self._hear():
                        break
                if frame["code"] == exits.DONE and down.wait_gone(PATIENCE):
                    self._manager.reap()
                return int(frame["code"])
        return None

    def _ask(self, request: Request) -> None:
        """Ask for something whose outcome comes as a notice, if it can be done at all."""
        try:
            for _ in call(self._project.home, request):
                pass
        except Refused as refused:
            self._say(refused.message, "error")
        except (NotRunning, Lost):  # that is heard from the notices
            pass

    def _say(self, text: str, level: str = "info") -> None:
        self._log.say(text, time.time(), level)

    def _sum(self, code: int) -> str:
        if self._has_left:
            return "left; the apps go on, `procman down` stops them"
        if self._down is None:
            return "the manager was stopped"
        if code == exits.SURVIVED:
            left = ", ".join(frame["app"] for frame in self._outcome.receipts if frame["survivors"])
            return f"something survived the stop of {left}"
        return f"stopped {render.counted(len(self._outcome.stopped), 'app')}"
