"""`procman import`: the apps of another tool's file as a `portwatch.toml`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from procman.cli import exits, options, render, talk
from procman.cli.failure import Failure, FileFailure, shown
from procman.config.diagnostics import InvalidConfig
from procman.config.formats.detect import (
    FORMATS,
    format_of,
    import_evaluated,
    import_source,
    is_script,
    names_of,
)
from procman.config.formats.draft import Imported, Loss
from procman.config.formats.finish import Finished, finish
from procman.config.formats.yaml import NoParser
from procman.config.source import CONFIG_NAME, Source, read_source
from procman.config.write import create_text

if TYPE_CHECKING:
    from procman.core.config import Config


@click.command(name="import")
@click.argument("path", metavar="FILE")
@click.option("--print", "only_print", is_flag=True, help="Print what would be written, and write nothing.")
@click.option("-o", "--output", metavar="FILE", help=f"Write this file, not `{CONFIG_NAME}` beside FILE.")
@click.option("--from", "chosen", type=click.Choice(FORMATS), help="What FILE is, if its name does not say.")
@click.option("--run-js", is_flag=True, help="Run a `.js` file with node to know what it says.")
@options.as_json
def command(
    path: str, only_print: bool, output: str | None, chosen: str | None, run_js: bool, as_json: bool
) -> int:
    """Write a `portwatch.toml` with the apps of another tool's FILE, and say what is not carried over.

    FILE is a Procfile, a supervisord.conf, pm2's ecosystem file, a compose file, a package.json, a
    pitchfork.toml, a process-compose.yaml or an mprocs.yaml. No file is ever overwritten.
    """
    try:
        source = read_source(path)
        target = os.path.abspath(output or os.path.join(source.folder, CONFIG_NAME))
        if not only_print and os.path.lexists(target):
            raise _there_already(target)
        found = chosen or _recognised(source)
        finished = finish(_imported(source, found, run_js), source, os.path.dirname(target))
    except InvalidConfig as error:
        raise FileFailure(error.render()) from error
    except NoParser as error:
        raise Failure(exits.USAGE, str(error), error.hint) from error
    if not only_print:
        _write(target, finished.text)
    if as_json:
        click.echo(render.as_json(_document(source, found, target, finished, written=not only_print)))
    elif only_print:
        click.echo(finished.text, nl=False)
    else:
        _tell(target, found, finished)
    return exits.DONE


def _there_already(target: str) -> Failure:
    hint = f"`--print` shows what would be written, `-o FILE` writes elsewhere than `{shown(target)}`"
    return Failure(exits.USAGE, f"`{shown(target)}` is there already, and is left alone", hint)


def _recognised(source: Source) -> str:
    found = format_of(source.path, source.text)
    if found is not None:
        return found
    if os.path.basename(source.path) == CONFIG_NAME:
        raise Failure(exits.USAGE, f"`{source.shown}` is procman's own file", "`procman up` runs its apps")
    known = f"`--from FORMAT` says what it is: {names_of(FORMATS)}"
    raise Failure(exits.USAGE, f"`{source.shown}` is of no format that procman knows", known)


def _imported(source: Source, found: str, run_js: bool) -> Imported:
    if not (found == "pm2" and is_script(source.path)):
        return import_source(source, found)
    if not run_js:
        message = f"`{source.shown}` is a program, and only node can tell what it says"
        raise Failure(exits.USAGE, message, f"`procman import --run-js {source.shown}` runs it, as you")
    from procman.control.javascript import NotEvaluated, evaluate

    try:
        return import_evaluated(source, evaluate(source.path))
    except NotEvaluated as error:
        hint = f"node says:\n{error.details}" if error.details else None
        raise Failure(exits.USAGE, f"`{source.shown}` cannot be evaluated: {error}", hint) from error


def _write(target: str, text: str) -> None:
    try:
        create_text(target, text)
    except FileExistsError as error:
        raise _there_already(target) from error
    except OSError as error:
        message = f"`{shown(target)}` cannot be written: {error.strerror or error}"
        raise Failure(exits.FAILED, message) from error


def _tell(target: str, found: str, finished: Finished) -> None:
    click.echo(f"{shown(target)}: {_apps(finished.config)} from a file of {_tool(found)}")
    if finished.losses:
        talk.note(f"\nnot carried over:\n{_losses(finished.losses)}")
    file = "" if os.path.dirname(target) == os.getcwd() else f"-f {shown(target)} "
    talk.hint(f"`procman {file}check` validates it, `procman {file}up` starts the apps")


def _apps(config: Config) -> str:
    names = ", ".join(config.apps)
    return f"{render.counted(len(config.apps), 'app')} ({names})"


def _tool(found: str) -> str:
    return {"procfile": "foreman's kin", "package.json": "npm"}.get(found, found)


def _losses(losses: Sequence[Loss]) -> str:
    return "\n".join(f"  {render.printable(f'{each.place}: {each.what}: {each.why}')}" for each in losses)


def _document(
    source: Source, found: str, target: str, finished: Finished, *, written: bool
) -> dict[str, object]:
    return {
        "source": source.path,
        "format": found,
        "file": target,
        "written": written,
        "apps": list(finished.config.apps),
        "losses": [{"place": each.place, "what": each.what, "why": each.why} for each in finished.losses],
    }
