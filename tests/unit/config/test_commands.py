"""Words of a command, and what needs a shell."""

from __future__ import annotations

import pytest

from procman.config.commands import Filling, make_command, split
from procman.core.values import Bad


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("npm run dev", ("npm", "run", "dev")),
        ("  npm\trun\n", ("npm", "run")),
        ("node 'a b' \"c d\"", ("node", "a b", "c d")),
        ("node a'b'\"c\"d", ("node", "abcd")),
        ("node ''", ("node", "")),
        ("node 'a && b' \"c | d\"", ("node", "a && b", "c | d")),
        (r"find . \; a\ b", ("find", ".", ";", "a b")),
        (r'node "a\"b\\c\d"', ("node", 'a"b\\c\\d')),
        ("node -e '$HOME'", ("node", "-e", "$HOME")),
        ("node a$ $", ("node", "a$", "$")),
        ("node --x={a,b} {}", ("node", "--x={a,b}", "{}")),
        ("node \\\n  a", ("node", "a")),
        ("node --env A=1", ("node", "--env", "A=1")),
        ("node 'a\nb'", ("node", "a\nb")),
    ],
)
def test_a_command_is_split_as_a_shell_splits_it(text: str, words: tuple[str, ...]) -> None:
    assert split(text) == words


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("a && b", "&&", "`&&` needs a shell"),
        ("a || b", "||", "`||` needs a shell"),
        ("a | b", "|", "`|` needs a shell"),
        ("a; b", ";", "`;` needs a shell"),
        ("a > b", ">", "`>` needs a shell"),
        ("a >> b", ">>", "`>>` needs a shell"),
        ("a<b", "<", "`<` needs a shell"),
        ("a &", "&", "`&` needs a shell"),
        ("a $(b)", "$(", "`$(…)` needs a shell"),
        ("a `b`", "`", "a backquote needs a shell"),
        ("'a;' ; b", ";", "`;` needs a shell"),
        ("a $B", "$B", "`$B` is filled in by a shell only"),
        ("a x${B:-1}", "${B:-1}", "`${B:-1}` is filled in by a shell only"),
        ("a ${B", "${B", "`${B` is filled in by a shell only"),
        ("A=1 b", "A=1", "`A=` before the command needs a shell"),
        (" A='1' b", "A=", "`A=` before the command needs a shell"),
        ("a\nb", "\n", "a line break between commands needs a shell"),
        ("a 'b", "'", "the quote `'` has no end"),
        ('a "b\\"', '"', 'the quote `"` has no end'),
        ("a \\", "\\", "the backslash at the end escapes nothing"),
    ],
)
def test_what_needs_a_shell_is_named_with_its_place(text: str, part: str, message: str) -> None:
    with pytest.raises(Bad) as caught:
        split(text)

    assert caught.value.message == message
    assert caught.value.part is not None
    assert text[slice(*caught.value.part)] == part


def test_a_command_of_nothing_is_none() -> None:
    for text in ("''", "\\\n", "'' a"):
        with pytest.raises(Bad, match="an empty one"):
            split(text)


def test_what_is_filled_in_is_never_split() -> None:
    filling = Filling("web", 80)

    assert make_command("a{name} '{port}' {x}", filling, shell=False).words == ("aweb", "80", "{x}")
    assert make_command(("a", "{port} {name}"), filling, shell=True).words == ("a", "80 web")
    assert make_command("{name} {port} ${port}", filling, shell=True).text == "web 80 ${port}"


def test_a_port_is_filled_in_only_where_there_is_one() -> None:
    for written, at, part in (("a {port}", (), (2, 8)), (("a", "{port}"), (1,), (0, 6))):
        with pytest.raises(Bad) as caught:
            make_command(written, Filling("web", None), shell=True)
        assert (caught.value.at, caught.value.part) == (at, part)
    assert make_command("a {name}", Filling("web", None), shell=False).words == ("a", "web")
