"""Where the app of a script listens, and how its command tells it a port."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from procman.config.discover.findings import Listening
from procman.config.discover.frameworks import SERVERS, Framework
from procman.config.discover.javascript import Port, imports, listening, port_of, uncommented, value_at
from procman.config.discover.packages import Package
from procman.config.discover.scripts import Step, given, split_words
from procman.config.discover.tree import Tree, join

USUAL = 3000  # of a Node program that takes `$PORT` and names no number
MOST_FILES = 30  # that are read for the port of one program
ENDINGS = (".js", ".ts", ".mjs", ".mts", ".cjs", ".cts", ".tsx", ".jsx")
BY_SCRIPT = "the script says so"

_BUILT = re.compile(r"(?:dist|build|out|lib)/(?:src/)?(?=[^/])")
_SOURCES = ("src/", "")


@dataclass(frozen=True, slots=True)
class Serving:
    """What there is to know of the port of a command."""

    what: str = ""
    listening: Listening | None = None
    arguments: str = ""  # to add to the command
    env: Mapping[str, str] = field(default_factory=dict)
    serves: bool = True


def of_framework(framework: Framework, step: Step, package: Package, *, passes: bool) -> Serving:
    """Return where a framework serves.

    Args:
        framework: what the step runs.
        step: of the script.
        package: where it runs.
        passes: whether what is added to the command reaches it.
    """
    extra = " ".join(word for word in framework.extra if passes and word not in step.words)
    env = dict(framework.env)
    said = step.option(*framework.told_by) or ("" if framework.flag else step.variables.get("PORT", ""))
    if said:
        meant = given(said)
        port = None if meant is None else _of_script(meant, framework.port, package)
        variable = meant[1] if meant else None
        return Serving(framework.name, port, extra, env | _told(variable))
    number, reason = _configured(framework, step, package) or (framework.port, "")
    movable = passes or not framework.flag
    arguments = f"{framework.flag} {extra}".strip() if movable else extra
    usual = reason or f"{framework.name}'s default"
    return Serving(framework.name, Listening(number, usual, movable, bool(reason)), arguments, env)


def of_program(step: Step, package: Package) -> Serving:
    """Return where a program of the project listens, read from the file that is run and those it imports."""
    names = [name for each, name in SERVERS.items() if each in package.dependencies]
    by = "" if step.program in ("node", "nest") else f" with {step.program}"
    what = f"{names[0]}{by}" if names else step.program
    paths = _files(step, package)
    texts = [uncommented(package.tree.text(path) or "") for path in paths]
    found = listening(texts)
    if found is None:
        said = given(step.option("--port") or step.variables.get("PORT", ""))
        told = None if said is None else _of_script(said, USUAL, package)
        works = bool(texts) and told is None  # all that it is was read, and it listens nowhere
        return Serving(step.program if works else what, told, serves=bool(names) or not works)
    port, number, line = found
    reason = f"{paths[number]}, line {line}"
    if port.variable is not None and port.variable in step.variables:
        said = given(step.variables[port.variable])
        return Serving(what, None if said is None else _of_script(said, port.number or USUAL, package))
    return Serving(what, _of_code(port, reason, package), env=_told(port.variable))


def of_unknown(step: Step, package: Package) -> Serving:
    """Return where a program that nothing is known of is told to listen, if it is told."""
    said = given(step.option("--port", "-p") or step.variables.get("PORT", ""))
    port = None if said is None else _of_script(said, USUAL, package)
    return Serving(step.program, port, env=_told(said[1]) if said else {})


def _told(variable: str | None) -> dict[str, str]:
    """Return what tells a program its port by a variable; `PORT` is always there."""
    return {} if variable in (None, "PORT") else {variable: "${PORT}"}


def _of_script(said: tuple[int | None, str | None], default: int, package: Package) -> Listening:
    """Return where a program listens that is told a number or a variable by its script."""
    number, variable = said
    if variable is None:
        return Listening(number or default, BY_SCRIPT, movable=False, chosen=True)
    return _of_code(Port(number or default, variable), BY_SCRIPT, package)


def _of_code(port: Port, reason: str, package: Package) -> Listening:
    """Return where a program listens whose code says so; a `.env` beside it may say another number."""
    if port.variable is None:
        return Listening(port.number or USUAL, reason, movable=False, chosen=True)
    if stated := _stated(port.variable, package):
        return Listening(*stated, movable=True, chosen=True)
    taken = f"{reason}, takes `${port.variable}`"
    return Listening(port.number or USUAL, taken, movable=True, chosen=port.number is not None)


def _configured(framework: Framework, step: Step, package: Package) -> tuple[int, str] | None:
    """Return the port in a framework's own configuration, and where that is."""
    tree = package.tree
    if framework.name == "Angular":
        return _of_angular(tree, step, package)
    for path in _configurations(framework, step, package):
        text = uncommented(tree.text(path) or "")
        for keys in framework.keys:
            port = port_of(value_at(text, *keys) or "", [text])
            if port is None:
                continue
            if port.variable and (stated := _stated(port.variable, package)):
                return stated
            if port.number:
                return port.number, f"`{'.'.join(keys)}` in {path}"
    return _stated("PORT", package) if framework.reads_env_files else None


def _stated(variable: str, package: Package) -> tuple[int, str] | None:
    """Return the port that a `.env` file says for a variable, and where."""
    value, path = package.tree.variable(package.folder, variable) or ("", "")
    number = given(value)
    return (number[0], f"`{variable}` in {path}") if number and number[0] else None


def _configurations(framework: Framework, step: Step, package: Package) -> Iterator[str]:
    """Yield the files in which a framework's port may stand, the likeliest first."""
    tree = package.tree
    if named := step.option("--config", "-c"):
        yield join(package.folder, named)
        return
    inner = [join(package.folder, word) for word in step.plain]
    for folder in (package.folder, *(each for each in inner if tree.is_folder(each))):
        if path := tree.first(folder, framework.files):
            yield path


def _of_angular(tree: Tree, step: Step, package: Package) -> tuple[int, str] | None:
    """Return the port of the project that `ng serve` serves, by `angular.json`."""
    path = join(package.folder, "angular.json")
    projects = tree.json(path).get("projects")
    if not isinstance(projects, dict):
        return None
    named = [projects[word] for word in step.plain if word in projects]
    for project in named or projects.values():
        target = _at(project, "architect", "serve") or _at(project, "targets", "serve")
        default = _at(target, "defaultConfiguration")
        for place in (("configurations", str(default), "port"), ("options", "port")):
            number = _at(target, *place)
            if type(number) is int and 0 < number < 65536:
                return number, f"`{place[0]}.port` of `serve` in {path}"
        if target:
            return None
    return None


def _at(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _files(step: Step, package: Package) -> list[str]:
    """Return the file that a command runs, and those that it imports, nearest first."""
    entry = _entry(step, package)
    found = [] if entry is None else [entry]
    for path in found:
        folder = path.rpartition("/")[0] or "."
        for name in imports(package.tree.text(path) or ""):
            inner = _resolved(package.tree, join(folder, name))
            if inner is not None and inner not in found and len(found) < MOST_FILES:
                found.append(inner)
    return found


def _entry(step: Step, package: Package) -> str | None:
    """Return the file that a command runs, or that it was built from."""
    tree = package.tree
    if step.program == "nest":
        settings = tree.json(join(package.folder, "nest-cli.json"))
        root, file = settings.get("sourceRoot", "src"), settings.get("entryFile", "main")
        return _resolved(tree, join(package.folder, f"{root}/{file}"))
    words = [word for each in step.arguments for word in split_words(each) if not word.startswith("-")]
    for word in words:
        path = join(package.folder, word)
        for source in (path, *(join(package.folder, _BUILT.sub(each, word, count=1)) for each in _SOURCES)):
            if not tree.is_folder(source) and (found := _resolved(tree, source)):
                return found
    main = package.document.get("main")
    names = (*words, main if isinstance(main, str) else "index.js", "index.js", "server.js", "app.js")
    return next((found for name in names if (found := _resolved(tree, join(package.folder, name)))), None)


def _resolved(tree: Tree, path: str) -> str | None:
    """Return the file that node and its kin mean by a path, also where `.js` stands for `.ts`."""
    bare = path.removesuffix(".js")
    paths = (path, *(f"{path}{each}" for each in ENDINGS), *(f"{bare}{each}" for each in ENDINGS[1:]))
    return next(
        (each for each in (*paths, *(f"{path}/index{end}" for end in ENDINGS)) if tree.is_file(each)), None
    )
