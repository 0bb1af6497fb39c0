"""The package managers of node: their lock files, what they leave on disk, and what is typed to use them."""

from __future__ import annotations

from dataclasses import dataclass, replace

MODULES = "node_modules"


@dataclass(frozen=True, slots=True)
class PackageManager:
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
MANAGERS = (NPM, PNPM, YARN, BUN)  # in the order in which their lock files are looked for
NAMES = frozenset(manager.name for manager in MANAGERS)
