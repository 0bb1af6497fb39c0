"""A plan forgets no key: each attribute of an app, changed alone, is planned under its own name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from procman.core.config import (
    AppConfig,
    Check,
    CheckKind,
    Command,
    Condition,
    Config,
    ManagerConfig,
)
from procman.core.fields import APP, Change, Table
from procman.core.plan import AppChange, FieldChange, Plan, Verb, make_plan
from procman.core.secrets import WORDS

Planner = Callable[[Config | None, Config], Plan]

# One word, because it is the same command with and without a shell.
BASE = AppConfig("web", Command(("node",)), port=5173, check=Check(CheckKind.HTTP))
OTHERS: dict[str, Any] = {"command.words": ("node", "a b"), "check.command": Command(("node", "x"))}
OTHERS |= {
    "depends_on": (("db", Condition.HEALTHY),),
    "env": (("A", "1"),),
    "check.headers": (("A", "1"),),
    "prepare": Command(("npm", "ci")),
    "check.status": ((204, 204),),
    "check.kind": CheckKind.TCP,
    "check.pattern": "ready",
    "port": 5174,
    "user": "nobody",
    "group": "nogroup",
    "umask": "027",
    "nice": 5,
    "limits": (("nofile", 4096),),
    "max_memory": 500_000_000,
    "schedule": "0 3 * * *",
}
# Where the key of a change says more, or other, than that of the field.
KEYS = {"env": "env.A", "check.headers": "check.headers.A", "check.tcp": "check", "limits": "limits.nofile"}
VERBS = {Change.LIVE: Verb.LIVE, Change.RESTART: Verb.RESTART, Change.NEXT_START: Verb.NEXT_START}


def file(app: AppConfig) -> Config:
    return Config("/p/portwatch.toml", "/p", ManagerConfig(), {app.name: app})


def other(path: str, value: Any) -> Any:
    """Return another value for an attribute: one from the list above, or one of the same type."""
    match value:
        case _ if path in OTHERS:
            return OTHERS[path]
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case Enum():
            return next(each for each in type(value) if each is not value)
        case tuple():
            return (*value, "x")
    raise AssertionError(f"no other value for `{path}`: give it one")


def attributes(value: Any, inside: str = "") -> Iterator[str]:
    """Yield the dotted path of every attribute that holds no attributes of its own."""
    for field in fields(value):
        path, held = inside + field.name, getattr(value, field.name)
        if is_dataclass(held):
            yield from attributes(held, f"{path}.")
        else:
            yield path


def with_other(value: Any, path: str, whole: str = "") -> Any:
    """Return `value` with another value at `path`."""
    name, _, rest = path.partition(".")
    held, whole = getattr(value, name), f"{whole}{name}"
    return replace(value, **{name: with_other(held, rest, f"{whole}.") if rest else other(whole, held)})


def expected(table: Table, keys: str = "", places: str = "") -> Iterator[tuple[str, str, Change]]:
    """Yield, by the table of fields, each attribute, the key under which it is planned, and its change."""
    for field in table.values():
        key, place = keys + field.key, places + field.attribute
        if field.table is not None:
            yield from expected(field.table, f"{key}.", f"{place}.")
        else:
            yield place, KEYS.get(key, key), field.change


PLANNED = {place: (key, change) for place, key, change in expected(APP) if place != "enabled"}


def plans_every_attribute(planner: Planner) -> None:
    for place, (key, change) in PLANNED.items():
        plan = planner(file(BASE), file(with_other(BASE, place)))
        assert [each.name for each in plan.changes] == ["web"], f"`{place}` is forgotten"
        assert [(each.key, each.change) for each in plan.changes[0].fields] == [(key, change)]
        assert plan.changes[0].verb is VERBS[change]


def shows_how_values_differ(planner: Planner) -> None:
    for place in PLANNED:
        (field,) = planner(file(BASE), file(with_other(BASE, place))).changes[0].fields
        assert field.old != field.new, f"`{place}` changed, and looks the same"
        tomllib.loads(f"x = {field.new}")


def plans_nothing_for_nothing(planner: Planner) -> None:
    for place in PLANNED:
        twice = [file(with_other(BASE, place)) for _ in range(2)]
        assert not planner(*twice), f"`{place}` is the same in both"


def switches_apps(planner: Planner) -> None:
    off = replace(BASE, enabled=False)
    assert [change.verb for change in planner(file(BASE), file(off)).changes] == [Verb.REMOVE]
    assert [change.verb for change in planner(file(off), file(BASE)).changes] == [Verb.ADD]
    assert not planner(file(off), file(replace(off, port=1)))


MARK = "sesame"
SECRET_NAMES = st.sampled_from(["KEY", "Api_Key", *(f"MY_{word}_2" for word in WORDS)])
VARIABLES = st.dictionaries(
    SECRET_NAMES, st.text("ab$\"'\\\n", max_size=3).map(lambda text: f"{MARK}{text}{MARK}"), max_size=6
)


def keeps_secrets(planner: Planner) -> None:
    @settings(max_examples=60, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(VARIABLES, VARIABLES, st.booleans())
    def one(old: dict[str, str], new: dict[str, str], in_headers: bool) -> None:
        def app(values: dict[str, str]) -> AppConfig:
            pairs = tuple(values.items())
            if in_headers:
                return replace(BASE, check=replace(BASE.check, headers=pairs))
            return replace(BASE, env=pairs)

        plan = planner(file(app(old)), file(app(new)))
        planned = [field.key.rpartition(".")[2] for change in plan.changes for field in change.fields]
        different = {name for name in (*old, *new) if old.get(name) != new.get(name)}
        assert set(planned) == different, "a secret that changed is a change"
        assert MARK not in repr(plan)
        assert MARK not in "".join(change.keys for change in plan.changes)

    one()


PROMISES = [
    plans_every_attribute,
    shows_how_values_differ,
    plans_nothing_for_nothing,
    switches_apps,
    keeps_secrets,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_plan_keeps_its_promises(promise: Callable[[Planner], None]) -> None:
    promise(make_plan)


def test_every_attribute_of_an_app_has_a_key() -> None:
    # Its names, which no key changes; and what adds and removes it.
    owed = set(attributes(BASE)) - {"name", "family", "instance", "enabled"}
    assert owed == set(PLANNED)


# Planted bugs


def _without(plan: Plan, drop: Callable[[FieldChange], bool]) -> Plan:
    kept = [
        replace(change, fields=tuple(field for field in change.fields if not drop(field)))
        for change in plan.changes
    ]
    return Plan(tuple(change for change in kept if change.fields or change.verb in (Verb.ADD, Verb.REMOVE)))


def forgets_a_key(old: Config | None, new: Config) -> Plan:
    return _without(make_plan(old, new), lambda field: field.key == "give_up.within")


def restarts_for_everything(old: Config | None, new: Config) -> Plan:
    plan = make_plan(old, new)
    return Plan(tuple(replace(change, verb=Verb.RESTART) for change in plan.changes))


def never_restarts(old: Config | None, new: Config) -> Plan:
    plan = make_plan(old, new)
    live = (
        replace(each, verb=Verb.LIVE if each.verb is Verb.RESTART else each.verb) for each in plan.changes
    )
    return Plan(tuple(live))


def plans_what_did_not_change(old: Config | None, new: Config) -> Plan:
    return make_plan(old, new) or Plan((AppChange("web", Verb.LIVE),))


def ignores_the_switch(old: Config | None, new: Config) -> Plan:
    def on(config: Config) -> Config:
        return replace(config, apps={name: replace(app, enabled=True) for name, app in config.apps.items()})

    return make_plan(None if old is None else on(old), on(new))


def rounds_what_it_shows(old: Config | None, new: Config) -> Plan:
    def rounded(field: FieldChange) -> FieldChange:
        same = field.key == "backoff.jitter"
        return replace(field, old="0", new="0") if same else field

    plan = make_plan(old, new)
    return Plan(tuple(replace(each, fields=tuple(map(rounded, each.fields))) for each in plan.changes))


def tells_secrets(old: Config | None, new: Config) -> Plan:
    def told(field: FieldChange) -> FieldChange:
        variables = dict(new.apps["web"].env)
        return replace(field, new=variables.get(field.key.removeprefix("env."), field.new))

    plan = make_plan(old, new)
    return Plan(tuple(replace(each, fields=tuple(map(told, each.fields))) for each in plan.changes))


def forgets_secrets_that_change(old: Config | None, new: Config) -> Plan:
    return _without(make_plan(old, new), lambda field: field.old == field.new)


BUGS: list[Planner] = [
    forgets_a_key,
    restarts_for_everything,
    never_restarts,
    plans_what_did_not_change,
    ignores_the_switch,
    rounds_what_it_shows,
    tells_secrets,
    forgets_secrets_that_change,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Planner) -> None:
    def all_promises() -> None:
        for promise in PROMISES:
            promise(bug)

    with pytest.raises(AssertionError):
        all_promises()
