"""What changes a project's files from outside: package installs and git operations, by command line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

HINT = re.compile(rb"npm|yarn|bun|git")  # in the command line of every one
# `npm`, `npm-cli.js`, `pnpm.cjs`, `yarn.js`, `yarnpkg`, `yarn-4.1.0.cjs`; not `npm-run-all`, `npx-cli.js`
PACKAGE_MANAGER = re.compile(r"(npm|pnpm|yarn|bun)(?:-cli|pkg|-\d[\w.-]*)?(?:\.[cm]?js)?")
RUNTIMES = frozenset({"node", "nodejs"})
INSTALLS = {
    *("install", "i", "in", "add", "ci", "ic", "clean-install", "install-clean", "install-test", "it"),
    *("install-ci-test", "cit", "update", "up", "upgrade", "uninstall", "un", "unlink", "remove", "rm"),
    *("prune", "dedupe", "link", "ln", "rebuild"),
}
CHANGES_FILES = {
    *("am", "apply", "bisect", "checkout", "cherry-pick", "clean", "merge", "pull", "rebase", "reset"),
    *("restore", "revert", "stash", "switch"),
}
# Options before the word that says what is done, whose value is a word of its own.
VALUED_BY_NODE = frozenset({"-r", "--require", "--import", "--loader"})
VALUED = frozenset({"-C", "--dir", "--cwd", "--prefix", "--filter", "-F"})
VALUED_BY_GIT = frozenset({"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"})


def operation(arguments: Sequence[str]) -> str | None:
    """Return what a command line does to the files around it (`npm install`, `git checkout`), or None.

    npm writes its title over its arguments, `npm install` as one word and without the options; pnpm and yarn
    stay `node …/pnpm.cjs install`. An install for the whole user (`npm install -g`) is called one too.
    """
    words = arguments[0].split() if len(arguments) == 1 else list(arguments)
    if words and os.path.basename(words[0]) in RUNTIMES:
        words = _without_options(words[1:], VALUED_BY_NODE)
    if not words:
        return None
    program = os.path.basename(words[0])
    if program == "git":
        return _git(words[1:])
    manager = PACKAGE_MANAGER.fullmatch(program)
    return None if manager is None else _install(manager[1], words[1:])


def _install(manager: str, words: list[str]) -> str | None:
    """Return the install that a package manager is told to make, if any: `yarn` alone is one."""
    words = _without_options(words, VALUED)
    if manager == "yarn" and not words:
        return "yarn"
    if words[:1] == ["workspace"]:  # yarn workspace NAME add …
        words = words[2:]
    return f"{manager} {words[0]}" if words and words[0] in INSTALLS else None


def _git(words: list[str]) -> str | None:
    words = _without_options(words, VALUED_BY_GIT)
    if words[:1] == ["submodule"] and "update" in words:
        return "git submodule update"
    return f"git {words[0]}" if words and words[0] in CHANGES_FILES else None


def _without_options(words: list[str], valued: frozenset[str]) -> list[str]:
    """Return the words from the first one on that is neither an option nor the value of one."""
    left: Iterator[str] = iter(words)
    for word in left:
        if not word.startswith("-"):
            return [word, *left]
        if word in valued:
            next(left, None)
    return []
