"""Keeps the right to be the manager while somebody deletes the state folder under it.

`rm -rf .procman` and `git clean -fdx` take the names of the lock and of the socket away. Both still work, and
nobody finds them: the next `up` would make a folder and start a second manager, with a second copy of every
app. So the folder is made again at once and claimed anew. Whoever was quicker is the manager now and has
found every app by its marker: nothing may be done to them from here any more.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from procman.host import files
from procman.host.base import Cancellable, Host
from procman.host.claim import LOCK, Claim

RETRY = 0.1  # seconds between looks while something is wrong
DELETING = 0.3  # seconds that a folder is left alone in which only names are missing: rm may be at work
STARTING = 1.0  # seconds of another's hold on the lock; one that can't start has let go of it by then


class Tenure:
    """What one manager has its right from; owned by the event loop's thread.

    Args:
        host: tells when the folder may have changed.
        claimed: the claim on the folder.
        home: the folder.
        prepare: makes the folder if it is missing, and may raise OSError.
    """

    def __init__(self, host: Host, claimed: Claim, home: Path, prepare: Callable[[], None]) -> None:
        self._host = host
        self._claimed = claimed
        self._home = home
        self._prepare = prepare
        self._restore: Callable[[], None] = lambda: None
        self._let_go: Callable[[], None] = lambda: None
        self._tell: Callable[[str], None] = lambda text: None
        self._watches: list[Cancellable] = []
        self._due: Cancellable | None = None
        self._run: int | None = None  # descriptor of the folder of records: no other can get its inode
        self._wrong_since: float | None = None
        self._held_since: float | None = None  # by somebody else
        self._problem: str | None = None  # as it was told
        self.is_lost = False  # there is another manager

    def begin(
        self, restore: Callable[[], None], let_go: Callable[[], None], tell: Callable[[str], None]
    ) -> None:
        """Look after the folder from now on, until `close`.

        Args:
            restore: puts into a folder that was made anew what belongs there, and may raise OSError.
            let_go: called once, when there is another manager, which has taken every app.
            tell: called with what has gone wrong, and with how that ended.
        """
        self._restore, self._let_go, self._tell = restore, let_go, tell
        self._hold_run()
        # The lock's name is the first to go in a folder that stays; one that is moved away keeps it.
        for path in (self._home / LOCK, self._home):
            self._watches.append(self._host.watch_file(str(path), self._look))
        self._look()

    def close(self) -> None:
        """Look after nothing any more."""
        for pending in (*self._watches, self._due):
            if pending is not None:
                pending.cancel()
        self._watches, self._due = [], None
        self._release_run()

    def obstacle(self) -> str | None:
        """Return why no run may begin now, or None; asked before each, and answered in 30 us."""
        if self.is_lost:
            return f"another manager has `{self._home}`"
        if not self._watches or self._is_whole():
            return None
        if self._due is None:
            self._look_in(0.0)
        return self._problem or f"waits for the folder `{self._home}`, which was deleted, to be made anew"

    def _look(self) -> None:
        self._cancel_look()
        if self._is_whole():
            self._wrong_since = self._held_since = None
            return
        now = self._host.now()
        if self._wrong_since is None:
            self._wrong_since = now
        if self._has_successor(now):
            self.is_lost = True
            self.close()
            self._let_go()
        elif self._may_be_at_work(now) or not self._mend(now):
            self._look_in(RETRY)

    def _is_whole(self) -> bool:
        """Return whether the lock and the records are where everybody looks for them."""
        return self._claimed.is_in_place() and self._is_run_in_place()

    def _is_run_in_place(self) -> bool:
        try:
            return self._run is not None and os.path.samestat(
                os.stat(self._home / "run"), os.fstat(self._run)
            )
        except OSError:
            return False

    def _has_successor(self, now: float) -> bool:
        """Return whether another manager is, or was, at work in the folder.

        It makes the folder of records once it has the lock and a valid file; or it holds the lock for too
        long to be one that can't start. Whoever only asks who holds the lock has it for an instant.
        """
        if self._claimed.is_in_place():
            return False
        if self._run is not None and (self._home / "run").exists() and not self._is_run_in_place():
            return True
        return self._held_since is not None and now - self._held_since >= STARTING

    def _may_be_at_work(self, now: float) -> bool:
        """Return whether somebody may be deleting just now, and would find the folder not empty."""
        began = self._wrong_since
        return self._home.is_dir() and began is not None and now - began < DELETING

    def _mend(self, now: float) -> bool:
        """Make the folder again; return whether that is done."""
        try:
            self._prepare()
            if not self._claimed.is_in_place() and not self._claimed.renew():
                self._held_since = now if self._held_since is None else self._held_since
                return False
            self._held_since = None
            (self._home / "run").mkdir(mode=0o700, exist_ok=True)
            self._restore()
            self._hold_run()
        except OSError as error:
            self._complain(f"the folder `{self._home}` can't be made anew: {error.strerror or error}")
            return False
        self._wrong_since = self._problem = None
        self._tell(f"the folder `{self._home}` was deleted, and is made anew; what was kept in it is gone")
        return True

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            self._tell(f"{problem}; until then nothing is started")

    def _hold_run(self) -> None:
        """Keep the folder of records open as it is now; without one the state folder is not whole."""
        self._release_run()
        with contextlib.suppress(OSError):
            self._run = files.open_folder(self._home / "run")

    def _release_run(self) -> None:
        if self._run is not None:
            os.close(self._run)
            self._run = None

    def _look_in(self, seconds: float) -> None:
        self._cancel_look()
        self._due = self._host.call_at(self._host.now() + seconds, self._look)

    def _cancel_look(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
