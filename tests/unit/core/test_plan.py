"""What an edit of the file does to the apps that run, word for word."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from procman.core.config import (
    AppConfig,
    Backoff,
    Check,
    CheckKind,
    Command,
    Condition,
    Config,
    GiveUp,
    HistoryBudget,
    LogBudget,
    ManagerConfig,
    Restart,
)
from procman.core.fields import Change
from procman.core.plan import AppChange, FieldChange, Plan, Verb, make_plan, summarise

WEB = AppConfig("web", Command(("npm", "run", "dev")), cwd="/p/web", port=5173, check=Check(CheckKind.TCP))
API, WORKER = replace(WEB, name="api", port=3000), AppConfig("worker", Command(("node", "worker.js")))


def file(*apps: AppConfig) -> Config:
    return Config("/p/portwatch.toml", "/p", ManagerConfig(), {app.name: app for app in apps})


def changed(**values: object) -> AppChange:
    """Return what is planned for an app of which `values` differ."""
    (change,) = make_plan(file(WEB), file(replace(WEB, **values))).changes  # type: ignore[arg-type]
    return change


def shown(old: AppConfig, new: AppConfig) -> list[str]:
    """Return the fields of the only change, as `key: old -> new`."""
    (change,) = make_plan(file(old), file(new)).changes
    return [f"{field.key}: {field.old} -> {field.new}" for field in change.fields]


def test_nothing_changed_is_an_empty_plan() -> None:
    plan = make_plan(file(WEB, API), file(API, WEB))
    assert not plan
    assert plan.changes == ()


def test_the_first_file_adds_every_enabled_app() -> None:
    plan = make_plan(None, file(WEB, replace(API, enabled=False), WORKER))
    assert plan.changes == (AppChange("web", Verb.ADD), AppChange("worker", Verb.ADD))


def test_changes_come_in_the_order_of_the_new_file_and_removals_last() -> None:
    plan = make_plan(file(WEB, API), file(WORKER, replace(API, port=3001)))
    assert [(change.name, change.verb) for change in plan.changes] == [
        ("worker", Verb.ADD),
        ("api", Verb.RESTART),
        ("web", Verb.REMOVE),
    ]


def test_an_app_that_is_switched_off_or_on_is_removed_or_added_and_the_plan_says_by_what() -> None:
    off = replace(WEB, enabled=False, port=1)
    switch = FieldChange("enabled", "true", "false", Change.LIVE)
    assert make_plan(file(WEB), file(off)).changes == (AppChange("web", Verb.REMOVE, (switch,)),)
    (back,) = make_plan(file(off), file(WEB)).changes
    assert (back.verb, back.keys) == (Verb.ADD, "`enabled`")


def test_what_the_manager_alone_heeds_is_in_the_plan_and_touches_no_app() -> None:
    old = file(WEB)
    new = replace(old, manager=ManagerConfig(history=HistoryBudget(2_000_000)))
    size = FieldChange("history.max_size", '"50MB"', '"2MB"', Change.LIVE)
    assert make_plan(old, new) == Plan((), (size,))
    assert make_plan(old, new)
    assert not make_plan(None, new).manager


@pytest.mark.parametrize(
    ("values", "verb", "keys"),
    [
        ({"check_interval": 30.0}, Verb.LIVE, "`check_interval`"),
        ({"prepare": Command(("npm", "ci"))}, Verb.NEXT_START, "`prepare`"),
        ({"prepare": Command(("npm", "ci")), "tags": ("x",)}, Verb.LIVE, "`prepare`, `tags`"),
        ({"tags": ("x",), "port": 1, "env": (("A", "1"),)}, Verb.RESTART, "`port`, `env.A`, `tags`"),
    ],
)
def test_the_field_that_asks_for_most_decides(values: dict[str, object], verb: Verb, keys: str) -> None:
    change = changed(**values)
    assert (change.verb, change.keys) == (verb, keys)


def test_a_variable_is_named_and_its_value_hidden_where_it_is_a_secret() -> None:
    old = replace(WEB, env=(("NODE_ENV", "development"), ("NPM_TOKEN", "abc"), ("OLD", "1")))
    new = replace(WEB, env=(("NODE_ENV", "production"), ("NPM_TOKEN", "xyz"), ("DB", "pg://u:p@h/d")))
    assert shown(old, new) == [
        'env.NODE_ENV: "development" -> "production"',
        "env.NPM_TOKEN: (hidden) -> (hidden)",
        'env.OLD: "1" -> none',
        "env.DB: none -> (hidden)",
    ]


def test_a_header_is_treated_like_a_variable() -> None:
    check = Check(CheckKind.HTTP)
    old = replace(WEB, check=replace(check, headers=(("Authorization", "Bearer abc"),)))
    new = replace(WEB, check=replace(check, headers=(("Authorization", "Bearer xyz"), ("X-A.B", "1"))))
    assert shown(old, new) == [
        "check.headers.Authorization: (hidden) -> (hidden)",
        'check.headers."X-A.B": none -> "1"',
    ]


def test_the_order_of_variables_matters_only_where_one_may_refer_to_another() -> None:
    plain = (("A", "1"), ("B", "2"))
    assert not make_plan(file(replace(WEB, env=plain)), file(replace(WEB, env=plain[::-1])))
    referring = (("A", "1"), ("B", "${A}"))
    change = shown(replace(WEB, env=referring), replace(WEB, env=referring[::-1]))
    assert change == ['env: ["A", "B"] -> ["B", "A"]']


def test_another_way_to_check_reads_as_it_is_written() -> None:
    http = replace(WEB, check=Check(CheckKind.HTTP, path="/health", timeout=5.0, status=((204, 204),)))
    assert shown(WEB, http) == [
        'check: { tcp = true } -> { http = "/health" }',
        'check.status: "200-399" -> "204"',
        'check.timeout: "2s" -> "5s"',
    ]
    by_line = replace(WEB, check=Check(CheckKind.LOG, pattern="ready"))
    by_command = replace(WEB, check=Check(CheckKind.EXEC, command=Command(("pg_isready",))))
    assert shown(by_line, by_command) == ['check: { log = "ready" } -> { exec = "pg_isready" }']
    assert shown(WEB, replace(WEB, check=Check())) == ["check: { tcp = true } -> none"]
    other_path = replace(http, check=replace(http.check, path="/"))
    assert shown(http, other_path) == ['check.http: "/health" -> "/"']


def test_a_shell_is_the_change_and_not_the_commands_that_it_runs() -> None:
    old = replace(WEB, prepare=Command(("npm", "ci")))
    new = replace(
        WEB, command=Command(("npm run dev",), shell=True), prepare=Command(("npm ci",), shell=True)
    )
    assert shown(old, new) == ["shell: false -> true"]
    alone = replace(WEB, prepare=Command(("npm ci",), shell=True))
    assert shown(old, alone) == ["shell: false -> true"], "an array as `command` needs no shell"


def test_words_that_differ_only_in_their_borders_do_not_look_alike() -> None:
    old, new = (replace(WEB, command=Command(words)) for words in (("node", "a", "b"), ("node", "a b")))
    assert shown(old, new) == ['command: "node a b" -> "node \'a b\'"']


def test_what_a_terminal_would_obey_is_escaped_as_toml_escapes_it() -> None:
    (field,) = changed(host="\x1b[2J\x7f\x9b\u202e\U000e0001é").fields
    assert field.new == '"\\u001b[2J\\u007f\\u009b\\u202e\\U000e0001é"'
    assert tomllib.loads(f"x = {field.new}") == {"x": "\x1b[2J\x7f\x9b\u202e\U000e0001é"}


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ({"port": None}, ["port: 5173 -> none"]),
        ({"check_interval": 90.5}, ['check_interval: "10s" -> "1m30.5s"']),
        ({"restart": Restart.ON_FAILURE}, ['restart: "always" -> "on-failure"']),
        (
            {"backoff": Backoff(factor=1.5, jitter=0)},
            ["backoff.factor: 2.0 -> 1.5", "backoff.jitter: 0.2 -> 0"],
        ),
        ({"give_up": GiveUp(0, 60.0)}, ["give_up.starts: 10 -> 0", 'give_up.within: "10m" -> "1m"']),
        ({"logs": LogBudget(2**20, 1)}, ['logs.max_size: "10MB" -> "1MiB"', "logs.keep: 5 -> 1"]),
        ({"env_file": ("/p/.env",)}, ['env_file: none -> ["/p/.env"]']),
        ({"inherit_env": False}, ["inherit_env: true -> false"]),
        (
            {"prepare_inputs": ("/p/a", "/p/b")},
            ['prepare_inputs: the lockfile in `cwd`, else the manifest -> ["/p/a", "/p/b"]'],
        ),
        (
            {"depends_on": (("db", Condition.HEALTHY), ("m.1", Condition.COMPLETED))},
            ['depends_on: [] -> { db = "healthy", "m.1" = "completed" }'],
        ),
        (
            {"check": Check(CheckKind.TCP, status=((200, 299), (304, 304)))},
            ['check.status: "200-399" -> "200-299,304"'],
        ),
    ],
)
def test_a_value_is_shown_as_one_would_write_it(values: dict[str, object], texts: list[str]) -> None:
    fields = changed(**values).fields
    assert [f"{field.key}: {field.old} -> {field.new}" for field in fields] == texts


def named(app: AppConfig, name: str) -> AppConfig:
    return replace(app, name=name)


def test_another_name_and_nothing_else_is_a_rename() -> None:
    plan = make_plan(file(WEB, API), file(named(WEB, "site"), API))
    name = FieldChange("name", '"web"', '"site"', Change.LIVE)
    assert plan.changes == (AppChange("site", Verb.RENAME, (name,), "web"),)
    assert summarise(plan) == "rename web to site"


@pytest.mark.parametrize(
    "other", [{"port": 1}, {"tags": ("x",)}, {"command": Command(("npm", "run", "site"))}, {"enabled": False}]
)
def test_another_name_and_something_else_is_another_app(other: dict[str, Any]) -> None:
    plan = make_plan(file(WEB), file(replace(WEB, name="site", **other)))
    assert Verb.RENAME not in [change.verb for change in plan.changes]


def test_apps_that_are_alike_are_not_told_apart() -> None:
    one, two = named(WORKER, "one"), named(WORKER, "two")
    for old, new in (((WORKER,), (one, two)), ((one, two), (WORKER,)), ((one,), (WORKER, two))):
        verbs = [change.verb for change in make_plan(file(*old), file(*new)).changes]
        assert verbs.count(Verb.ADD) == len(new)
        assert verbs.count(Verb.REMOVE) == len(old)


def test_an_app_that_stays_in_the_file_was_not_renamed() -> None:
    plan = make_plan(file(WEB), file(replace(WEB, enabled=False), named(WEB, "site")))
    assert [(change.name, change.verb) for change in plan.changes] == [
        ("site", Verb.ADD),
        ("web", Verb.REMOVE),
    ]


def test_a_dependent_takes_the_new_name_over_as_it_runs() -> None:
    before, after = (replace(WORKER, depends_on=((name, Condition.HEALTHY),)) for name in ("web", "site"))
    plan = make_plan(file(WEB, before), file(named(WEB, "site"), after))
    assert [(change.name, change.verb) for change in plan.changes] == [
        ("site", Verb.RENAME),
        ("worker", Verb.LIVE),
    ]


def test_every_instance_of_a_table_is_renamed() -> None:
    def instances(name: str) -> list[AppConfig]:
        return [
            replace(WEB, name=f"{name}.{n}", port=n, instances=2, family=name, instance=n) for n in (1, 2)
        ]

    plan = make_plan(file(*instances("web")), file(*instances("site")))
    assert [(change.name, change.verb, change.was) for change in plan.changes] == [
        ("site.1", Verb.RENAME, "web.1"),
        ("site.2", Verb.RENAME, "web.2"),
    ]
