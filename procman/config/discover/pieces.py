"""Which scripts of npm packages are apps, with those taken apart that run several programs at once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from procman.config.discover.frameworks import RUNNERS, builds, recognise
from procman.config.discover.packages import APP_SCRIPTS, MANIFEST, Package, Reference, referred
from procman.config.discover.scripts import Step, side_by_side, steps, word_set
from procman.config.discover.tree import Tree, join
from procman.core.package_managers import NAMES

# Commands that stand beside what a script is for.
ASIDE = word_set("cd echo export set clear rm mkdir cp sleep wait-on kill-port true rimraf")

_CONCURRENTLY = frozenset(("concurrently", "conc"))
_RUN_ALL = frozenset(("npm-run-all", "npm-run-all2", "run-p"))
_MONOREPO = frozenset(("turbo", "nx", "lerna", "wsrun", "ultra", "wireit", "moon", "rush"))
_WORKSPACES = word_set(
    "-r --recursive --parallel --filter -F -w -ws --workspaces --workspace workspaces workspace"
)
# Flags of concurrently that have a value behind them.
_WITH_VALUE = word_set(
    """-n --names -c --prefix-colors -p --prefix -l --prefix-length -m --max-processes -t --timestamp-format
    -s --success --restart-tries --restart-after --hide --default-input-target --teardown --name-separator
    --kill-signal --ks"""
)

Part = tuple[str | None, str]  # what a script calls a program that it runs, and how that is written


@dataclass(frozen=True, slots=True)
class Piece:
    """One program: a script of a package, or a part of one that runs several."""

    package: Package
    text: str
    script: str | None = None  # its name; None: `text` is a part of another script
    label: str | None = None  # what that script calls it
    via: str | None = None  # that script


def find_pieces(tree: Tree, packages: Sequence[Package]) -> list[Piece]:
    """Return the programs that are the apps of packages, each once."""
    finder = _Finder(tree, packages)
    found: dict[tuple[str, str], Piece] = {}
    for package in packages:
        for piece in finder.of(package):
            found.setdefault((piece.package.folder, piece.script or piece.text), piece)
    return list(found.values())


def commands_of(text: str, package: Package) -> tuple[Step, ...]:
    """Return the commands of a script, also those that are run through a package manager.

    `yarn vite` is `vite` where no script has that name. So is `pnpm with-env vite`, if the script `with-env`
    ends with `--`: it runs what stands behind that.
    """
    return tuple(_own(step, package) for step in steps(text))


def ends(step: Step) -> bool:
    """Return whether a command does its work and ends."""
    return step.program in ASIDE or (builds(step) and not step.watches())


def runs_several(text: str) -> bool:
    """Return whether a script runs several programs at the same time."""
    return _parts(text) is not None


def _own(step: Step, package: Package) -> Step:
    words = step.arguments[1:] if step.arguments[:1] == ("run",) else step.arguments
    if step.program not in NAMES or not words:
        return step
    carrier = package.scripts.get(words[0], "").rstrip()
    if carrier.endswith(" --"):
        marked = words[1:2] == ("--",)  # without it npm would eat the flags that are added
        rest = words[2:] if marked else words[1:] if step.program != "npm" else ()
        carried = steps(f"{carrier} {shlex.join(rest)}")
        return replace(carried[-1], after=step.after) if carried else step
    inner = replace(step, words=words)
    found = not carrier and step.program != "npm" and (recognise(inner) or builds(inner))
    return inner if found else step


@dataclass(frozen=True, slots=True)
class _Finder:
    """All packages of a folder, among which scripts run each other."""

    tree: Tree
    packages: Sequence[Package]

    def of(self, package: Package) -> list[Piece]:
        """Return what the app script of a package runs."""
        name = self._app_script(package)
        if name is None:
            is_default = package.tree.is_file(join(package.folder, "server.js"))  # what `npm start` runs then
            return [Piece(package, "node server.js")] if is_default else []
        return self._taken_apart(Piece(package, package.scripts[name], name), frozenset())

    def _app_script(self, package: Package) -> str | None:
        """Return the script that is the app: the first in order that serves, else the first that goes on."""
        names = [name for name in APP_SCRIPTS if name in package.scripts]
        serving = (name for name in names if _serves(package.scripts[name], package))
        going = (name for name in names if not all(map(ends, commands_of(package.scripts[name], package))))
        return next(serving, None) or next(going, None)

    def _taken_apart(self, piece: Piece, seen: frozenset[tuple[str, str]]) -> list[Piece]:
        """Return the programs of a script that runs several, or another script; else the script itself."""
        key = (piece.package.folder, piece.script or "")
        parts = _parts(piece.text)
        if key in seen:
            return [piece]
        found: list[Piece] = []
        for label, text in parts or [(piece.label, piece.text)]:
            part = replace(piece, text=text, script=None, label=label, via=piece.script)
            inner = self._meant(part, several=parts is not None)
            if self._runs_workspaces(part, inner):
                continue
            if inner is None:
                return [piece]
            for each in inner:
                found += self._taken_apart(each, seen | {key}) if each.script else [each]
        return found

    def _meant(self, piece: Piece, *, several: bool) -> list[Piece] | None:
        """Return the scripts that a part of a script runs, or the part itself; None if that can't be told."""
        package, commands = piece.package, commands_of(piece.text, piece.package)
        if len(commands) > 1 and commands[0].program == "cd" and len(commands[0].words) == 2:
            inner = self._package(join(package.folder, commands[0].words[1]))
            if inner is None:
                return None
            package, commands = inner, commands[1:]
        if len(commands) != 1:
            return None
        command = commands[0]
        if reference := referred(command, package):
            return None if command.variables else self._scripts(reference, package, piece, several=several)
        texts = (*command.words, *command.variables.values())
        if not several or command.program in NAMES or any("$" in each for each in texts):
            return None
        return [replace(piece, package=package)]

    def _scripts(
        self, reference: Reference, package: Package, piece: Piece, *, several: bool
    ) -> list[Piece] | None:
        """Return the scripts that a reference means; `npm:dev:*` means several."""
        target: Package | None = package
        if reference.folder is not None:
            target = self._package(join(package.folder, reference.folder))
        elif reference.member is not None:
            target = self._member(reference.member)
        if target is None:
            return None
        pattern = re.compile(re.escape(reference.script).replace(r"\*\*", ".*").replace(r"\*", "[^:]*"))
        names = [name for name in target.scripts if pattern.fullmatch(name)]
        several = len(names) > 1 or (several and target is piece.package)
        label = piece.label if len(names) == 1 else None
        return [
            Piece(target, target.scripts[name], name, label or (name if several else None), piece.via)
            for name in names
        ] or None

    def _package(self, folder: str) -> Package | None:
        """Return the package in a folder."""
        known = (each for each in self.packages if each.folder == folder)
        own = Package(self.tree, folder) if self.tree.is_file(join(folder, MANIFEST)) else None
        return next(known, own)

    def _member(self, name: str) -> Package | None:
        """Return the package that a filter of workspaces means: by its name, its path or its folder."""
        plain = name.removeprefix("./").strip(".{}")
        for package in self.packages:
            if plain in (package.document.get("name"), package.folder, package.name):
                return package
        return None

    def _runs_workspaces(self, piece: Piece, meant: list[Piece] | None) -> bool:
        """Return whether a part of a script only runs scripts of packages that are apps themselves."""
        if meant is not None or not any(map(_is_monorepo, steps(piece.text))):
            return False
        return any(each.workspace is piece.package and self._app_script(each) for each in self.packages)


def _is_monorepo(step: Step) -> bool:
    """Return whether a command runs scripts of workspaces."""
    flags = {word.partition("=")[0] for word in step.arguments}
    return step.program in _MONOREPO or (step.program in NAMES and bool(flags & _WORKSPACES))


def _serves(text: str, package: Package) -> bool:
    """Return whether a script runs something that serves, or something that runs that."""
    return runs_several(text) or any(
        recognise(step) or step.program in RUNNERS or _is_monorepo(step) or referred(step, package)
        for step in commands_of(text, package)
    )


def _parts(text: str) -> list[Part] | None:
    """Return what a script runs at the same time, or None if it does not."""
    together = side_by_side(text)
    if len(together) > 1:
        return [(None, part) for part in together]
    commands = [step for step in steps(text) if step.program not in ASIDE]
    if len(commands) != 1:
        return None
    command = commands[0]
    if command.program in _CONCURRENTLY:
        return _of_concurrently(command) or None
    parallel = command.program == "run-p" or {"-p", "--parallel"} & set(command.arguments)
    if command.program in _RUN_ALL and parallel:
        return [(None, f"npm:{name}") for name in command.plain] or None
    return None


def _of_concurrently(command: Step) -> list[Part]:
    words, texts = list(command.arguments), []
    while words:
        word, *words = words
        if word in _WITH_VALUE:
            words = words[1:]
        elif not word.startswith("-"):
            texts.append(word)
    names: list[str | None] = [
        name.strip() or None for name in (command.option("-n", "--names") or "").split(",")
    ]
    return list(zip(names if len(names) == len(texts) else [None] * len(texts), texts, strict=True))
