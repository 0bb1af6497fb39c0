"""Edits of a text: what becomes of each notation, word for word."""

from __future__ import annotations

import pytest

from procman.config.edit import NotATable, add_table, remove, set_value

TWO = '[apps.web]\ncommand = "x"\n\n# the database\n[apps.db]\ncommand = "y"  # why\n'
WEB = ("apps", "web")


def test_a_value_is_replaced_and_its_comment_stays() -> None:
    text = "[apps.web]\nport   =  1 # the proxy knows it\n"

    assert set_value(text, (*WEB, "port"), "2") == "[apps.web]\nport   =  2 # the proxy knows it\n"


def test_a_new_key_stands_below_the_last_one_of_its_table() -> None:
    assert set_value(TWO, (*WEB, "port"), "1") == TWO.replace('"x"\n', '"x"\nport = 1\n')


def test_a_new_key_is_as_far_indented_as_the_one_above() -> None:
    assert set_value("[apps.web]\n\ta = [\n 1 ]", (*WEB, "b"), "2") == "[apps.web]\n\ta = [\n 1 ]\n b = 2"


@pytest.mark.parametrize(
    ("written", "after"),
    [
        ("{}", "{ timeout = 1 }"),
        ("{ http = '/' }", "{ http = '/', timeout = 1 }"),
        ("{timeout='2s',b=1}", "{timeout=1,b=1}"),
        ("{ headers.A = 'b' }", "{ headers.A = 'b', timeout = 1 }"),
    ],
)
def test_a_key_in_braces_is_set_there(written: str, after: str) -> None:
    text = f"[apps.web]\ncheck = {written} # c\n"

    assert set_value(text, (*WEB, "check", "timeout"), "1") == f"[apps.web]\ncheck = {after} # c\n"


@pytest.mark.parametrize(
    ("key", "after"),
    [("a", "{ b = 2,  c=3 }"), ("b", "{ a = 1,  c=3 }"), ("c", "{ a = 1, b = 2 }")],
)
def test_an_item_in_braces_goes_with_its_comma(key: str, after: str) -> None:
    assert remove("x = { a = 1, b = 2,  c=3 }", ("x", key)) == f"x = {after}"


def test_the_last_item_in_braces_leaves_them_empty() -> None:
    assert remove("x = { a = 1 }", ("x", "a")) == "x = { }"


def test_a_table_of_dotted_keys_gets_another_one() -> None:
    text = "[apps.web]\ncheck.http = '/' # c\nport = 1\n"

    assert set_value(text, (*WEB, "check", "timeout"), "1") == text.replace(
        "# c\n", "# c\ncheck.timeout = 1\n"
    )


def test_a_table_that_only_tables_in_it_imply_gets_a_header() -> None:
    text = "[apps.web.check]\nhttp = '/'\n"

    assert set_value(text, (*WEB, "port"), "1") == f"{text}\n[apps.web]\nport = 1\n"


def test_a_table_with_a_header_is_replaced_by_a_value() -> None:
    text = "[apps.web]\nport = 1\n\n[apps.web.check]\nhttp = '/'\n\n[apps.db]\n"

    after = set_value(text, (*WEB, "check"), "{ tcp = true }")

    assert after == "[apps.web]\nport = 1\ncheck = { tcp = true }\n\n[apps.db]\n"


def test_a_plain_value_is_no_place_for_a_key() -> None:
    with pytest.raises(NotATable) as caught:
        set_value("[apps.web]\ndepends_on = ['db']\n", (*WEB, "depends_on", "api"), "'healthy'")

    assert (caught.value.path, caught.value.written) == ((*WEB, "depends_on"), "['db']")


def test_a_removed_table_leaves_the_comment_of_the_next_one() -> None:
    assert remove(TWO, WEB) == '# the database\n[apps.db]\ncommand = "y"  # why\n'


def test_a_removed_table_leaves_the_comment_above_it() -> None:
    assert remove(TWO, ("apps", "db")) == '[apps.web]\ncommand = "x"\n\n# the database\n'


def test_what_is_not_there_is_removed_without_a_change() -> None:
    assert remove(TWO, (*WEB, "port")) == TWO


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (TWO, f"{TWO}\n[apps.new]\n"),
        (TWO.rstrip(), f"{TWO.rstrip()}\n\n[apps.new]"),
        (TWO.replace("\n", "\r\n"), f"{TWO}\n[apps.new]\n".replace("\n", "\r\n")),
        ("apps.web.command = 'x'\n[manager]\n", "apps.web.command = 'x'\napps.new = {}\n[manager]\n"),
        ("apps = { web.command = 'x' }", "apps = { web.command = 'x', new = {} }"),
    ],
)
def test_a_table_is_added_as_the_file_allows_it(text: str, after: str) -> None:
    assert add_table(text, ("apps", "new")) == after


def test_lines_of_a_value_end_as_those_of_the_file() -> None:
    assert set_value("[apps.web]\r\n", (*WEB, "tags"), "[\n'a' ]") == "[apps.web]\r\ntags = [\r\n'a' ]\r\n"
