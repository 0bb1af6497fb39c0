"""Which command lines are installs and git operations."""

from __future__ import annotations

import pytest

from procman.host.operations import operation


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("npm install", "npm install"),
        ("npm i left-pad", "npm i"),
        ("npm ci", "npm ci"),
        ("npm uninstall left-pad", "npm uninstall"),
        ("node /usr/bin/npm install", "npm install"),
        ("/usr/bin/node /usr/lib/node_modules/npm/bin/npm-cli.js ci", "npm ci"),
        ("node --require ./hook.js /usr/bin/npm update", "npm update"),
        ("npm --prefix web install", "npm install"),
        ("node /home/me/.bin/pnpm install", "pnpm install"),
        ("node /corepack/v1/pnpm/9.0.0/bin/pnpm.cjs -C web add vite", "pnpm add"),
        ("pnpm --filter web install", "pnpm install"),
        ("pnpm -r install", "pnpm install"),
        ("node /home/me/.bin/yarn", "yarn"),
        ("node /home/me/.bin/yarn --frozen-lockfile", "yarn"),
        ("yarnpkg install", "yarn install"),
        ("node /project/.yarn/releases/yarn-4.1.0.cjs add vite", "yarn add"),
        ("yarn --cwd web add vite", "yarn add"),
        ("yarn workspace web add vite", "yarn add"),
        ("bun install", "bun install"),
        ("git checkout main", "git checkout"),
        ("/usr/lib/git-core/git merge origin/main", "git merge"),
        ("git -C /project -c core.pager=cat --no-pager rebase -i main", "git rebase"),
        ("git stash pop", "git stash"),
        ("git submodule update --init", "git submodule update"),
    ],
)
def test_what_changes_files_is_named(line: str, named: str) -> None:
    assert operation(line.split()) == named
    assert operation([line]) == named, "a title is one word"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "npm",
        "npm run dev",
        "npm run install",
        "npm start",
        "npm exec vite",
        "node server.js install",
        "node /usr/bin/npm run update",
        "node",
        "node --inspect",
        "/project/node_modules/.bin/npm-run-all install",
        "npx-cli.js install",
        "pnpm dev",
        "pnpm -r dev",
        "yarn dev",
        "yarn workspace web dev",
        "yarn workspace",
        "bun",
        "bun install.ts",
        "git",
        "git status",
        "git fetch",
        "git -C",
        "git submodule status",
        "git commit",
        "sh -c npm install",
        "vim install",
    ],
)
def test_all_else_is_none(line: str) -> None:
    assert operation(line.split()) is None
    assert operation([line]) is None
