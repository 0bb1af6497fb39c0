"""Imported apps to the text of a `portwatch.toml` that is valid: whatever would not be is a loss too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from procman.config.diagnostics import Diagnostic, InvalidConfig
from procman.config.express import toml_lines, toml_text
from procman.config.formats.draft import Draft, Imported, Loss
from procman.config.read import parse_config
from procman.config.source import CONFIG_NAME, Source
from procman.core.config import Config
from procman.core.fields import APP

_ORDER = {key: at for at, key in enumerate(APP)}


@dataclass(frozen=True, slots=True)
class Finished:
    """A file that is ready to be written."""

    text: str
    config: Config
    losses: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    app: Draft | None = None
    key: str | None = None


def finish(imported: Imported, source: Source, folder: str) -> Finished:
    """Return the text of the file, and what it means.

    What is wrong in it is taken out and becomes a loss: other tools allow that two apps have one port, or
    that dependencies go in a circle.

    Args:
        imported: apps and losses so far.
        source: the file that they are from; paths of the apps are relative to its folder.
        folder: the absolute path of the folder that the new file goes into.

    Raises:
        InvalidConfig: nothing is left that could run.
    """
    for app in imported.apps:
        _rebase(app, source.folder, os.path.relpath(source.folder, folder))
    while True:
        if not imported.apps:
            raise InvalidConfig(
                [Diagnostic(source.shown, "nothing in it can be run by procman"), *_told(imported)]
            )
        imported.losses = sorted(dict.fromkeys(imported.losses), key=_order)
        for app in imported.apps:
            app.losses = imported.losses
        lines = list(_lines(imported, source))
        text = "\n".join(line.text for line in lines) + "\n"
        try:
            config = parse_config(Source(os.path.join(folder, CONFIG_NAME), CONFIG_NAME, text, ""))
        except InvalidConfig as error:
            _take_out(error.diagnostics[0], lines, imported)
        else:
            return Finished(text, config, tuple(imported.losses))


def _told(imported: Imported) -> Iterable[Diagnostic]:
    for loss in imported.losses:
        yield Diagnostic(loss.place, f"{loss.what}: {loss.why}")


def _rebase(app: Draft, old: str, way: str) -> None:
    """Make the paths of an app relative to the folder of the new file; `way` leads to `old`, the other."""
    written = app.values.get("cwd", ".")
    if written == old or written.startswith(f"{old}/"):  # `__dirname` of a script
        written = os.path.relpath(written, old)
    if not written.startswith(("/", "~")):
        cwd = os.path.normpath(os.path.join(way, written))
        app.values.pop("cwd", None)
        if cwd != ".":
            app.put("cwd", cwd, app.origins.get("cwd", app.node))
    files = app.values.get("env_file")
    if files is not None:
        known = [files] if isinstance(files, str) else files
        moved = [
            each if each.startswith(("/", "~")) else os.path.normpath(os.path.join(way, each))
            for each in known
        ]
        app.values["env_file"] = moved[0] if len(moved) == 1 else moved


def _lines(imported: Imported, source: Source) -> Iterable[_Line]:
    yield _Line(f"# Imported from {_comment(source.shown)}.")
    for app in imported.apps:
        yield _Line("")
        yield _Line(toml_lines({}, ("apps", app.name)), app)
        for key in sorted(app.values, key=_ORDER.__getitem__):
            yield _Line(f"{key} = {toml_text(app.values[key])}", app, key)
    if imported.losses:
        yield _Line("")
        yield _Line("# Not carried over:")
        for loss in imported.losses:
            yield _Line(f"# {_comment(loss.place)}: {_comment(loss.what)}: {_comment(loss.why)}")


def _order(loss: Loss) -> tuple[str, int]:
    file, _, line = loss.place.rpartition(":")
    return (file, int(line)) if line.isdecimal() else (loss.place, 0)


def _comment(text: str) -> str:
    """Return a text that can stand in a comment: on one line, without what steers a terminal."""
    return "".join(each if each.isprintable() else "�" for each in text)


def _take_out(diagnostic: Diagnostic, lines: list[_Line], imported: Imported) -> None:
    line = lines[(diagnostic.line or 1) - 1]
    app = line.app
    if app is None:  # cannot be: every error is about an app
        raise InvalidConfig([diagnostic])
    reason = diagnostic.message.partition(f"apps.{app.name}")[2].partition(": ")[2] or diagnostic.message
    reason = re.sub(r" \(line \d+\)$", "", reason)  # it is a line of the new file
    if line.key is None or line.key == "command":
        imported.apps.remove(app)
        app.lose(app.node, f"not carried over: {reason}")
        return
    value = app.values.pop(line.key)
    app.lose(app.origins.get(line.key, app.node), f"`{line.key}` is left out: {reason}")
    if line.key == "port" and app.origins["port"].path.rpartition(".")[2] == "PORT":
        app.put("env.PORT", str(value), app.node)
