"""Which node an app wants, and whether its packages are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procman.engine import node


@pytest.mark.parametrize(
    ("wanted", "accepted", "refused"),
    [
        ("20", [20], [18, 22]),
        ("v20.11.0", [20], [18, 22]),
        ("20.x", [20], [18]),
        (">=18", [18, 20, 22], [16]),
        (">= 18.3", [18, 20], [16]),
        ("^20.9.0", [20], [18, 22]),
        ("~20.9", [20], [22]),
        ("^18 || >=20", [18, 20, 22], [16, 19]),
        (">=18 <21", [18, 20], [16, 21]),
        ("<20", [18], [20]),
        ("<20.0.0", [18], [20]),
        ("<20.9", [18, 20], [22]),
        (">20", [22], [20]),
        (">20.1", [20, 22], [18]),
        ("<=20", [18, 20], [22]),
        ("*", [18], []),
        ("lts/*", [8, 20], []),
        ("18 - 20", [8, 20], []),
        ("", [8, 20], []),
    ],
)
def test_a_major_is_refused_only_where_no_version_of_it_would_do(
    wanted: str, accepted: list[int], refused: list[int]
) -> None:
    assert [major for major in accepted if not node.accepts(wanted, major)] == []
    assert [major for major in refused if node.accepts(wanted, major)] == []


def test_a_version_has_a_major() -> None:
    assert node.major_of("v20.11.0") == 20
    assert node.major_of("10.2.4") == 10
    assert node.major_of("nightly") is None


def test_the_files_of_the_app_and_then_of_the_project_say_which_node_is_wanted(tmp_path: Path) -> None:
    web = tmp_path / "web"
    web.mkdir()
    assert list(node.wishes(web, tmp_path)) == []
    (tmp_path / ".nvmrc").write_text("v18\n")
    assert list(node.wishes(web, tmp_path)) == [(".nvmrc", "v18")]
    (web / ".nvmrc").write_text("20\n")
    (web / "package.json").write_text(json.dumps({"engines": {"node": ">=20"}}))
    assert list(node.wishes(web, tmp_path)) == [(".nvmrc", "20"), ("`engines` of package.json", ">=20")]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"engines": ["node"]}', '{"engines": {"node": 20}}', "{", "\xff"]
)
def test_a_package_json_of_any_content_is_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "package.json").write_bytes(text.encode("latin-1"))
    assert list(node.wishes(tmp_path, tmp_path)) == []
    assert not node.lacks_modules(tmp_path, tmp_path)


def test_packages_are_missing_where_no_folder_up_to_the_projects_has_them(tmp_path: Path) -> None:
    web = tmp_path / "project" / "web"
    web.mkdir(parents=True)
    (tmp_path / "node_modules").mkdir()
    assert not node.lacks_modules(web, tmp_path / "project")
    (web / "package.json").write_text(json.dumps({"devDependencies": {"vite": "8"}}))
    assert node.lacks_modules(web, tmp_path / "project")
    (tmp_path / "project" / "node_modules").mkdir()
    assert not node.lacks_modules(web, tmp_path / "project")
