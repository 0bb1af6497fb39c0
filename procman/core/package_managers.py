"""The package managers of node: their lock files, what they leave on disk, and what is typed to use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from procman.core.frozen import Frozen

MODULES = "node_modules"


class PackageManager(Frozen):
    """A program that installs packages and runs their scripts."""

    name: str
    locks: tuple[str, ...]  # its lock files
    install: str  # installs what the lock file says, in a folder without packages
    frozen: str  # the same, and fails where the lock file does not fit: for files that machines run
    renew: str  # installs what package.json says, and brings the lock file up to date
    add: str  # installs one more
    runs: str  # a program of an installed package
    written: tuple[str, ...]  # what an install writes last, so that it is done then
    separator: str = ""  # what stands before the arguments of a script, because the manager eats them else

    @property
    def fresh(self) -> str:
        """What installs where there is no lock file."""
        return f"{self.name} install"

    def script(self, name: str, arguments: str = "") -> str:
        """Return the command that runs a script with arguments."""
        words = (self.name, "run", name, self.separator if arguments else "", arguments)
        return " ".join(word for word in words if word)


NPM = PackageManager(
    "npm",
    locks=("package-lock.json", "npm-shrinkwrap.json"),
    install="npm ci",
    frozen="npm ci",
    renew="npm install",
    add="npm install",
    runs="npx",
    written=(f"{MODULES}/.package-lock.json",),
    separator="--",
)
PNPM = PackageManager(
    "pnpm",
    locks=("pnpm-lock.yaml",),
    install="pnpm install",
    frozen="pnpm install --frozen-lockfile",
    renew="pnpm install --no-frozen-lockfile",
    add="pnpm add",
    runs="pnpm exec",
    written=(f"{MODULES}/.modules.yaml",),
)
YARN = PackageManager(
    "yarn",
    locks=("yarn.lock",),
    install="yarn install",
    frozen="yarn install --immutable",
    renew="yarn install",
    add="yarn add",
    runs="yarn run",
    written=(f"{MODULES}/.yarn-integrity", f"{MODULES}/.yarn-state.yml", ".pnp.cjs"),
)
YARN_1 = replace(YARN, frozen="yarn install --frozen-lockfile")
BUN = PackageManager(
    "bun",
    locks=("bun.lock", "bun.lockb"),
    install="bun install",
    frozen="bun install --frozen-lockfile",
    renew="bun install",
    add="bun add",
    runs="bunx",
    written=(),
)
# In the order in which their lock files are looked for. npm's comes last: it is what is left behind where
# somebody has gone over to another one.
MANAGERS = (PNPM, YARN, BUN, NPM)
NAMES = frozenset(manager.name for manager in MANAGERS)


def manager_of(declared: object, is_there: Callable[[str], bool]) -> PackageManager:
    """Return what installs the packages of a folder: what it declares, else whose lock file it has, else npm.

    Args:
        declared: `packageManager` of its package.json, as `pnpm@9.1.0`; anything else declares nothing.
        is_there: whether the folder has a file of this name.
    """
    name = declared.partition("@")[0] if isinstance(declared, str) else ""
    named = (each for each in MANAGERS if each.name == name)
    locked = (each for each in MANAGERS if any(map(is_there, each.locks)))
    return next(named, None) or next(locked, NPM)
