"""`procman free`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from procman.cli import exits, options, render, render_machine, talk
from procman.cli.failure import Failure
from procman.cli.machine import look, nearest_project, who_sees_more
from procman.cli.project import Project
from procman.control.local import Freed, Permit, end_holders, permit, rows
from procman.core.config import AppConfig


@dataclass(slots=True)
class Result:
    """What became of a port."""

    port: int
    holders: Sequence[Mapping[str, Any]]
    freed: Freed = field(default_factory=Freed)

    @property
    def code(self) -> int:
        """The exit code once there is nothing left to refuse."""
        return exits.SURVIVED if self.freed.survived or self.freed.holder else exits.DONE

    def document(self, code: int) -> dict[str, Any]:
        """Return it for `--json`."""
        receipts = [{"text": each.text, "survivors": list(each.survivors)} for each in self.freed.receipts]
        return {
            "port": self.port,
            "free": code == exits.DONE,
            "exit": code,
            "holders": self.holders,
            "receipts": receipts,
        }


@click.command()
@click.argument("port", type=click.IntRange(1, 65535))
@click.option("-y", "--yes", is_flag=True, help="End what holds it, whoever that is, without being asked.")
@options.as_json
@click.pass_obj
def command(file: str | None, port: int, yes: bool, as_json: bool) -> int:
    """End what holds PORT, with everything that it has started, and prove that PORT is free.

    A proven orphan of this project is ended at once. Before anybody else's process you are asked, and without
    a terminal it is left alone; `--yes` ends it. An app that runs is not touched: `procman stop` stops it.
    Exits with 5 if anything survived, or PORT is held by another by then.
    """
    project = nearest_project(file)
    holdings = [each for each in look(project) if each.port == port]
    result = Result(port, rows(holdings))
    try:
        if _may(permit(holdings), result, yes=yes, ask=sys.stdin.isatty() and not as_json):
            result.freed = end_holders(port, holdings, _apps(project))
    except Failure as refusal:
        if as_json:
            click.echo(render.as_json(result.document(refusal.code)))
        raise
    if as_json:
        click.echo(render.as_json(result.document(result.code)))
    else:
        for each in result.freed.receipts:
            click.echo(render.printable(each.text))
        if not result.freed.receipts:
            click.echo(f"port {port} is free")
    if result.code == exits.SURVIVED:
        _tell_held(result)
    return result.code


def _may(permitted: Permit, result: Result, *, yes: bool, ask: bool) -> bool:
    """Return whether to end those who hold the port; False when nobody does.

    Raises:
        Failure: they are to be left alone.
    """
    port = result.port
    match permitted:
        case Permit.FREE:
            return False
        case Permit.RUNNING:
            app = next(row["app"] for row in result.holders if row["whose"] == "app")
            message = f"port {port} is held by `{app}`, a running app of this project"
            raise Failure(exits.FAILED, message, f"`procman stop {app}`")
        case Permit.UNSEEN:
            message = f"port {port} is held by a process that can't be seen from here: {who_sees_more()}"
            hint = f"`sudo procman free {port}`" if sys.platform != "win32" and os.geteuid() else None
            raise Failure(exits.FAILED, message, hint)
    if permitted is Permit.PROVEN or yes:
        return True
    who = " and ".join(render_machine.holder(row) for row in result.holders)
    if not ask:
        message = f"port {port} is held by {who}"
        raise Failure(exits.FAILED, message, f"`procman free {port} --yes` ends it")
    if not _confirm(f"Port {port} is held by {who}. End it, with everything it has started?"):
        raise Failure(exits.FAILED, "nothing was ended")
    return True


def _confirm(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort as end:  # Ctrl-C, or the end of its input
        raise KeyboardInterrupt from end


def _apps(project: Project | None) -> Mapping[str, AppConfig]:
    """Return how the file wants its apps to be stopped; a file that can't be read has no wishes."""
    try:
        return project.read().apps if project is not None else {}
    except Failure:
        return {}


def _tell_held(result: Result) -> None:
    if result.freed.survived:
        talk.fail("something survived", "`procman ports` shows whether it is gone by now")
    else:
        message = f"port {result.port} is held by {result.freed.holder}"
        talk.fail(message, "`procman ports` shows whose that is")
