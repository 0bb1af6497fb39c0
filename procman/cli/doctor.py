"""`procman doctor`."""

from __future__ import annotations

import sys

import click

from procman.cli import exits, options, render, render_machine, talk
from procman.cli.project import find_project
from procman.control.local import Grade, examine_here


@click.command()
@options.as_json
@click.pass_obj
def command(file: str | None, as_json: bool) -> int:
    """Check this machine, the state folder, the file and each app, and say what to do about what is wrong.

    Nothing is changed. Exits with 1 if anything fails; a warning is no failure.
    """
    project = find_project(file)
    findings = examine_here(project.file, project.home)
    if as_json:
        click.echo(render.as_json(render_machine.findings_document(findings)))
    else:
        click.echo(render_machine.findings(findings, coloured=talk.wants_colour(sys.stdout)))
    return exits.FAILED if any(each.grade is Grade.FAIL for each in findings) else exits.DONE
