"""`instances`: several apps of one table, each a whole app."""

from __future__ import annotations

from pathlib import Path

import pytest

from procman.config.environment import build_environment
from procman.config.read import read_config
from procman.core.app import App
from procman.core.config import Config
from procman.core.plan import Verb, make_plan
from procman.core.selection import UnknownApp, select
from procman.core.view import view

THREE = """
[apps.web]
command = "node server.js --name {name} --port {port}"
port = 3000
instances = 3
env = { NAME = "web" }

[apps.db]
command = "db"

[apps.proxy]
command = "proxy"
depends_on = ["web", "db"]
"""


def read(folder: Path, text: str) -> Config:
    path = folder / "portwatch.toml"
    path.write_text(text)
    return read_config(str(path))


def test_each_has_its_own_name_and_port_everywhere(tmp_path: Path) -> None:
    apps = read(tmp_path, THREE).apps
    assert list(apps) == ["web.1", "web.2", "web.3", "db", "proxy"]
    assert [apps[f"web.{number}"].port for number in (1, 2, 3)] == [3000, 3001, 3002]
    assert apps["web.2"].command.text == "node server.js --name web.2 --port 3001"
    environment = build_environment(apps["web.3"], {})
    assert (environment["PORT"], environment["PROCMAN_INSTANCE"]) == ("3002", "3")
    assert "PROCMAN_INSTANCE" not in build_environment(apps["db"], {})


def test_who_waits_for_the_table_waits_for_them_all(tmp_path: Path) -> None:
    proxy = read(tmp_path, THREE).apps["proxy"]
    assert [name for name, _ in proxy.depends_on] == ["web.1", "web.2", "web.3", "db"]


def test_the_name_of_the_table_means_all_of_them(tmp_path: Path) -> None:
    apps = read(tmp_path, THREE).apps
    assert select(["web"], apps) == ("web.1", "web.2", "web.3")
    assert select(["web.2"], apps) == ("web.2",)
    assert select(["w*", "db"], apps) == ("web.1", "web.2", "web.3", "db")
    with pytest.raises(UnknownApp):
        select(["web.4"], apps)


def test_one_instance_is_the_app_itself(tmp_path: Path) -> None:
    apps = read(tmp_path, '[apps.web]\ncommand = "x"\ninstances = 1\n').apps
    assert list(apps) == ["web"]
    assert (apps["web"].family, apps["web"].instance, apps["web"].table) == (None, None, "web")


def test_a_default_is_for_every_table(tmp_path: Path) -> None:
    apps = read(
        tmp_path, '[defaults]\ninstances = 2\n[apps.a]\ncommand = "a"\n[apps.b]\ncommand = "b"\n'
    ).apps
    assert list(apps) == ["a.1", "a.2", "b.1", "b.2"]


def test_more_of_them_leave_the_ones_that_run_alone(tmp_path: Path) -> None:
    before = read(tmp_path, THREE)
    plan = make_plan(before, read(tmp_path, THREE.replace("instances = 3", "instances = 4")))
    assert [(change.name, change.verb) for change in plan.changes] == [
        ("web.1", Verb.LIVE),
        ("web.2", Verb.LIVE),
        ("web.3", Verb.LIVE),
        ("web.4", Verb.ADD),
        ("proxy", Verb.LIVE),  # it waits for one more
    ]
    plan = make_plan(before, read(tmp_path, THREE.replace("instances = 3", "instances = 2")))
    assert [change.name for change in plan.changes if change.verb is Verb.REMOVE] == ["web.3"]


def test_the_status_says_which_table_an_instance_is_of(tmp_path: Path) -> None:
    apps = read(tmp_path, THREE).apps
    assert view(App(), apps["web.1"], now=0.0, wall=0.0)["family"] == "web"
    assert view(App(), apps["db"], now=0.0, wall=0.0)["family"] is None
