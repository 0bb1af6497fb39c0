"""`procman status --watch`: the table anew at every change, and every second for the uptimes."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Sequence

import click

from procman.cli import exits, render, talk
from procman.cli.choose import choose_shown
from procman.cli.project import Project
from procman.control.ask import Lost, NotRunning, Refused
from procman.control.client import Conversation
from procman.control.protocol import Request

TICK = 1.0  # seconds between looks while nothing happens
SETTLE = 0.05  # seconds for what comes with a change: at a start every app changes at once
CLEAR = "\x1b[H\x1b[J"  # to the top left, and away with what is below


def watch_status(project: Project, apps: Sequence[str], *, wide: bool) -> int:
    """Show the status until Ctrl-C, or until the manager ends."""
    try:
        with Conversation(project.home, Request("follow")) as conversation:
            while True:
                _show(project, apps, wide)
                select.select([conversation], [], [], TICK)
                if not _drain(project, conversation):
                    talk.note("the manager has ended")
                    return exits.DONE
    except (NotRunning, Lost, Refused) as error:
        raise project.failure(error) from error


def _drain(project: Project, conversation: Conversation) -> bool:
    """Take what has come and what comes with it; return whether the manager still runs."""
    wait = 0.0
    while select.select([conversation], [], [], wait)[0]:
        frames = conversation.receive()
        if frames is None:  # upgraded in place, or gone: asking again tells
            conversation.replace(Conversation(project.home, Request("follow")))
            return True
        if any(frame["type"] == "done" for frame in frames):
            return False
        for frame in frames:
            if frame["type"] == "error":
                raise Refused(frame)
        wait = SETTLE
    return True


def _show(project: Project, apps: Sequence[str], wide: bool) -> None:
    document = choose_shown(apps, json.loads(project.ask_status(wide=wide)))
    coloured, width = talk.wants_colour(sys.stdout), talk.width(sys.stdout)
    text = render.status(document, now=time.time(), width=width, coloured=coloured, wide=wide)
    if sys.stdout.isatty():
        talk.steer(CLEAR)
    click.echo(text if sys.stdout.isatty() else f"{text}\n", color=True)
