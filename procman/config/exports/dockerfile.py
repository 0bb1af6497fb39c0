"""The apps as an image: a Dockerfile in stages, for what npm and Python install, and what it leaves out.

The project's folder is `/app` in it, as the manifests of Kubernetes expect. Nothing runs as root, and what is
installed is what the lock files say.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from procman.config.discover.packages import Package, find_packages
from procman.config.discover.python import MANIFESTS
from procman.config.discover.tree import Tree, join
from procman.config.exports.kubernetes_pod import ROOT
from procman.config.exports.subject import Exported, Options, Subject
from procman.core.config import Command
from procman.core.package_managers import BUN, NPM

_CARRIED = ("command", "shell", "cwd", "port", "prepare", "stop_signal", "instances")
_NODE, _PYTHON = "22", "3.13"  # where the project says nothing
_JAVASCRIPT = frozenset("node npm npx pnpm pnpx yarn bun bunx corepack next vite tsx".split())  # noqa: SIM905
_SNAKES = frozenset("python python3 pip uv uvicorn gunicorn flask celery poetry django-admin".split())  # noqa: SIM905
_EARLY = ("preinstall", "install", "postinstall", "prepare")  # scripts of npm that may need the sources
_BESIDE = (".npmrc", ".yarnrc", ".yarnrc.yml", "pnpm-workspace.yaml", "lerna.json")
_IGNORED = """\
.git
.procman
portwatch.local.toml
**/node_modules
**/.venv
**/venv
**/__pycache__
**/.env
**/.env.*
Dockerfile
.dockerignore
"""
_LINK = "ln -s ../lib/node_modules/npm/bin/{0}-cli.js /usr/local/bin/{0}"
_COREPACK = "ln -s ../lib/node_modules/corepack/dist/corepack.js /usr/local/bin/corepack"


@dataclass(slots=True)
class _Stage:
    """What one language does in the build, in order."""

    image: str
    tools: list[str] = field(default_factory=list)  # also where the apps run
    installs: list[str] = field(default_factory=list)  # from manifests and lock files alone
    builds: list[str] = field(default_factory=list)  # once all files are there


def export_dockerfile(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a `Dockerfile` of the whole project, and its `.dockerignore`."""
    exported = Exported(losses=apps[0].losses if apps else [])
    if not apps:
        return exported
    tree = Tree(Path(apps[0].project.folder))
    inside = [each for each in apps if not each.folder.startswith("..")]
    for subject in apps:
        if subject not in inside:
            subject.lose("cwd", "it lies outside of the project's folder, which is all that the image has")
        subject.lose_others(_CARRIED, "an image")
    stages = {}
    if node := _node(tree, inside):
        stages["node"] = node
    if python := _python(tree, inside):
        stages["python"] = python
    lines = [*_build(stages), *_final(stages), *_run(apps)]
    exported.files["Dockerfile"] = "\n".join(lines) + "\n"
    exported.files[".dockerignore"] = _IGNORED
    return exported


def _build(stages: dict[str, _Stage]) -> Iterator[str]:
    for name, stage in stages.items():
        yield from (f"FROM {stage.image} AS {name}", f"WORKDIR {ROOT}")
        yield from (*stage.tools, *stage.installs)
        if "COPY . ." not in stage.installs:
            yield "COPY . ."
        yield from (*stage.builds, "")


def _final(stages: dict[str, _Stage]) -> Iterator[str]:
    """Yield what the apps run in: Python's image where both are needed, for node is easily added."""
    python, node = stages.get("python"), stages.get("node")
    main = python or node
    yield f"FROM {main.image if main is not None else 'debian:stable-slim'}"
    has_corepack = node is not None and any("COREPACK_HOME" in each for each in node.tools)
    if node is None or python is not None:
        yield "RUN useradd --uid 1000 --create-home app"  # the image of node has a user of this number
    if python is not None and node is not None:
        yield "COPY --from=node /usr/local/bin/node /usr/local/bin/node"
        yield "COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules"
        yield f"RUN {_LINK.format('npm')} && {_LINK.format('npx')}"
        if has_corepack:
            yield f"RUN {_COREPACK}"
    for stage in stages.values():
        yield from stage.tools
    if has_corepack:
        yield "COPY --from=node /corepack /corepack"
    if python is not None:
        yield "COPY --from=python /venv /venv"
    if node is not None:
        yield f"COPY --from=node --chown=1000:1000 {ROOT} {ROOT}"
    else:
        source = "--from=python " if python is not None else ""
        yield f"COPY {source}--chown=1000:1000 {ROOT if source else '.'} {ROOT}"
    yield from (f"WORKDIR {ROOT}", "USER 1000:1000")  # after the copy, which makes the folder the user's


def _run(apps: Sequence[Subject]) -> Iterator[str]:
    ports = dict.fromkeys(str(each.app.port) for each in apps if each.app.port is not None)
    if ports:
        yield f"EXPOSE {' '.join(ports)}"
    signals = dict.fromkeys(each.app.stop_signal for each in apps)
    if len(signals) == 1 and "SIGTERM" not in signals:
        yield f"STOPSIGNAL {next(iter(signals))}"
    elif len(signals) > 1:
        for subject in apps:
            if "stop_signal" in subject.places:
                subject.lose("stop_signal", "the image has one for all apps: SIGTERM; export them apart")
    first = apps[0]
    if len({each.app.table for each in apps}) > 1:
        yield "# No CMD: each app has a command of its own, which `procman export kubernetes` writes down."
        return
    if first.folder != "." and not first.folder.startswith(".."):
        yield f"WORKDIR {_path(first.folder)}"
    yield f"CMD {json.dumps(_words(first.app.command), ensure_ascii=False)}"


def _words(command: Command) -> list[str]:
    return ["/bin/sh", "-c", command.words[0]] if command.shell else list(command.words)


def _path(folder: str) -> str:
    return os.path.normpath(f"{ROOT}/{folder}")


def _in(folder: str, command: str) -> str:
    """Return the line that runs a command in a folder of the project."""
    return f"RUN {command}" if folder == "." else f"RUN cd {shlex.quote(folder)} && {command}"


def _copied(folder: str, *names: str) -> str:
    """Return the line that copies files of one folder to where they are."""
    words = [*(join(folder, name) for name in names), "./" if folder == "." else f"{folder}/"]
    return (
        f"COPY {' '.join(words)}" if all(" " not in each for each in words) else f"COPY {json.dumps(words)}"
    )


def _program(subject: Subject) -> str:
    words = subject.app.command.words[0].split()
    return os.path.basename(words[0]) if words else ""


# npm


def _node(tree: Tree, apps: Sequence[Subject]) -> _Stage | None:
    """Return the stage of everything that npm and its kin install, or None if no app needs it."""
    packages = {each.folder: each for each in find_packages(tree, _upwards(apps))}
    used = {each.app.name: _nearest(each.folder, packages) for each in apps if _program(each) not in _SNAKES}
    found = [package for package in used.values() if package is not None]
    if not found and not any(_program(each) in _JAVASCRIPT for each in apps):
        return None
    stage = _Stage(f"node:{_node_version(tree, apps)}-slim")
    managers = {package.manager.name for package in found}
    if managers & {"pnpm", "yarn"}:
        stage.tools.append("ENV COREPACK_HOME=/corepack COREPACK_ENABLE_DOWNLOAD_PROMPT=0")
        stage.tools.append("RUN corepack enable")
    if BUN.name in managers:
        stage.tools.append(f"RUN {NPM.name} install --global bun")
    roots = list({package.root.folder: package.root for package in found}.values())
    needs_sources = any(set(_EARLY) & package.scripts.keys() for package in (*roots, *found))
    if needs_sources:
        stage.installs.append("COPY . .")
    for root in roots:
        if not needs_sources:
            stage.installs += _manifests(tree, root, packages)
        if root.install is not None:
            stage.installs.append(_in(root.folder, root.install))
    stage.builds += _scripts(apps, used)
    installed = {root.install or "" for root in roots} | {each.manager.fresh for each in found}
    stage.builds += _prepared([each for each in apps if used.get(each.app.name)], installed)
    return stage


def _manifests(tree: Tree, root: Package, packages: dict[str, Package]) -> Iterator[str]:
    """Yield the copies of what an install reads, so that an edit of the code does not repeat it."""
    lock = [os.path.basename(root.lock)] if root.lock is not None else []
    beside = [name for name in _BESIDE if tree.is_file(join(root.folder, name))]
    yield _copied(root.folder, "package.json", *lock, *beside)
    if tree.is_folder(join(root.folder, ".yarn")):
        yield f"COPY {join(root.folder, '.yarn')} {join(root.folder, '.yarn')}"
    for member in packages.values():
        if member.workspace is not None and member.workspace.folder == root.folder:
            yield _copied(member.folder, "package.json")


def _scripts(apps: Sequence[Subject], used: dict[str, Package | None]) -> Iterator[str]:
    """Yield the build of each package of which no app is a server for development."""
    for package in {each.folder: each for each in used.values() if each is not None}.values():
        texts = [each.app.command.text for each in apps if used.get(each.app.name) is package]
        if "build" in package.scripts and not any(re.search(r"\bdev\b", text) for text in texts):
            yield _in(package.folder, package.manager.script("build"))


def _node_version(tree: Tree, apps: Sequence[Subject]) -> str:
    for folder in _upwards(apps):
        for name in (".nvmrc", ".node-version"):
            if match := re.match(r"v?(\d+)", (tree.text(join(folder, name)) or "").strip()):
                return match[1]
        engines = tree.json(join(folder, "package.json")).get("engines")
        wanted = engines.get("node") if isinstance(engines, dict) else None
        if isinstance(wanted, str) and (match := re.fullmatch(r"\s*[\^~=v]*(\d+)(?:\.[\dx*]+)*\s*", wanted)):
            return match[1]
    return _NODE


# Python


def _python(tree: Tree, apps: Sequence[Subject]) -> _Stage | None:
    """Return the stage of everything that Python installs, into `/venv`; None if no app needs it."""
    mine = [each for each in apps if _program(each) in _SNAKES]
    if not mine:
        return None
    stage = _Stage(f"python:{_python_version(tree, mine)}-slim")
    stage.tools.append("ENV VIRTUAL_ENV=/venv PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1")
    stage.installs.append("RUN python -m venv /venv")
    covered = set()
    for folder in dict.fromkeys(_home(tree, each.folder) for each in mine):
        if tree.is_file(join(folder, "uv.lock")):
            stage.tools += [
                "ENV UV_PROJECT_ENVIRONMENT=/venv UV_NO_SYNC=1",
                "RUN pip install --no-cache-dir uv",
            ]
            stage.installs.append(_copied(folder, "pyproject.toml", "uv.lock"))
            stage.installs.append(_in(folder, "uv sync --locked --no-install-project"))
            stage.builds.append(_in(folder, "uv sync --locked"))
            covered |= {"uv sync", "uv sync --locked"}
        elif tree.is_file(join(folder, "poetry.lock")):
            stage.tools.append("RUN pip install --no-cache-dir poetry")
            stage.installs.append(_copied(folder, "pyproject.toml", "poetry.lock"))
            stage.installs.append(_in(folder, "poetry install --no-interaction --no-root"))
            covered.add("poetry install")
        elif tree.is_file(join(folder, "requirements.txt")):
            stage.installs.append(_copied(folder, "requirements.txt"))
            stage.installs.append(_in(folder, "/venv/bin/pip install --no-cache-dir -r requirements.txt"))
        elif tree.is_file(join(folder, "pyproject.toml")):
            stage.builds.append(_in(folder, "/venv/bin/pip install --no-cache-dir ."))
    stage.builds += _prepared(mine, covered)
    return stage


def _home(tree: Tree, folder: str) -> str:
    """Return the folder of the Python project that an app's folder belongs to."""
    chain = _chain(folder)[::-1]
    return next((each for each in chain if tree.first(each, MANIFESTS) is not None), folder)


def _python_version(tree: Tree, apps: Sequence[Subject]) -> str:
    for folder in _upwards(apps):
        if match := re.match(r"(\d+\.\d+)", (tree.text(join(folder, ".python-version")) or "").strip()):
            return match[1]
    return _PYTHON


# Both


def _prepared(apps: Sequence[Subject], covered: set[str]) -> Iterator[str]:
    """Yield each `prepare` that does something else than to install what is installed already."""
    for subject in {(each.folder, each.app.prepare): each for each in apps}.values():
        prepare = subject.app.prepare
        if prepare is None:
            continue
        text = prepare.words[0] if prepare.shell else shlex.join(prepare.words)
        if text in covered or "pip install -r requirements.txt" in text:
            continue
        if "\n" in text:
            subject.lose(
                "prepare", "a command of several lines has to be written into the Dockerfile by hand"
            )
            continue
        yield _in(subject.folder, text)


def _chain(folder: str) -> list[str]:
    """Return a folder and those above it, the project's first."""
    parts = [] if folder == "." else folder.split("/")
    return ["/".join(parts[:count]) or "." for count in range(len(parts) + 1)]


def _upwards(apps: Sequence[Subject]) -> list[str]:
    """Return the folders of the apps and those above them, the project's first."""
    return list(dict.fromkeys(folder for each in apps for folder in _chain(each.folder)))


def _nearest(folder: str, packages: dict[str, Package]) -> Package | None:
    return next((packages[each] for each in reversed(_chain(folder)) if each in packages), None)
