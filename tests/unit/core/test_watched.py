"""Which files an app's `watch` means."""

from __future__ import annotations

import pytest

from procman.core.watched import Watched


def watched(*patterns: str, ignore: tuple[str, ...] = ()) -> Watched:
    return Watched("/p/web", patterns, ignore, "/p/.procman")


@pytest.mark.parametrize(
    ("patterns", "folders"),
    [
        (("src/**/*.js",), ("/p/web/src",)),
        (("*.py",), ("/p/web",)),
        (("src/**/*.js", "*.py"), ("/p/web",)),
        (("src/*.js", "src/lib/*.js"), ("/p/web/src",)),
        (("*.js", "node_modules/mine/*.js"), ("/p/web", "/p/web/node_modules/mine")),
        (("../shared/**",), ("/p/shared",)),
        (("/etc/app/*.conf",), ("/etc/app",)),
    ],
)
def test_a_pattern_is_looked_for_where_it_begins(patterns: tuple[str, ...], folders: tuple[str, ...]) -> None:
    assert watched(*patterns).folders == folders


@pytest.mark.parametrize(
    "path",
    [
        "/p/web/node_modules/x/a.js", "/p/web/src/.git/a.js", "/p/web/dist/a.js", "/p/web/src/a.js~",
        "/p/web/src/.a.js.swp", "/p/web/src/4913", "/p/web/src/.#a.js", "/p/web/a.log", "/p/other/a.js",
    ],
)  # fmt: skip
def test_what_tools_and_editors_leave_does_not_count(path: str) -> None:
    assert not watched("*").wants(path)


def test_what_is_meant_counts_and_what_is_ignored_does_not() -> None:
    one = watched("src/**/*.js", ignore=("*.test.js", "src/generated"))
    assert one.wants("/p/web/src/a.js")
    assert one.wants("/p/web/src/b/a.js")
    assert not one.wants("/p/web/src/a.css")
    assert not one.wants("/p/web/src/a.test.js")
    assert not one.wants("/p/web/src/generated/a.js")
    assert not one.enters("/p/web/src/generated")
    assert one.enters("/p/web/src/b")


def test_a_pattern_that_begins_in_an_ignored_folder_means_it() -> None:
    one = watched("dist/*.js", "*.ts")
    assert one.wants("/p/web/dist/a.js")
    assert not one.wants("/p/web/dist/a.ts")
    assert not one.enters("/p/web/build")
    assert one.enters("/p/web/src")


def test_our_own_files_never_count() -> None:
    here = Watched("/p", ("**",), (), "/p/state")
    assert here.wants("/p/a")
    assert not here.wants("/p/state/logs/web/a")
    assert not here.enters("/p/state")
