"""Promises about renamed apps for any two files, each with bugs that prove it can be broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import strategies as st

from procman.core import plan as planning
from procman.core.config import AppConfig, Command, Config, ManagerConfig
from procman.core.plan import AppChange, Plan, Verb, make_plan
from tests.properties.promises import promise

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
# Few values, so that apps are often alike.
APPS = st.builds(
    AppConfig,
    name=st.just(""),
    command=st.sampled_from([Command(("x",)), Command(("y",))]),
    port=st.sampled_from([None, None, 1, 2]),
    family=st.sampled_from([None, None, None, "f"]),
    enabled=st.sampled_from([True, True, True, False]),
)


@st.composite
def edits(draw: st.DrawFn) -> tuple[Config, Config]:
    """Two files, of which the second has some apps of the first under other names."""
    old = draw(st.dictionaries(NAMES, APPS, max_size=4))
    new = {}
    for name, app in old.items():
        for other in draw(st.lists(st.just(name) | NAMES, max_size=2)):
            new[other] = draw(st.sampled_from([app, app, replace(app, port=3)]))
    new |= draw(st.dictionaries(NAMES, APPS, max_size=1))
    return file(old), file(new)


def file(apps: Mapping[str, AppConfig]) -> Config:
    named = {name: replace(app, name=name) for name, app in apps.items()}
    return Config("/p/portwatch.toml", "/p", ManagerConfig(), named)


@promise(edits())
def every_app_is_accounted_for_once(edit: tuple[Config, Config]) -> None:
    old, new = edit
    plan = make_plan(old, new)
    before, after = old.enabled_apps(), new.enabled_apps()
    ends = [change.was or change.name for change in plan.changes if change.verb in (Verb.RENAME, Verb.REMOVE)]
    comes = [change.name for change in plan.changes if change.verb in (Verb.RENAME, Verb.ADD)]
    assert sorted(ends) == sorted(before.keys() - after.keys())
    assert sorted(comes) == sorted(after.keys() - before.keys())


@promise(edits())
def a_renamed_app_differs_in_nothing_else(edit: tuple[Config, Config]) -> None:
    old, new = edit
    for change in make_plan(old, new).changes:
        if change.verb is Verb.RENAME:
            assert change.was is not None
            was, now = old.apps[change.was], new.apps[change.name]
            assert replace(now, name=was.name, family=was.family) == was, "what runs is what is declared"
            assert change.was not in new.apps, "one that stays has its own process"
            assert change.name not in old.apps, "the file has known that name for another"


@promise(edits())
def one_that_can_be_told_keeps_its_process(edit: tuple[Config, Config]) -> None:
    old, new = edit

    def bare(app: AppConfig) -> AppConfig:
        return replace(app, name="", family=None)

    gone = [app for name, app in old.enabled_apps().items() if name not in new.apps]
    come = [app for name, app in new.enabled_apps().items() if name not in old.apps]
    renamed = {change.was: change.name for change in make_plan(old, new).changes if change.was is not None}
    for app in gone:
        twins = [each for each in come if bare(each) == bare(app)]
        if len(twins) == 1 and sum(bare(each) == bare(app) for each in gone) == 1:
            assert renamed.get(app.name) == twins[0].name
        else:
            assert app.name not in renamed, "of several that are alike nobody knows which it is"


PROMISES = [
    every_app_is_accounted_for_once,
    a_renamed_app_differs_in_nothing_else,
    one_that_can_be_told_keeps_its_process,
]


def test_every_app_is_accounted_for_once() -> None:
    every_app_is_accounted_for_once.holds()


def test_a_renamed_app_differs_in_nothing_else() -> None:
    a_renamed_app_differs_in_nothing_else.holds()


def test_one_that_can_be_told_keeps_its_process() -> None:
    one_that_can_be_told_keeps_its_process.holds()


# Planted bugs

Apps = Mapping[str, AppConfig]
REAL = planning._renamed


def takes_the_first_of_twins(gone: Apps, come: Apps) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, app in come.items():
        twin = next(
            (old for old, each in gone.items() if replace(app, name=old, family=each.family) == each), None
        )
        if twin is not None:
            found[name] = twin
    return found


def looks_at_the_command_alone(gone: Apps, come: Apps) -> dict[str, str]:
    return {
        name: next(iter(same))
        for name, app in come.items()
        if len(same := [old for old, each in gone.items() if each.command == app.command]) == 1
    }


def renames_nothing(gone: Apps, come: Apps) -> dict[str, str]:
    return {}


def forgets_families(gone: Apps, come: Apps) -> dict[str, str]:
    return {name: old for name, old in REAL(gone, come).items() if gone[old].family == come[name].family}


@pytest.mark.parametrize(
    ("bug", "broken"),
    [
        (takes_the_first_of_twins, one_that_can_be_told_keeps_its_process),
        (takes_the_first_of_twins, every_app_is_accounted_for_once),
        (looks_at_the_command_alone, a_renamed_app_differs_in_nothing_else),
        (renames_nothing, one_that_can_be_told_keeps_its_process),
        (forgets_families, one_that_can_be_told_keeps_its_process),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_rename_that_is_not_one_is_caught(
    bug: object, broken: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_renamed", bug)
    broken.is_broken()  # type: ignore[attr-defined]


def removes_it_too(plan: Plan) -> Plan:
    """End the process that goes on."""
    removed = [AppChange(each.was, Verb.REMOVE) for each in plan.changes if each.was is not None]
    return Plan((*plan.changes, *removed))


def forgets_what_it_was(plan: Plan) -> Plan:
    """Start a second one beside it."""
    return Plan(
        tuple(replace(each, verb=Verb.ADD, was=None) for each in plan.changes if each.verb is not Verb.REMOVE)
    )


@pytest.mark.parametrize("bug", [removes_it_too, forgets_what_it_was], ids=lambda each: each.__name__)
def test_a_process_that_is_counted_twice_is_caught(
    bug: Callable[[Plan], Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "make_plan", lambda old, new: bug(planning.make_plan(old, new)))
    every_app_is_accounted_for_once.is_broken()
