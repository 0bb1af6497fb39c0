"""What is understood without click is what click understands, for every command that it is done for."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.cli import bring_up, deeds
from procman.cli.main import procman
from procman.cli.plain import FLAGS, SETTING, understand

WORDS = ("web", "w*", "@front", "", "-", "--", "-x", "--wide", "--timeout", "5s", "-dh", "-h", "--help")
DEEDS: dict[str, Callable[..., int]] = {
    "up": bring_up.up,
    "down": deeds.down,
    "start": deeds.start,
    "stop": deeds.stop,
    "restart": deeds.restart,
}


def by_click(verb: str, words: list[str]) -> dict[str, object]:
    """Return the arguments that click finds in words; what was not typed is left out."""
    group = procman.make_context("procman", [verb])
    command = procman.get_command(group, verb)
    assert command is not None
    with command.make_context(verb, list(words), parent=group) as context:
        typed = {
            name: value
            for name, value in context.params.items()
            if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        }
    return {"apps": (), **typed} if verb != "down" else typed


@pytest.mark.parametrize("verb", FLAGS)
@given(data=st.data())
def test_what_is_understood_is_what_click_understands(verb: str, data: st.DataObject) -> None:
    words = data.draw(st.lists(st.sampled_from((*FLAGS[verb], *WORDS)), max_size=5))
    understood = understand([verb, *words])
    if understood is not None:
        assert understood == (verb, by_click(verb, words))


@pytest.mark.parametrize("verb", FLAGS)
def test_every_flag_is_understood_and_is_an_argument_of_what_is_done(verb: str) -> None:
    words = [*FLAGS[verb], *(() if verb == "down" else ("web",))]
    understood = understand([verb, *words])
    assert understood is not None
    assert understood[1].keys() <= inspect.signature(DEEDS[verb]).parameters.keys()


@pytest.mark.parametrize(
    "words",
    ["", "status", "stop", "restart --json", "down web", "stop --timeout 5s web", "start -- -web", "up -h"],
)
def test_whatever_else_was_typed_is_for_click(words: str) -> None:
    assert understand(words.split()) is None


def test_the_format_of_lines_that_is_set_for_all_is_for_click(monkeypatch: pytest.MonkeyPatch) -> None:
    assert understand(["up"]) == ("up", {"apps": ()})
    monkeypatch.setenv(SETTING, "json")
    assert understand(["up"]) is None
    assert understand(["stop", "web"]) is not None
