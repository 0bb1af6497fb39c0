"""`${apps.api.port}`: filled in when the file is read, with errors that say what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from procman.config.read import InvalidConfig, read_config
from procman.core.config import AppConfig, Command, Config
from procman.core.plan import Verb, make_plan

API = """\
[apps.api]
command = "node server.js"
port = 3000
cwd = "back end"

[apps.worker]
command = "node worker.js"
host = "::1"

[apps.many]
command = "node many.js"
port = 4000
instances = 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, text: str, api: str = API) -> Config:
    path = folder / "portwatch.toml"
    path.write_text(f"{api}\n{text}")
    return read_config(str(path))


def web(folder: Path, keys: str, api: str = API) -> AppConfig:
    return read(folder, f"[apps.web]\n{keys}\n", api).apps["web"]


def error(folder: Path, keys: str) -> tuple[str, str | None]:
    with pytest.raises(InvalidConfig) as caught:
        web(folder, keys)
    [found] = caught.value.diagnostics
    assert found.source is not None
    assert found.column is not None
    marked = found.source[found.column - 1 : found.column - 1 + found.length]
    assert marked.startswith("${apps."), "the reference is marked, and nothing around it"
    return found.message, found.hint


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${apps.api.port}", "3000"),
        ("http://${apps.api.host}:${apps.api.port}/", "http://localhost:3000/"),
        ("${apps.worker.host}", "::1"),
        ("${apps.api.name}", "api"),
        ("${apps.many.2.port}", "4001"),
        ("${apps.many.2.name}", "many.2"),
        ("$${apps.api.port}", "$${apps.api.port}"),
        ("${URL:-http://localhost:${apps.api.port}}", "${URL:-http://localhost:3000}"),
        ("${apps} ${app.api.port} $apps.api.port", "${apps} ${app.api.port} $apps.api.port"),
    ],
)
def test_a_reference_is_filled_in_in_the_environment(folder: Path, written: str, meant: str) -> None:
    assert web(folder, f'command = "x"\nenv = {{ A = "{written}" }}').env == (("A", meant),)


def test_a_folder_is_the_whole_path(folder: Path) -> None:
    assert web(folder, 'command = "x"\nenv = { A = "${apps.api.cwd}/a" }').env == (
        ("A", f"{folder}/back end/a"),
    )


def test_references_are_filled_in_in_every_command(folder: Path) -> None:
    app = web(
        folder,
        "command = \"proxy --to=${apps.api.port} '${apps.api.name}' {name}\"\n"
        'prepare = ["wait", "${apps.api.port}"]\ncheck = { exec = "ping ${apps.api.cwd}" }',
    )
    assert app.command == Command(("proxy", "--to=3000", "api", "web"))
    assert app.prepare == Command(("wait", "3000"))
    assert app.check.command == Command(("ping", f"{folder}/back end")), "what is filled in splits no word"


def test_a_shell_gets_what_is_filled_in(folder: Path) -> None:
    app = web(folder, 'command = "x ${apps.api.port} | y $PORT"\nshell = true')
    assert app.command == Command(("x 3000 | y $PORT",), shell=True)


def test_an_app_may_refer_to_itself_and_to_one_further_down(folder: Path) -> None:
    below = '[apps.b]\ncommand = "y"\nport = 2\n'
    config = read(folder, f'[apps.a]\ncommand = "x ${{apps.a.port}} ${{apps.b.port}}"\nport = 1\n{below}')
    assert config.apps["a"].command == Command(("x", "1", "2"))


def test_a_reference_in_defaults_is_for_every_app(folder: Path) -> None:
    defaults = '[defaults]\nenv = { API = "${apps.api.port}" }\n'
    assert {app.env for app in read(folder, defaults).apps.values()} == {(("API", "3000"),)}


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("${apps.apj.port}", "there is no app `apj`", "did you mean `${apps.api.port}`?"),
        ("${apps.zzzzzz.port}", "there is no app `zzzzzz`", None),
        (
            "${apps.api.prt}",
            "expected `port`, `host`, `cwd` or `name` of `api`, got `prt`",
            "did you mean `${apps.api.port}`?",
        ),
        (
            "${apps.api}",
            "expected `port`, `host`, `cwd` or `name` of `api`, got nothing",
            "write `${apps.api.port}`",
        ),
        ("${apps.worker.port}", "`worker` has no port", "add `port = …` to `worker`"),
        (
            "${apps.many.port}",
            "there is no app `many`",
            "it has several instances; name one: `${apps.many.1.port}`",
        ),
    ],
)
def test_a_wrong_reference_says_what_was_meant(
    folder: Path, written: str, message: str, hint: str | None
) -> None:
    assert error(folder, f'command = "x --to {written}"') == (f"apps.web.command: {message}", hint)
    assert error(folder, f'command = "x"\nenv = {{ A = "to {written}" }}') == (
        f"apps.web.env.A: {message}",
        hint,
    )
    assert error(folder, f'command = "x"\ncheck = {{ exec = "c {written}" }}') == (
        f"apps.web.check.exec: {message}",
        hint,
    )


def test_a_wrong_reference_in_defaults_is_one_error_with_its_place_there(folder: Path) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read(folder, '[defaults]\nenv = { A = "${apps.apj.port}" }\n')
    assert [each.message for each in caught.value.diagnostics] == ["defaults.env.A: there is no app `apj`"]


def test_a_new_port_restarts_the_apps_that_refer_to_it_and_no_other(folder: Path) -> None:
    text = '[apps.web]\ncommand = "x"\nenv = { API = "${apps.api.port}" }\n[apps.other]\ncommand = "y"\n'
    plan = make_plan(read(folder, text), read(folder, text, API.replace("port = 3000", "port = 3001")))
    assert [(change.name, change.verb, change.keys) for change in plan.changes] == [
        ("api", Verb.RESTART, "`port`"),
        ("web", Verb.RESTART, "`env.API`"),
    ]
