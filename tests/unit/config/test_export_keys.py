"""No key is dropped in silence: each changes what is exported, or is in the list of losses with its place."""

from __future__ import annotations

import pytest

from procman.config.exports.every import EXPORTS
from procman.config.exports.subject import SILENT, Exported, Options, subjects
from procman.config.read import parse_config
from procman.config.source import Source
from procman.core.fields import APP, MANAGER_ONLY

FORMS = ("procfile", "systemd", "launchd", "compose")  # those for containers of their own have other tests
BASE = (
    '[apps.web]\ncommand = "node web.js"\nport = 3000\n[apps.db]\ncommand = "node db.js"\nrestart = "never"\n'
)
# A value of each key that is not its default.
VALUES = {
    "command": '"node other.js"', "shell": "true", "cwd": '"web"', "port": "3001", "host": '"127.0.0.1"',
    "check_interval": '"7s"', "check": '{ http = "/" }', "start_timeout": '"3m"', "restart": '"on-failure"',
    "backoff": '{ max = "9s" }', "give_up": "{ starts = 5 }",
    "stop_signal": '"SIGINT"', "stop_timeout": '"3s"',
    "depends_on": '["db"]', "env": '{ A = "1" }', "env_file": '"other.env"', "tty": "true",
    "prepare": '"npm ci"', "prepare_inputs": '"x"', "port_policy": '"follow"', "instances": "2",
    "watch": '["*.js"]', "watch_ignore": '["x"]', "max_memory": '"1GB"', "schedule": '"0 3 * * *"',
    "user": '"nobody"', "group": '"nogroup"', "umask": '"027"', "nice": "5", "limits": "{ nofile = 99 }",
    "autostart": "false", "logs": '{ keep = 2, max_size = "1MB" }', "tags": '["t"]',
}  # fmt: skip


def export(form: str, text: str, local: str = "") -> Exported:
    """Return the export of all apps of a file, with a local one over it."""
    above = Source("/project/portwatch.local.toml", "portwatch.local.toml", local, "") if local else None
    source = Source("/project/portwatch.toml", "portwatch.toml", text, "", above)
    config = parse_config(source)
    return EXPORTS[form](subjects(config, source, list(config.enabled_apps())), Options())


def accounted(form: str, key: str, place: str, exported: Exported) -> None:
    """Fail unless a key has changed the export, or is lost at its place."""
    lost = {loss.what.split(".")[1]: loss.place for loss in exported.losses if loss.what.startswith("web")}
    is_carried = exported.files != export(form, BASE).files
    assert is_carried or key in lost, f"`{key}` is dropped in silence"
    assert is_carried or lost[key] == place


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", VALUES)
def test_a_key_of_an_app_is_carried_over_or_lost(form: str, key: str) -> None:
    app, rest = BASE.split("[apps.db]")
    kept = [line for line in app.splitlines() if not line.startswith(f"{key} =")]
    text = "\n".join([*kept, f"{key} = {VALUES[key]}"]) + "\n[apps.db]" + rest
    accounted(form, key, f"portwatch.toml:{len(kept) + 1}", export(form, text))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", VALUES)
def test_a_key_of_the_local_file_is_carried_over_or_lost(form: str, key: str) -> None:
    local = f"[apps.web]\n{key} = {VALUES[key]}\n"
    accounted(form, key, "portwatch.local.toml:2", export(form, BASE, local))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", ["logs", "stop_timeout"])
def test_a_key_of_the_manager_that_is_one_of_its_apps_is_carried_over_or_lost(form: str, key: str) -> None:
    exported = export(form, f"{BASE}[manager]\n{key} = {VALUES[key]}\n")
    accounted(form, key, "portwatch.toml:8", exported)


def test_every_key_is_tried() -> None:
    assert set(VALUES) | SILENT == set(APP)
    assert not set(VALUES) & set(MANAGER_ONLY)


def test_compose_keeps_as_much_output_and_starts_no_scheduled_app_with_the_others() -> None:
    text = BASE + 'logs = { max_size = "1MB", keep = 2 }\nschedule = "@daily"\n'
    exported = export("compose", text)
    assert "json-file" in exported.files["compose.yaml"]
    assert '"3"' in exported.files["compose.yaml"]
    assert "scheduled" in exported.files["compose.yaml"]
    assert ("db.schedule", "portwatch.toml:8") in {(each.what, each.place) for each in exported.losses}
