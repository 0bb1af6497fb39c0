"""Asks the manager for something, tells how it goes, and sums up: as `up -d`, `stop`, `wait`… all do.

Light: neither click nor data classes, for it is what `stop` takes beside the manager's own time.
"""

from __future__ import annotations

import sys

from procman.cli import exits, render, talk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from procman.cli.project import Project
    from procman.control.protocol import Frame, Request

LAST_LINES = 10  # of an app's output, under the message that it did not come up


class Outcome:
    """What an answer has said."""

    def __init__(self) -> None:
        self.code = exits.DONE
        self.chosen: list[str] = []
        self.told: set[str] = set()  # apps of which the newest progress was printed
        self.reached: dict[str, bool | None] = {}
        self.progress: dict[str, Frame] = {}  # by app: the newest
        self.receipts: list[Frame] = []

    def take(self, frame: Frame) -> None:
        """Remember what a frame says."""
        match frame["type"]:
            case "chosen":
                self.chosen = frame["apps"]
            case "progress":
                self.progress[frame["app"]] = frame
            case "receipt":
                self.receipts.append(frame)
            case "done":
                self.code = frame["code"]
                self.reached = frame.get("apps", {})

    @property
    def stopped(self) -> set[str]:
        """The apps of which a run was ended."""
        return {frame["app"] for frame in self.receipts if not frame["survivors"]}

    def document(self) -> dict[str, Any]:
        """Return the outcome for `--json`."""
        from procman.core.view import spell_time

        apps = {
            name: {
                "reached": reached,
                "state": self.progress[name]["state"] if name in self.progress else None,
                "message": self.progress[name]["reason"] if name in self.progress else None,
            }
            for name, reached in self.reached.items()
        }
        receipts = [
            {
                "app": each["app"],
                "at": spell_time(each["at"]),
                "text": each["text"],
                "survivors": each["survivors"],
            }
            for each in self.receipts
        ]
        return {"exit": self.code, "apps": apps, "receipts": receipts}


def pursue(project: Project, request: Request, *, quiet: bool, progress: bool = True) -> Outcome:
    """Return what became of a request, and tell of it as it goes; see `hear`."""
    return hear(project.call(request), quiet=quiet, progress=progress)


def hear(frames: Iterable[Frame], *, quiet: bool, progress: bool = True) -> Outcome:
    """Return what an answer says; unless `quiet`, tell of receipts on stdout, of `progress` on stderr."""
    outcome = Outcome()
    for frame in frames:
        outcome.take(frame)
        if quiet:
            continue
        if frame["type"] == "receipt":
            print(render.notice(frame), flush=True)
        elif progress and frame["type"] == "progress":
            width = max(map(len, outcome.chosen), default=0)
            outcome.told.add(frame["app"])
            talk.note(render.progress(frame, width, coloured=talk.wants_colour(sys.stderr)))
    return outcome


def conclude(project: Project, outcome: Outcome, *, as_json: bool) -> int:
    """Print the document if it was asked for, say what went wrong, and return the exit code."""
    if as_json:
        print(render.as_json(outcome.document()), flush=True)
    match outcome.code:
        case exits.FAILED:
            _tell_failed(project, outcome)
        case exits.SURVIVED:
            names = ", ".join(f"`{frame['app']}`" for frame in outcome.receipts if frame["survivors"])
            talk.fail(
                f"something survived the stop of {names}", "`procman status` shows whether it is gone by now"
            )
        case exits.TIMED_OUT:
            late = ", ".join(f"`{name}`" for name, reached in outcome.reached.items() if reached is None)
            talk.fail(f"timed out waiting for {late}", "`procman status` shows what they wait for")
    return outcome.code


def _tell_failed(project: Project, outcome: Outcome) -> None:
    from procman.logs.read import last_lines, plain

    failed = [name for name, reached in outcome.reached.items() if not reached]
    for name in failed:
        frame = outcome.progress.get(name)
        state, reason = (frame["state"], frame["reason"]) if frame else ("gone", "it has left the file")
        said = f"`{name}` is `{state}`"
        text = [said if frame and name in outcome.told else f"{said}: {render.printable(reason)}"]
        # One that waits has no run: its last lines are of an older one, and tell nothing of this.
        for line in last_lines(project.logs, name, LAST_LINES) if state != "waiting" else ():
            text.append(f"  │ {plain(line.text.decode(errors='replace'))}")
        hint = f"`procman why {failed[0]}` tells how it came to that, `procman logs {failed[0]}` shows more"
        talk.fail("\n".join(text), hint if name == failed[-1] else None)
