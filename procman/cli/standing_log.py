"""What a container prints: what its apps print and what its manager does, as lines of text or of JSON.

Both are written by threads of their own. Whoever reads stdout may be slow, or gone: that holds up neither an
app, whose output waits in its files, nor the process that has to heed signals and to reap.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from procman.cli import render, talk
from procman.cli.logs import Form
from procman.control.protocol import Frame
from procman.core.view import spell_time
from procman.logs.read import Follower

SPEAKER = "procman"  # whose lines are the manager's; also what their stream is called
MOST_WAITING = 10_000  # of the manager's lines, for a reader that is slow
LAST_WORDS = 2.0  # seconds for what is still to be printed at the end
_LEVELS = {"failed": "error", "unhealthy": "warning", "backoff": "warning"}


class StandingLog:
    """Prints whole lines from two threads, until it is closed.

    Args:
        names: of the apps, for the width of what stands before a line.
        folder: of the logs.
        as_json: whether each line is a JSON document.
    """

    def __init__(self, names: Sequence[str], folder: Path, *, as_json: bool) -> None:
        coloured = not as_json and talk.wants_colour(sys.stdout)
        self._as_json = as_json
        self._prefixes = render.Prefixes([*names, SPEAKER], coloured=coloured)
        self._form = Form(self._prefixes, coloured, timestamps=False, as_json=as_json)
        self._follower = Follower(folder, last=0)
        self._said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.threads: list[threading.Thread] = []
        if isinstance(sys.stdout, TextIOWrapper):  # `│` in a locale that can't spell it
            sys.stdout.reconfigure(errors="replace")

    def begin(self, chosen: frozenset[str] | None) -> None:
        """Print what comes of these apps, or of all."""
        for work in (lambda: self._follow(chosen), self._speak):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            self.threads.append(thread)

    def tell(self, frame: Frame) -> None:
        """Print a notice of the manager; in text only if it is news."""
        if self._as_json:
            self._put(render.as_json(event(frame)))
        elif render.is_news(frame):
            self._put_text(render.notice(frame))

    def say(self, text: str, at: float, level: str = "info") -> None:
        """Print a sentence about the manager as a whole."""
        if self._as_json:
            self._put(render.as_json({**_about(None, at, level), "event": "manager", "text": text}))
        else:
            self._put_text(text)

    def close(self) -> bool:
        """Print the apps' last lines and what was said; return False if nobody reads them."""
        self._follower.stop()
        self._said.put(None)
        deadline = time.monotonic() + LAST_WORDS
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)

    def _put_text(self, text: str) -> None:
        self._put("\n".join(f"{self._prefixes.of(SPEAKER)}{line}" for line in text.splitlines()))

    def _put(self, text: str) -> None:
        if self._said.qsize() < MOST_WAITING:  # else nobody has read for long; `procman events` has it all
            self._said.put(text)

    def _follow(self, chosen: frozenset[str] | None) -> None:
        for line in self._follower:
            if chosen is None or line.app in chosen:
                self._print(self._form.show(line))

    def _speak(self) -> None:
        while (text := self._said.get()) is not None:
            self._print(text)

    def _print(self, text: str) -> None:
        # A reader that is gone is no reason to end: the apps go on, and their output is in the files.
        with self._lock, contextlib.suppress(OSError):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()


def event(frame: Frame) -> dict[str, object]:
    """Return a notice of the manager as a document; its first keys are those of an app's line."""
    kind = frame["type"]
    level = "info"
    extra: dict[str, object] = {}
    match kind:
        case "transition":
            level = _LEVELS.get(frame["new"], level)
            extra = {"old": frame["old"], "new": frame["new"], "reason": frame["reason"]}
        case "receipt":
            level = "error" if frame["survivors"] else level
            extra = {"survivors": frame["survivors"]}
        case "reloaded":
            level = "error" if frame["error"] is not None else level
            extra = {"applied": frame["applied"]}
        case "problem":
            level = "warning"
    text = render.notice(frame).partition("\nhint: ")[0]
    return {**_about(frame.get("app"), frame["at"], level), "event": kind, "text": text, **extra}


def _about(app: str | None, at: float, level: str) -> dict[str, object]:
    return {"app": app, "at": spell_time(at), "stream": SPEAKER, "level": level}
