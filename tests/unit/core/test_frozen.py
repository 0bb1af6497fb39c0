"""A frozen value is what a frozen data class would be, to everybody who asks."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.core.frozen import Frozen


class Made(Frozen):
    """A value."""

    name: str
    port: int | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standard:
    """The same by the standard library."""

    name: str
    port: int | None = None
    tags: tuple[str, ...] = ()


class Same(Frozen):
    """Another kind, of the same shape."""

    name: str
    port: int | None = None
    tags: tuple[str, ...] = ()


class Bare(Frozen):
    """A kind that consists of nothing."""


ARGUMENTS = st.fixed_dictionaries(
    {"name": st.sampled_from("ab")},
    optional={"port": st.none() | st.integers(1, 2), "tags": st.sampled_from([(), ("x",)])},
)


@given(ARGUMENTS, ARGUMENTS)
def test_two_are_equal_as_data_classes_are(first: dict[str, object], second: dict[str, object]) -> None:
    ours = Made(**first), Made(**second)  # type: ignore[arg-type]
    theirs = Standard(**first), Standard(**second)  # type: ignore[arg-type]
    assert (ours[0] == ours[1]) == (theirs[0] == theirs[1])
    assert (hash(ours[0]) == hash(ours[1])) == (theirs[0] == theirs[1])
    assert repr(ours[0]) == repr(theirs[0]).replace("Standard", "Made")


@given(ARGUMENTS, ARGUMENTS)
def test_the_standard_library_takes_one_for_a_data_class(
    first: dict[str, object], second: dict[str, object]
) -> None:
    made = Made(**first)  # type: ignore[arg-type]
    same = Standard(**first)  # type: ignore[arg-type]
    assert dataclasses.asdict(made) == dataclasses.asdict(same)
    assert dataclasses.replace(made, **second) == Made(**{**first, **second})  # type: ignore[arg-type]
    fields = [(each.name, each.default) for each in dataclasses.fields(Made)]
    assert fields == [(each.name, each.default) for each in dataclasses.fields(Standard)]


def test_kinds_of_one_shape_are_not_equal() -> None:
    assert Made("a") != Same("a")
    assert Bare() == Bare()
    assert bool(Bare())


@pytest.mark.parametrize(
    "change", [lambda value: setattr(value, "name", "b"), lambda value: delattr(value, "name")]
)
def test_nothing_of_it_can_be_changed(change: Callable[[Made], None]) -> None:
    made = Made("a")
    with pytest.raises(AttributeError, match="Made is frozen"):
        change(made)
    assert made == Made("a")


def test_it_has_no_room_for_more() -> None:
    assert not hasattr(Made("a"), "__dict__")


@pytest.mark.parametrize("arguments", [(), ("a", 1, (), 4)])
def test_what_it_consists_of_is_what_it_is_made_from(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match="argument"):
        Made(*arguments)  # type: ignore[arg-type]
    assert [*inspect.signature(Made).parameters] == ["name", "port", "tags"]


def test_it_is_matched_by_position_and_by_name() -> None:
    match Made("a", 3000):
        case Made(name, port=3000):
            assert name == "a"
        case _:
            pytest.fail("it was not matched")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_it_can_be_copied(again: Callable[[Made], Made]) -> None:
    assert again(Made("a", 1, ("x",))) == Made("a", 1, ("x",))
