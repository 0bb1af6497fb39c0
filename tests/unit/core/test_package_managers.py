"""Which package manager a folder is installed by."""

from __future__ import annotations

import pytest

from procman.core.package_managers import manager_of


@pytest.mark.parametrize(
    ("declared", "files", "name"),
    [
        (None, [], "npm"),
        (None, ["package-lock.json"], "npm"),
        (None, ["npm-shrinkwrap.json"], "npm"),
        (None, ["bun.lockb"], "bun"),
        (None, ["package-lock.json", "yarn.lock"], "yarn"),
        (None, ["yarn.lock", "pnpm-lock.yaml"], "pnpm"),
        ("pnpm@9.1.0", ["package-lock.json", "yarn.lock"], "pnpm"),
        ("npm", ["yarn.lock"], "npm"),
        ("other@1", ["yarn.lock"], "yarn"),
        (1, [], "npm"),
    ],
)
def test_what_is_declared_comes_before_what_lies_there(declared: object, files: list[str], name: str) -> None:
    assert manager_of(declared, files.__contains__).name == name
