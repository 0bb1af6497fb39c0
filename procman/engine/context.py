"""What explains a failure that is none: an install, a git operation, a debugger, a closed lid.

Looked for only where something has failed: a look reads the command line of every process, 1 ms for 120 of
them. While all is well nothing here costs anything.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Collection
from dataclasses import dataclass

from procman.core.app import App, Exit, Outcome, State
from procman.core.config import CheckKind
from procman.core.events import Held, Probed
from procman.core.frozen import Frozen
from procman.core.identity import Member
from procman.core.units import spell_duration
from procman.engine.remedies import SIGNALLED
from procman.engine.supervised import Supervised
from procman.host.base import Host, Operation

LATE = 2.0  # s that a timer comes after its time because this process did not run: no busy machine is so slow
IN_FLIGHT = 0.5  # s that the answer to a check comes after its time, until that is no word about the app
SUSPENDED = 1.0  # s that a machine was suspended for at least: its two clocks drift apart by microseconds
AFTERMATH = 10.0  # s after either in which failed checks are held
SHARED = 0.1  # s that one look at all processes serves every app; an install may begin just after it
RARELY = 1.0  # s between looks for an app that starts: its failed checks come 50 times a second
LONGEST = 1800.0  # s that an install or a git operation may take, until it explains nothing any more
FRESH = 60.0  # s for which a lock in a repository is believed though no process is seen to work there
LOCKS = ("index.lock", "rebase-merge", "rebase-apply")


@dataclass(slots=True)
class _Gap:
    """The newest stretch of time in which this process, or the whole machine, stood still."""

    reason: str = ""
    noticed_at: float = -math.inf  # monotonic


class _Look(Frozen):
    """What was found for a run."""

    generation: int
    at: float  # monotonic; at first of a start, when the run was born
    reason: str | None = None


class Context:
    """What goes on around the apps of a project; owned by the event loop's thread.

    Args:
        host: the operating system, or a simulated one.
        folder: of the project.
    """

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self._folder = os.path.realpath(folder)
        self._suspended = host.suspended()
        self._gap = _Gap()
        self._operations: tuple[Operation, ...] = ()
        self._looked_at = -math.inf
        self._starting: dict[str, _Look] = {}  # the newest one of each app
        self._found: dict[str, _Look] = {}  # what has explained the newest failed check of each app

    # time that nobody saw

    def woke(self, due: float | None) -> None:
        """Take note of how late something comes that was due then: nothing else tells that time stood still.

        A suspend of the machine has a clock; SIGSTOP for this process, and a virtual machine that is paused,
        have none.
        """
        now, suspended = self._host.now(), self._host.suspended()
        reason = None
        if suspended - self._suspended >= SUSPENDED:
            reason = f"the machine was suspended for {spell_duration(suspended - self._suspended)}"
        elif due is not None and now - due > LATE:
            reason = did_not_run(now - due)
        self._suspended = suspended
        if reason is None:
            return
        if now - self._gap.noticed_at >= AFTERMATH:  # else it is the same one: every timer comes late from it
            self._gap.reason = reason
        self._gap.noticed_at = now

    def overslept(self, supervised: Supervised) -> Probed | None:
        """Return what an app whose timer has come is told instead, if it came late: a held check, or nothing.

        That is for one whose `start_timeout` was over while time stood still: it had no time to come up.
        """
        self.woke(supervised.timer_at)
        app, now = supervised.app, self._host.now()
        late = app.state is State.STARTING and app.deadline is not None and app.deadline <= now
        if not late or supervised.config.check.kind is CheckKind.NONE or not self._is_aftermath(now):
            return None
        detail = app.held or held(self._gap.reason, app.last_check or "no check was answered")
        return Probed(app.generation, Outcome.HELD, detail, app.verdict, app.listening, app.sockets)

    def _is_aftermath(self, began: float) -> bool:
        """Return whether a check that began then says nothing: it saw the gap, or comes too soon after it."""
        return began - self._gap.noticed_at < AFTERMATH

    # checks

    def why_held(
        self, supervised: Supervised, members: Collection[Member], began: float, due: float | None
    ) -> str | None:
        """Return why a failed check of the app's run is not to be judged, or None.

        Args:
            supervised: the app.
            members: the processes of its tree, as the check saw them.
            began: when the check did, monotonic.
            due: when its answer was to be there at the latest, if it waited for one.
        """
        now = self._host.now()
        self.woke(due)
        if self._is_aftermath(began):
            return self._gap.reason
        if due is not None and now - due > IN_FLIGHT:
            return did_not_run(now - due)
        app = supervised.app
        if app.state is not State.STARTING:
            found = self._why(supervised, members)
            before = self._found.pop(supervised.name, None)
            if found is not None:
                self._found[supervised.name] = _Look(app.generation, now, found)
            elif due is not None and before is not None and app.last_outcome is Outcome.HELD:
                # The debugger has left while the app was asked: it stood still for a part of that time.
                return before.reason if before.generation == app.generation else None
            return found
        look = self._starting.get(supervised.name)
        if look is None or look.generation != app.generation:
            look = _Look(app.generation, now if app.spawned_at is None else app.spawned_at)
        if now - look.at >= RARELY:
            look = _Look(app.generation, now, self._why(supervised, members))
        self._starting[supervised.name] = look
        return look.reason

    def _why(self, supervised: Supervised, members: Collection[Member]) -> str | None:
        run, config = supervised.run, supervised.config
        if run is None or self._host.is_ending(run.leader):
            return None  # how it ends decides what follows, and that at once
        return self._host.debugger(members, config.port) or self.why_busy(config.cwd)

    # starts

    def pause(self, app: App, cwd: str) -> Held | None:
        """Return what a restart has to wait for, or None.

        Only one that follows a failure of the app's own: its user starts it when they say so, and what a
        signal has killed was not broken by an install. That replacement takes 5 ms, too few for a look.
        """
        end = app.last_exit
        if app.attempts == 0 or end is None or not is_failure(end):
            return None
        reason = self.why_busy(cwd)
        return None if reason is None else Held(held(reason, end.words), recheck=True, paused=True)

    def why_busy(self, cwd: str) -> str | None:
        """Return which install or git operation is changing the files of an app in `cwd`, in words, or None.

        One in that folder, in one below it, or above it as far as its repository and its project reach; in
        the tree of the app itself too, as in `npm install && npm run dev`.
        """
        folder = os.path.realpath(cwd)
        root, git = repository(folder)
        top = min((each for each in (folder, root, self._folder) if is_within(folder, each)), key=len)
        for each in self._all_operations():
            below, above = is_within(each.folder, folder), is_within(folder, each.folder)
            if each.age_s < LONGEST and (below or (above and is_within(each.folder, top))):
                return f"`{each.name}` is running in {self._shown(each.folder)} (pid {each.pid})"
        lock = None if git is None else self._fresh_lock(git)
        return None if lock is None else f"git is at work in {self._shown(root)} (`{lock}`)"

    def _all_operations(self) -> tuple[Operation, ...]:
        now = self._host.now()
        if now - self._looked_at >= SHARED:
            self._operations, self._looked_at = self._host.operations(), now
        return self._operations

    def _fresh_lock(self, git: str) -> str | None:
        """Return the name of a lock that git made just now: of a process of its own, or of an editor's.

        A crash leaves one for ever, and a rebase with conflicts its folder for hours.
        """
        for name in LOCKS:
            try:
                age = self._host.wall() - os.stat(os.path.join(git, name)).st_mtime
            except OSError:
                continue
            if abs(age) < FRESH:  # a clock that was set back is no reason to wait
                return name
        return None

    def _shown(self, folder: str) -> str:
        if folder == self._folder:
            return "the project's folder"
        return os.path.relpath(folder, self._folder) if is_within(folder, self._folder) else folder


def held(reason: str, detail: str) -> str:
    """Return the sentence for what is not judged: why, and what it was."""
    return f"held: {reason}; {detail}"


def did_not_run(seconds: float) -> str:
    """Return the sentence for a time in which nothing was seen."""
    return f"procman itself did not run for {spell_duration(seconds)}"


def is_failure(end: Exit) -> bool:
    """Return whether a run ended with an error of its own, by no signal to itself or to its child."""
    return end.code not in (None, 0) and end.code not in SIGNALLED


def is_within(path: str, folder: str) -> bool:
    """Return whether `path` is the folder or lies in it; both are real paths."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def repository(folder: str) -> tuple[str, str | None]:
    """Return the root of the git repository that holds `folder`, and git's own folder.

    A linked worktree and a submodule have a file `.git` that says where that is.
    Without one, return `folder` and None.
    """
    root = folder
    while True:
        git = os.path.join(root, ".git")
        if os.path.isdir(git):
            return root, git
        if os.path.isfile(git):
            with contextlib.suppress(OSError), open(git, encoding="utf-8", errors="surrogateescape") as file:
                return root, os.path.join(root, file.readline().removeprefix("gitdir:").strip())
        if root == os.path.dirname(root):
            return folder, None
        root = os.path.dirname(root)
