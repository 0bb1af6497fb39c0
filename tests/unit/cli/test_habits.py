"""Other tools' verbs lead to ours, and only those that are not ours do."""

from __future__ import annotations

import re

import pytest

from procman.cli import habits
from procman.cli.main import ALIASES, COMMANDS

VERBS = [(verb, ours) for verbs in habits._VERBS.values() for verb, ours in verbs.items()]


@pytest.mark.parametrize(("verb", "ours"), VERBS)
def test_a_verb_of_another_tool_leads_to_a_command_that_is_there(verb: str, ours: str) -> None:
    assert ours.split()[0] in COMMANDS
    assert verb not in COMMANDS
    assert verb not in ALIASES
    assert habits.hint(verb, COMMANDS).endswith(f"here it is `procman {ours}`")


@pytest.mark.parametrize("verb", habits._NOT_YET)
def test_what_is_not_there_yet_leads_to_commands_that_are(verb: str) -> None:
    assert verb not in COMMANDS
    said = re.findall(r"`procman (\S+)[^`]*`", habits.hint(verb, COMMANDS))
    assert said
    assert set(said) <= set(COMMANDS)


def test_a_typo_leads_to_the_nearest_command() -> None:
    assert habits.hint("stauts", COMMANDS) == "did you mean `procman status`?"


def test_what_is_like_nothing_leads_to_the_list() -> None:
    assert habits.hint("frobnicate", COMMANDS) == "`procman --help` lists all commands"
