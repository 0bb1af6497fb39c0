"""What holds, as the file would have it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from procman.config.express import differences, in_force, masked, plain, toml_lines, toml_text
from procman.config.keys import resolve
from procman.config.read import read_config
from procman.core.config import Config
from procman.core.fields import APP, MANAGER

FULL = """
[manager]
stop_timeout = "1m30s"
history = { max_size = "2MB", keep = "1d12h" }
[defaults]
check_interval = 0.25
[apps.web]
command = "node 'my server.js' {port}"
cwd = "web"
port = 3000
check = { http = "/", status = [204, "300-399"], headers = { A = "b" } }
depends_on = { db = "completed", api = "healthy" }
env = { A = "${B}", "C D" = 1 }
env_file = ".env"
backoff = { factor = 2.5 }
logs.max_size = 1234
tags = "front"
prepare = "npm ci"
[apps.api]
command = "x | y"
shell = true
check = { log = "ready \\\\d" }
give_up = 0
[apps.db]
command = "db"
check.exec = "db ping"
port_policy = "reclaim"
"""


def read(folder: Path, text: str) -> Config:
    (folder / "portwatch.toml").write_text(text)
    return read_config(str(folder / "portwatch.toml"))


def test_what_is_expressed_means_what_it_came_from(tmp_path: Path) -> None:
    config = read(tmp_path, FULL)

    tables = [toml_lines(plain(MANAGER, config.manager), ("manager",))]
    tables += [toml_lines(plain(APP, app), ("apps", name)) for name, app in config.apps.items()]

    assert read(tmp_path, "\n".join(tables)) == config


def test_the_value_in_force_of_an_app_has_its_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, FULL)

    def value(key: str) -> object:
        return in_force(config, {"defaults": {"check_interval": 0.25}}, resolve(key, tuple(config.apps)))

    assert value("web.check_interval") == "250ms"
    assert value("web.stop_timeout") == "1m30s"
    assert value("db.restart") == "on-failure"  # `web` waits for it to be completed
    assert value("api.port") is None
    assert value("api.check") == {
        "log": "ready \\d", "timeout": "2s", "failures": 3, "retry_interval": "1s", "successes": 1
    }  # fmt: skip
    assert value("web.env.C D") == "1"
    assert value("web.env.NOPE") is None
    assert value("defaults.check_interval") == 0.25
    assert value("defaults.host") == "localhost"
    assert value("defaults") == {"check_interval": 0.25}
    assert value("manager.logs.keep") == 5
    assert value("manager.history") == {"max_size": "2MB", "keep": "1d12h"}


def test_of_a_wrong_file_the_written_value_counts() -> None:
    document = {"apps": {"web": {"port": "3000"}}}

    assert in_force(None, document, resolve("web.port", ["web"])) == "3000"
    assert in_force(None, document, resolve("web.host", ["web"])) is None


def test_an_app_that_is_not_there_has_no_values(tmp_path: Path) -> None:
    config = replace(read(tmp_path, FULL), apps={})

    assert in_force(config, {}, resolve("web.port", ["web"])) is None


def test_secrets_are_hidden_in_environments_and_headers() -> None:
    values = {
        "env": {"API_KEY": "hush", "A": "b"},
        "check": {"headers": {"Authorization": "hush"}},
        "key": "x",
    }

    assert "hush" not in json.dumps(masked(values, ()))
    assert masked("hush", ("env", "API_KEY")) == "(hidden)"
    assert masked(values, ()) == {
        "env": {"API_KEY": "(hidden)", "A": "b"},
        "check": {"headers": {"Authorization": "(hidden)"}},
        "key": "x",
    }


def test_a_table_differs_key_by_key() -> None:
    assert list(differences("c", {"a": 1, "b": 2}, {"b": 2, "d": {}})) == [
        ("c.a", 1, None),
        ("c.d", None, {}),
    ]
    assert list(differences("c", [], {"a": 1})) == [("c", [], {"a": 1})]


def test_values_are_written_on_one_line() -> None:
    value = {"a b": [1, "x\ny"], "c": {}, "d": True, "e": {"f": 0.5}}

    assert toml_text(value) == '{ "a b" = [1, "x\\ny"], c = {}, d = true, e = { f = 0.5 } }'
