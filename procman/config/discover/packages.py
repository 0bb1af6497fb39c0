"""npm packages: their scripts, what installs them, and the workspaces that they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from procman.config.discover.scripts import Step
from procman.config.discover.tree import Tree, join
from procman.config.npm_lock import left_out
from procman.core.package_managers import NAMES, NPM, YARN, YARN_1, PackageManager, manager_of

MANIFEST = "package.json"
SCRIPT_NAME = re.compile(r"[\w:@./+-]+")  # what needs no quotes in a command, and holds no `{port}`

# In the order in which they are looked for. A script that is empty is none.
APP_SCRIPTS = (
    *("dev", "start:dev", "develop", "start", "serve", "server", "dev:server", "start:local"),
    *("docs:dev", "docs", "storybook", "preview", "watch"),
)


class Package:
    """A folder with a `package.json`."""

    def __init__(self, tree: Tree, folder: str, workspace: Package | None = None) -> None:
        self.tree = tree
        self.folder = folder
        self.document = tree.json(join(folder, MANIFEST))
        self.workspace = workspace  # the root of the workspace that it is a part of

    @property
    def path(self) -> str:
        """Where its manifest is."""
        return join(self.folder, MANIFEST)

    @property
    def name(self) -> str:
        """What it calls itself, without a scope; else what its folder is called."""
        declared = self.document.get("name")
        own = declared.rpartition("/")[2] if isinstance(declared, str) else ""
        return own or self.folder.rpartition("/")[2].strip(".") or self.tree.root.name

    @cached_property
    def scripts(self) -> dict[str, str]:
        """Its scripts by name; those with names or texts that make no command are left out."""
        found = self.document.get("scripts")
        items = found.items() if isinstance(found, dict) else ()
        return {
            name: text
            for name, text in items
            if isinstance(text, str) and text.strip() and SCRIPT_NAME.fullmatch(name)
        }

    @cached_property
    def dependencies(self) -> frozenset[str]:
        """The packages that it asks for."""
        kinds = ("dependencies", "devDependencies", "optionalDependencies")
        asked = (self.document.get(kind) for kind in kinds)
        return frozenset(name for each in asked if isinstance(each, dict) for name in each)

    @property
    def root(self) -> Package:
        """The package in whose folder its packages are installed."""
        return self.workspace or self

    @cached_property
    def lock(self) -> str | None:
        """The lock file of its root, or None."""
        return self.tree.first(self.root.folder, self.manager.locks)

    @cached_property
    def manager(self) -> PackageManager:
        """What installs its packages; yarn's versions are told apart by what lies beside them."""
        root = self.root
        declared = root.document.get("packageManager")
        manager = manager_of(declared, lambda name: self.tree.is_file(join(root.folder, name)))
        if manager is not YARN:
            return manager
        version = str(declared or "").partition("@")[2]
        lock = self.tree.text(join(root.folder, "yarn.lock")) or ""
        modern = self.tree.is_file(join(root.folder, ".yarnrc.yml")) or "\n__metadata:" in lock
        return YARN if modern or re.match(r"[2-9]", version) else YARN_1

    @cached_property
    def left_out(self) -> str | None:
        """What is missing in npm's lock file, so that `npm ci` would refuse it, or None."""
        return left_out(self.tree.json(self.lock)) if self.lock and self.manager is NPM else None

    @property
    def install(self) -> str | None:
        """The command that installs its packages, or None if there is nothing to install."""
        if self.lock:
            return self.manager.fresh if self.left_out else self.manager.frozen
        members = self.root.document.get("workspaces")
        return self.manager.fresh if self.dependencies or self.workspace or members else None


def find_packages(tree: Tree, folders: Iterable[str]) -> list[Package]:
    """Return the packages of these folders, the outer ones first, each followed by those of its workspace."""
    found: dict[str, Package] = {}
    left_out: set[str] = set()
    for folder in folders:
        if folder in found or folder in left_out or not tree.is_file(join(folder, MANIFEST)):
            continue
        root = found[folder] = Package(tree, folder)
        globs = _workspaces(tree, root)
        left_out |= set(tree.matching(each[1:] for each in globs if each.startswith("!")))
        for each in tree.matching(globs):
            if each not in found and tree.is_file(join(each, MANIFEST)):
                found[each] = Package(tree, each, root)
    return list(found.values())


def workspace_above(folder: Path) -> Path | None:
    """Return the root of the workspace that a folder is a part of, if that lies above it."""
    for above in folder.parents:
        if (above / MANIFEST).is_file():
            tree = Tree(above)
            globs = _workspaces(tree, Package(tree, "."))
            if folder.relative_to(above).as_posix() in tree.matching(globs):
                return above
    return None


def _workspaces(tree: Tree, root: Package) -> list[str]:
    """Return the globs of the workspaces that a package declares: npm's and yarn's, pnpm's, lerna's."""
    declared = root.document.get("workspaces")
    if isinstance(declared, dict):
        declared = declared.get("packages")
    if not isinstance(declared, list):
        text = tree.text(join(root.folder, "pnpm-workspace.yaml"))
        declared = list(_yaml_list(text, "packages")) if text is not None else None
    if declared is None:
        declared = tree.json(join(root.folder, "lerna.json")).get("packages")
    globs = [each for each in declared if isinstance(each, str)] if isinstance(declared, list) else []
    return [f"{each[: each.startswith('!')]}{join(root.folder, each.removeprefix('!'))}" for each in globs]


def _yaml_list(text: str, key: str) -> Iterator[str]:
    """Yield the texts of a list at the top of a YAML file, in either notation."""
    match = re.search(rf"^{key}:[ \t]*(\[[^\]]*\]|(?:\s*\n[ \t]*(?:-.*|#.*)?)*)", text, re.MULTILINE)
    for item in re.finditer(r"""(?:^[ \t]*-[ \t]+|[\[,]\s*)(?:"([^"]*)"|'([^']*)'|([^\s"'#,\]]+))""",
                            match[1] if match else "", re.MULTILINE):  # fmt: skip
        yield item[1] or item[2] or item[3]


@dataclass(frozen=True, slots=True)
class Reference:
    """A script that another one runs."""

    script: str
    folder: str | None = None  # where, relative to the package; None: there
    member: str | None = None  # or the workspace that it is in, by its name or folder

    @property
    def elsewhere(self) -> bool:
        """Whether it is a script of another package."""
        return self.folder is not None or self.member is not None


_IN_FOLDER = {"npm": ("--prefix", "-C"), "pnpm": ("-C", "--dir"), "yarn": ("--cwd",), "bun": ("--cwd",)}
_IN_MEMBER = {"npm": ("-w", "--workspace"), "pnpm": ("--filter", "-F"), "bun": ("--filter", "-F")}
_QUIET = frozenset(("-s", "--silent", "-q", "--if-present", "--quiet"))


def referred(step: Step, package: Package) -> Reference | None:
    """Return the script that a command runs and does nothing beside it, or None."""
    if match := re.fullmatch(r"(?:npm|yarn|pnpm|bun):(.+)", step.program if len(step.words) == 1 else ""):
        return Reference(match[1])
    name = step.program
    if name == "node" and step.arguments[:1] == ("--run",) and len(step.arguments) == 2:
        return Reference(step.arguments[1])
    if name not in NAMES or "--" in step.words:
        return None
    words, folder, member = _located(name, list(step.arguments))
    if name == "yarn" and words[:1] == ["workspace"] and len(words) > 2:
        member, words = words[1], words[2:]
    explicit = words[:1] in (["run"], ["run-script"])
    words = words[1:] if explicit else words
    if len(words) != 1 or not SCRIPT_NAME.fullmatch(words[0]):
        return None
    elsewhere = folder is not None or member is not None
    fits = (
        explicit
        or words[0] in ("start", "test")
        or (name != "npm" and (elsewhere or words[0] in package.scripts))
    )
    return Reference(words[0], folder, member) if fits else None


def _located(manager: str, words: list[str]) -> tuple[list[str], str | None, str | None]:
    """Return the words of a package manager without the flags that say where, and what those say."""
    rest: list[str] = []
    folder = member = None
    while words:
        word, *words = words
        flag, sign, value = word.partition("=")
        if flag in (*_IN_FOLDER.get(manager, ()), *_IN_MEMBER.get(manager, ())):
            if not sign:
                value, words = (words[0], words[1:]) if words else ("", words)
            if flag in _IN_FOLDER.get(manager, ()):
                folder = value
            else:
                member = value
        elif word not in _QUIET:
            rest.append(word)
    return rest, folder, member
