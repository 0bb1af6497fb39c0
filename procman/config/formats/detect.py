"""Which format a file is of, by its name and by what is in it; and the way from its text to apps."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence

from procman.config.diagnostics import Diagnostic, InvalidConfig
from procman.config.formats.compose import parse_compose
from procman.config.formats.draft import Imported
from procman.config.formats.mprocs import parse_mprocs
from procman.config.formats.nodes import Node, of_json, of_plain, of_toml
from procman.config.formats.package_json import parse_package
from procman.config.formats.pitchfork import parse_pitchfork
from procman.config.formats.pm2 import parse_pm2, place_in_script
from procman.config.formats.process_compose import parse_process_compose
from procman.config.formats.procfile import import_procfile
from procman.config.formats.supervisord import parse_supervisord
from procman.config.formats.yaml import of_yaml
from procman.config.procfile import is_procfile
from procman.config.source import Source, read_source, shown_path
from procman.core.package_managers import manager_of

FORMATS = (
    "procfile",
    "supervisord",
    "pm2",
    "compose",
    "package.json",
    "pitchfork",
    "process-compose",
    "mprocs",
)
SCRIPTS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts")  # what only a JavaScript engine can read
_BY_NAME = (
    (r"package\.json", "package.json"),
    (r"(?:docker-)?compose(?:[.-][\w.-]+)?\.ya?ml", "compose"),
    (r"process-compose(?:[.-][\w.-]+)?\.ya?ml", "process-compose"),
    (r"mprocs\.ya?ml", "mprocs"),
    (r"(?:.*\.)?pitchfork(?:\.local)?\.toml", "pitchfork"),
    (r".*(?:ecosystem|pm2|process(?:es)?)[\w.-]*\.(?:json5?|[cm]?[jt]s)", "pm2"),
    (r"supervisord?[\w.-]*\.(?:conf|ini)", "supervisord"),
)
_BY_CONTENT = (
    (r"^\[(?:program|supervisord|group|eventlistener|fcgi-program)\b", "supervisord"),
    (r"^services\s*:", "compose"),
    (r"^processes\s*:", "process-compose"),
    (r"^procs\s*:", "mprocs"),
    (r"^\[daemons[.\]]", "pitchfork"),
    (r'"scripts"\s*:\s*\{', "package.json"),
    (r"""["']?apps["']?\s*:\s*\[|["']?script["']?\s*:""", "pm2"),
    (r"^[A-Za-z0-9_-]+:[ \t]+\S", "procfile"),
)


def format_of(path: str, text: str) -> str | None:
    """Return the format of a file, or None if it is not recognised."""
    name = os.path.basename(path)
    if is_procfile(path):
        return "procfile"
    for pattern, found in _BY_NAME:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return found
    if name.endswith(SCRIPTS):
        return "pm2"
    is_yaml = name.endswith((".yaml", ".yml"))
    for pattern, found in _BY_CONTENT:
        if re.search(pattern, text, re.MULTILINE) and not (is_yaml and found in ("procfile", "pm2")):
            return found
    return None


def is_script(path: str) -> bool:
    """Return whether a file has to be run to know what it says."""
    return path.endswith(SCRIPTS)


def import_source(source: Source, chosen: str) -> Imported:
    """Return the apps of a file that is not to be run.

    Args:
        source: the file.
        chosen: one of `FORMATS`.

    Raises:
        InvalidConfig: it is broken, or has no apps.
        NoParser: it is YAML, and its parser is not installed.
    """
    try:
        return _READERS[chosen](source)
    except RecursionError as error:
        raise InvalidConfig([Diagnostic(source.shown, "it is nested too deeply")]) from error


def import_evaluated(source: Source, value: object) -> Imported:
    """Return the apps of a pm2 script, given what it evaluates to."""
    return parse_pm2(place_in_script(of_plain(value, "", source.shown), source.text))


def _siblings(source: Source, pattern: str) -> list[Source]:
    """Return the files that a glob beside a file means; one that cannot be read is not among them."""
    found: list[Source] = []
    for path in sorted(glob.glob(os.path.join(source.folder, pattern)))[:100]:
        try:
            found.append(read_source(path, shown_as=shown_path(path)))
        except InvalidConfig:
            continue
    return found


def _package(source: Source) -> Imported:
    document = of_json(source)
    declared = document.child("packageManager")
    manager = manager_of(
        declared and declared.text, lambda name: os.path.isfile(os.path.join(source.folder, name))
    )
    return parse_package(document, manager.name)


def _of_tree(
    parse: Callable[[Node], Imported], read: Callable[[Source], Node]
) -> Callable[[Source], Imported]:
    return lambda source: parse(read(source))


def _pm2(source: Source) -> Imported:
    is_yaml = source.path.endswith((".yaml", ".yml"))
    return parse_pm2(of_yaml(source) if is_yaml else of_json(source))


_READERS: dict[str, Callable[[Source], Imported]] = {
    "procfile": import_procfile,
    "supervisord": lambda source: parse_supervisord(source, lambda pattern: _siblings(source, pattern)),
    "pm2": _pm2,
    "compose": _of_tree(parse_compose, of_yaml),
    "package.json": _package,
    "pitchfork": _of_tree(parse_pitchfork, of_toml),
    "process-compose": _of_tree(parse_process_compose, of_yaml),
    "mprocs": _of_tree(parse_mprocs, of_yaml),
}


def names_of(formats: Sequence[str]) -> str:
    """Return formats as a sentence names them."""
    return ", ".join(f"`{each}`" for each in formats)
