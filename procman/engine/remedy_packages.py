"""What is not there: a script, a package, a file, a command. And what brings it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from procman.config.names import closest
from procman.core.causes import Cause, Kind, Match
from procman.core.package_managers import MODULES
from procman.engine.packages import Package, broken_json, package_name
from procman.engine.scene import Scene, cause

EXTENSIONS = ("", ".js", ".mjs", ".cjs", ".ts", ".json", "/index.js")  # that node and its loaders try
MOST_SCRIPTS = 5  # that are listed
_COPY = re.compile(rf"{MODULES}/\.vite-temp/(.+?)\.timestamp-.*")  # Vite's, of its configuration


# package.json, its scripts and its lock file.


def missing_script(match: Match, scene: Scene) -> Cause:
    """Explain that package.json has no such script."""
    package, script = _started(scene), match.subject or ""
    if script in package.dependencies and package.lacks_everything:  # `yarn vite` runs a command, too
        return _not_installed(script, package, scene)
    near = closest(script, package.scripts)
    if near is not None:
        remedy = f"did you mean `{near}`?"
    elif package.scripts:
        more = ", …" if len(package.scripts) > MOST_SCRIPTS else ""
        remedy = f"it has {', '.join(f'`{each}`' for each in package.scripts[:MOST_SCRIPTS])}{more}"
    else:
        remedy = "it has no `scripts`"
    sentence = f"there is no script `{script}` in {scene.shown(package.path)}"
    if script in package.scripts:
        return cause(match.kind, f"{sentence}, or was not then")
    return cause(match.kind, sentence, remedy, files=[package.path])


def _started(scene: Scene) -> Package:
    """Return the package that npm works in: the app's, or the one after `--prefix`."""
    words = scene.config.command.words
    for word, after in zip(words, (*words[1:], ""), strict=True):
        if word in ("--prefix", "-C", "--cwd", "--dir"):
            return Package(scene.cwd / after)
        if word.startswith(("--prefix=", "--cwd=", "--dir=")):
            return Package(scene.cwd / word.partition("=")[2])
    return Package(scene.cwd)


def no_package(match: Match, scene: Scene) -> Cause:
    """Explain that there is no package.json."""
    folder = scene.cwd if match.file is None else Path(match.file)
    path = folder / "package.json"
    below = sorted(each.parent for each in folder.glob("*/package.json"))
    remedy = (
        f"there is one in {scene.shown(below[0])}: is that its `cwd`?" if below else "is its `cwd` right?"
    )
    if os.path.exists(path):
        return cause(match.kind, f"there was no {scene.shown(path)}")
    return cause(match.kind, f"there is no {scene.shown(path)}", remedy, files=[path])


def broken_package(match: Match, scene: Scene) -> Cause:
    """Explain that package.json can't be read, and where it is wrong."""
    path = _started(scene).path if match.file is None else Path(match.file) / "package.json"
    problem = broken_json(path)
    if problem is None:
        return cause(match.kind, f"{scene.shown(path)} was not valid JSON")
    return cause(match.kind, f"{scene.shown(path)} is not valid JSON: {problem}", files=[path])


def stale_lock(match: Match, scene: Scene) -> Cause:
    """Explain that an install was to do what the lock file says, and package.json says something else."""
    package = _started(scene)
    lock = package.lock
    remedy = scene.run(package.manager.renew, package)
    if lock is None:
        sentence = f"there is no lock file{scene.inside(package.root)}"
    elif package.left_out is not None:
        sentence = (
            f"`npm ci` refuses {scene.shown(lock)}: it has no `{package.left_out}`, an optional package"
        )
        if scene.config.prepare is not None:  # by hand it would leave the lock file as it is
            remedy = 'with `prepare = "npm install"` it is left out'
    else:
        detail = f": {match.subject} is not in it" if match.subject is not None else ""
        sentence = f"{scene.shown(lock)} does not fit package.json{detail}"
    files = (str(package.path), *package.lock_paths)
    return cause(match.kind, sentence, remedy, files=files)


# Packages.


def _not_installed(name: str, package: Package, scene: Scene) -> Cause:
    sentence = f"`{name}` is not installed: there is no {MODULES}{scene.inside(package.root)}"
    remedy = scene.run(package.install, package)
    return cause(Kind.NOT_INSTALLED, sentence, remedy, files=(*package.written, package.path))


def _not_complete(name: str, package: Package, scene: Scene, places: tuple[str, ...]) -> Cause:
    """Explain what is in package.json and not in `node_modules`.

    The remedy is not `npm ci`: that would delete what other apps of the folder run with.
    """
    sentence = f"`{name}` is in {scene.shown(package.path)}, but not installed"
    remedy = scene.run(package.manager.renew, package)
    return cause(Kind.MISSING_MODULE, sentence, remedy, files=(*places, *package.written, package.path))


def missing_module(match: Match, scene: Scene) -> Cause:
    """Explain that a package is not installed."""
    source = _source(match, scene)
    package = Package(scene.cwd if source is None else source.parent)
    if match.lacks is not None:
        return _missing_binary(match, package, scene)
    name = package_name(match.subject or "")
    sources = () if source is None else (str(source),)
    by = "" if source is None else f", which {scene.shown(source)} asks for"
    if package.installed(name) is not None:
        return cause(match.kind, f"there was no package `{name}`{by}")
    if package.lacks_everything:
        return _not_installed(name, package, scene)
    places = (*package.places(name), *sources)
    if name in package.dependencies:
        return _not_complete(name, package, scene, places)
    if os.path.isdir(package.folder / name):
        sentence = f"`{match.subject}` is no package{by}: node takes no path without `./`"
        return cause(match.kind, sentence, "write it as a path from that file", files=(*places, package.path))
    remedy = scene.run(f"{package.manager.add} {name}", package)
    files = (*places, *package.written, package.path)
    return cause(match.kind, f"there is no package `{name}`{by}", remedy, files=files)


def _missing_binary(match: Match, package: Package, scene: Scene) -> Cause:
    """Explain that npm has left out what is made for one kind of machine, as its messages say it does."""
    what = "a package" if match.subject is None else f"`{match.subject}`"
    sentence = f"the part of {what} for this machine is not installed"
    lock = "" if package.lock is None else f" and {package.lock.name}"
    remedy = f"remove {MODULES}{lock}, and {scene.run(package.manager.renew, package)}"
    places = () if match.subject is None else package.places(match.subject)
    return cause(match.kind, sentence, remedy, files=(*places, *package.written))


def _incomplete(path: Path, scene: Scene) -> Cause:
    """Explain that an installed package lacks one of its files."""
    package = Package(Path(str(path).partition(f"/{MODULES}/")[0]))
    name = package_name(str(path).rpartition(f"{MODULES}/")[2])
    sentence = f"the package `{name}` is not installed completely"
    files = (*package.places(name), *package.written)
    return cause(Kind.MISSING_MODULE, sentence, scene.run(package.install, package), files=files)


# Files and commands.


def _source(match: Match, scene: Scene) -> Path | None:
    """Return the app's own file in which it came up, or None for one of an installed package."""
    if match.file is None or match.file.endswith("/"):
        return None
    path = scene.cwd / _COPY.sub(r"\1", match.file)
    return None if MODULES in path.parts else path


def missing_file(match: Match, scene: Scene) -> Cause:
    """Explain that a file is not there that another one asks for, or that was to be run."""
    asking = scene.cwd / (match.file or "./")
    folder = asking if match.file is None or match.file.endswith("/") else asking.parent
    path = Path(os.path.normpath(folder / (match.subject or "")))
    source = _source(match, scene)
    inside = next((each for each in (path, asking) if MODULES in each.parts), None)
    if inside is not None and source is None:
        return _incomplete(inside, scene)
    candidates = tuple(f"{path}{extension}" for extension in EXTENSIONS)
    there = next((each for each in candidates if os.path.isfile(each)), None)
    found = there is not None and (there == str(path) or match.wanted != "import")
    by = "" if source is None else f", which {scene.shown(source)} asks for"
    if found:
        return cause(match.kind, f"there was no {scene.shown(path)}{by}")
    sources = () if source is None else (str(source),)
    remedy = _instead(path, there, scene)
    sentence = f"there is no {scene.shown(path)}{by}"
    files = (*candidates, *sources, str(Package(path.parent).path))
    return cause(match.kind, sentence, remedy, files=files)


def _instead(path: Path, there: str | None, scene: Scene) -> str | None:
    """Return what to do about a file that is not there, but perhaps another one."""
    package = Package(path.parent)
    if there is not None:  # ES modules are imported by their whole name
        return f"did you mean {scene.shown(there)}?"
    if "build" in package.scripts and not os.path.exists(path.parent):
        return scene.run(f"{package.manager.name} run build", package)
    try:
        near = closest(path.name, os.listdir(path.parent))
    except OSError:
        return None
    return None if near is None else f"did you mean {scene.shown(path.parent / near)}?"


def missing_folder(match: Match, scene: Scene) -> Cause:
    """Explain that there is no folder to run in."""
    return cause(match.kind, f"its `cwd` {scene.shown(scene.cwd)} is not there", files=[scene.cwd])


def no_command(match: Match, scene: Scene) -> Cause:
    """Explain that a shell, or node, has not found a program."""
    command, package = match.subject or "", _started(scene)
    if os.sep in command:
        return _no_program(scene.cwd / command, scene)
    script = f".bin/{command}"
    if package.installed(script) is not None or any(map(os.path.exists, scene.which(command))):
        return cause(match.kind, f"there was no command `{command}`")
    if package.lacks_everything:
        return _not_installed(command, package, scene)
    if command in package.dependencies:
        return _not_complete(command, package, scene, package.places(script))
    where = (
        f"neither in {MODULES}/.bin nor on the PATH" if os.path.isfile(package.path) else "not on the PATH"
    )
    files = (*package.places(script), str(package.path), *scene.which(command))
    sentence = f"there is no command `{command}`, {where}"
    return cause(match.kind, sentence, "install what has it", files=files)


def _no_program(path: Path, scene: Scene) -> Cause:
    """Explain that a command is a path that leads nowhere."""
    if os.path.exists(path):
        sentence = f"{scene.shown(path)} can't be run: the program that its first line names is not there"
        return cause(Kind.NO_COMMAND, sentence, files=[path])
    if MODULES in path.parts:
        package = Package(Path(str(path).partition(f"/{MODULES}/")[0]))
        if package.lacks_everything:
            return _not_installed(path.name, package, scene)
    return cause(Kind.NO_COMMAND, f"there is no {scene.shown(path)}", files=[path])
