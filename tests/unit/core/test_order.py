"""Dependency order: pure functions over a graph."""

from __future__ import annotations

import pytest

from procman.core.order import find_cycle, start_order, with_dependencies

DIAMOND = {"web": ["api", "auth"], "api": ["db"], "auth": ["db"], "db": [], "worker": []}


def test_an_app_starts_after_what_it_depends_on_and_else_in_the_order_of_the_file() -> None:
    assert start_order(DIAMOND) == ("db", "api", "auth", "web", "worker")
    assert start_order({"a": [], "b": [], "c": []}) == ("a", "b", "c")
    assert start_order({"c": ["a"], "b": [], "a": []}) == ("b", "a", "c")


def test_nothing_has_an_empty_order() -> None:
    assert start_order({}) == ()


def test_a_dependency_that_is_not_there_does_not_hold_up_the_start() -> None:
    assert start_order({"a": ["disabled"]}) == ("a",)


def test_a_dependency_named_twice_counts_once() -> None:
    assert start_order({"a": ["b", "b"], "b": []}) == ("b", "a")


def test_a_cycle_has_no_order() -> None:
    with pytest.raises(ValueError, match="cycle"):
        start_order({"a": ["b"], "b": ["a"], "c": []})


@pytest.mark.parametrize(
    ("dependencies", "cycle"),
    [
        (DIAMOND, None),
        ({}, None),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["a"]}, ("a", "b", "a")),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, ("b", "c", "b")),
        ({"a": ["gone"], "b": ["a"]}, None),
        ({"a": ["b", "c"], "b": [], "c": ["d"], "d": ["a"]}, ("a", "c", "d", "a")),
    ],
)
def test_a_cycle_is_found_as_a_path(
    dependencies: dict[str, list[str]], cycle: tuple[str, ...] | None
) -> None:
    assert find_cycle(dependencies) == cycle


def test_a_chain_longer_than_the_stack_is_ordered() -> None:
    chain = {f"app{i}": [f"app{i + 1}"] for i in range(5000)} | {"app5000": []}

    assert find_cycle(chain) is None
    assert start_order(chain)[0] == "app5000"
    assert len(with_dependencies(["app0"], chain)) == 5001


def test_the_dependencies_of_apps_come_with_them() -> None:
    assert with_dependencies(["api"], DIAMOND) == ("api", "db")
    assert with_dependencies(["worker", "web"], DIAMOND) == ("web", "api", "auth", "db", "worker")
    assert with_dependencies(["unknown"], DIAMOND) == ()
