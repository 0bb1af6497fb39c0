"""Patterns of files."""

from __future__ import annotations

import pytest

from procman.core.globs import read_glob


@pytest.mark.parametrize(
    ("pattern", "folder", "yes", "no"),
    [
        ("*.py", "", ["a.py", "src/deep/a.py"], ["a.pyc", "py", "a.py.orig"]),
        ("src/**/*.js", "src", ["a.js", "b/c/a.js"], ["a.jsx", "a.ts"]),
        ("src/*.js", "src", ["a.js"], ["b/a.js"]),
        ("./src/*.js", "src", ["a.js"], ["b/a.js"]),
        ("src", "", ["src", "src/a.js", "lib/src/a"], ["srcs/a"]),
        ("src/", "", ["src/a.js"], ["a"]),
        ("src/**", "src", ["a", "b/c"], []),
        ("**/*.{js,ts}", "", ["a.js", "b/a.ts"], ["a.jsx", "a.css"]),
        ("*.{ts,t[sx]}", "", ["a.ts", "a.tx"], ["a.t"]),
        ("[!a]?.txt", "", ["bc.txt"], ["ac.txt", "b.txt"]),
        ("../shared/*.js", "../shared", ["a.js"], ["b/a.js"]),
        ("/etc/app/*", "/etc/app", ["a", "a/b"], []),
        (".", "", ["a", "b/c"], []),
        ("a+b(c).js", "", ["a+b(c).js"], ["aab(c).js", "aabc.js"]),
        ("a,b}.js", "", ["a,b}.js"], ["a.js"]),
    ],
)
def test_a_pattern_means(pattern: str, folder: str, yes: list[str], no: list[str]) -> None:
    glob = read_glob(pattern)
    assert glob.folder == folder
    assert [path for path in yes if not glob.matches(path)] == []
    assert [path for path in no if glob.matches(path)] == []


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[a", "a `[` is not closed"),
        ("*.{js,ts", "a `{` is not closed"),
        ("a/*/../b", "`..` can only come first"),
        ("[z-a]", "bad character range z-a"),
        ("x" * 2000, "it is too long"),
    ],
)
def test_what_is_no_pattern_says_why(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".*") as raised:
        read_glob(pattern)
    assert str(raised.value) == why
