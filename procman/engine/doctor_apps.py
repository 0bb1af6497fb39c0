"""What `procman doctor` checks of each app: whether a start has what it needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from procman.config.environment import build_environment
from procman.config.read import InvalidConfig
from procman.core.config import AppConfig
from procman.engine import node
from procman.engine.findings import Finding, Grade, fail, ok, warn
from procman.engine.packages import Package
from procman.engine.ports import Holding, Whose

AskVersion = Callable[[str, Mapping[str, str], str], str | None]


@dataclass(frozen=True, slots=True)
class _Checked:
    """An app with the environment that it would get."""

    app: AppConfig
    folder: Path  # of the project
    environment: Mapping[str, str]

    @property
    def cwd(self) -> Path:
        """Where it runs."""
        return Path(self.app.cwd)


def check_app(
    app: AppConfig,
    folder: str,
    inherited: Mapping[str, str],
    holdings: Sequence[Holding] | None,
    ask_version: AskVersion,
) -> Iterator[Finding]:
    """Yield what is wrong with an app, and on one line what is not.

    Args:
        app: its table.
        folder: of the project's file.
        inherited: the environment that a manager started here would have.
        holdings: who listens where, or None where that can't be read.
        ask_version: returns what a program says to `--version`.
    """
    findings = [*_place(app, folder, inherited, ask_version), *_port(app, holdings)]
    good = [each.text for each in findings if each.grade is Grade.OK]
    if good:
        yield ok(app.name, "; ".join(good))
    yield from (each for each in findings if each.grade is not Grade.OK)


def _place(
    app: AppConfig, folder: str, inherited: Mapping[str, str], ask_version: AskVersion
) -> Iterator[Finding]:
    if not os.path.isdir(app.cwd):
        yield fail(app.name, f"its folder `{app.cwd}` does not exist", "correct `cwd`, or make the folder")
        return
    try:
        environment = build_environment(app, inherited)
    except InvalidConfig as error:
        yield fail(app.name, error.summary, "make the file, or correct `env_file`")
        return
    checked = _Checked(app, Path(folder), environment)
    yield _command(checked)
    if not app.command.shell and os.path.basename(app.command.words[0]) in node.TOOLS:
        yield from _node(checked, ask_version)
        yield from _modules(checked)


def _command(checked: _Checked) -> Finding:
    app, word = checked.app, checked.app.command.words[0]
    if app.command.shell:
        return ok(app.name, "its command is for the shell")
    found = _which(word, checked)
    if found is not None:
        return ok(app.name, f"`{word}` is `{found}`")
    if (checked.cwd / "node_modules" / ".bin" / word).exists():
        hint = f"`npx {word}` finds it in `node_modules/.bin`; PATH has it only inside npm's scripts"
    elif os.sep in word:
        hint = f"it is looked for from `{app.cwd}`"
    else:
        hint = "install it, or write its whole path; PATH is that of the terminal of `procman up`"
    return fail(app.name, f"its command `{word}` is not found", hint)


def _which(word: str, checked: _Checked) -> str | None:
    """Return the program that a start would execute: looked for on the app's PATH, from the app's folder."""
    if os.sep in word:
        path = os.path.join(checked.cwd, word)
        return path if os.path.isfile(path) and os.access(path, os.X_OK) else None
    folders = checked.environment.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(word, path=os.pathsep.join(os.path.join(checked.cwd, each) for each in folders))


def _node(checked: _Checked, ask_version: AskVersion) -> Iterator[Finding]:
    app = checked.app
    version = ask_version("node", checked.environment, app.cwd)
    if version is None:
        yield fail(app.name, "no `node` runs with its PATH", "install Node.js, or add its folder to PATH")
        return
    versions = f"node {version.removeprefix('v')}"
    tool = os.path.basename(app.command.words[0])
    if tool != "node":
        own = ask_version(app.command.words[0], checked.environment, app.cwd)
        versions += f", {tool} {own}" if own is not None else ""
    yield ok(app.name, versions)
    major = node.major_of(version)
    for where, wanted in node.wishes(checked.cwd, checked.folder):
        if major is not None and not node.accepts(wanted, major):
            text = f"{where} asks for node `{wanted}`, and its PATH has {version.removeprefix('v')}"
            yield warn(app.name, text, f"`nvm use` in `{app.cwd}`, then `procman up` from that terminal")


def _modules(checked: _Checked) -> Iterator[Finding]:
    app = checked.app
    if app.prepare is None and node.lacks_modules(checked.cwd, checked.folder):
        command = Package(checked.cwd).install
        hint = f'`{command}` in `{app.cwd}`, or `prepare = "{command}"` to have it done'
        yield warn(app.name, "package.json has dependencies, and there is no `node_modules`", hint)


def _port(app: AppConfig, holdings: Sequence[Holding] | None) -> Iterator[Finding]:
    if app.port is None or holdings is None:
        return
    others = []
    state = "free"
    for each in holdings:
        if each.port != app.port:
            continue
        if each.app == app.name and each.whose in (Whose.APP, Whose.ORPHAN):
            state = "its own"
        else:
            others.append(each)
    if not others:
        yield ok(app.name, f"port {app.port} is {state}")
    for each in others:
        yield _conflict(app, each)


def _conflict(app: AppConfig, holding: Holding) -> Finding:
    where = f"port {app.port}"
    if holding.occupant is None:
        text = f"{where} is held by a process that can't be seen from here, most likely another user's"
        return fail(app.name, text, f"`sudo procman ports` may name it; or give `{app.name}` another port")
    who = f"pid {holding.occupant.pid} (`{holding.occupant.command}`)"
    if holding.whose is Whose.APP:
        return fail(app.name, f"{where} is held by `{holding.app}`: {who}", f"`procman stop {holding.app}`")
    return fail(app.name, f"{where} is held by {who}", f"`procman free {app.port}` ends it")
