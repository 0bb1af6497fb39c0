"""Exports: what each format says of an app, and what the tools that read it say of the export."""

from __future__ import annotations

import json
import plistlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from procman.config.exports.calendar import cron_job, on_calendar, start_calendar
from procman.config.exports.every import EXPORTS
from procman.config.exports.subject import Exported, Options, subjects
from procman.config.exports.yaml_text import yaml_text
from procman.config.formats.detect import import_source
from procman.config.formats.finish import finish
from procman.config.read import parse_config
from procman.config.source import Source

FULL = r"""
[defaults]
check_interval = "15s"

[apps.db]
command = ["python3", "-m", "http.server", "{port}"]
port = 5432
restart = "on-failure"
give_up = 0

[apps.migrate]
command = "echo $HOME \"50%\" && npm run 'a b'"
shell = true
prepare = "npm ci"

[apps.web]
command = ["npm", "run", "dev", "--", "100%", "$HOME", "a\\b \"c\"", "tab\there"]
cwd = "web"
port = 5173
check = { http = "/health?x='1'", status = 204, headers = { X-A = "b" }, successes = 2 }
env.PLAIN = "x y\"$z%"
env.API_KEY = "hush"
env.OUT = "${HOME}/x"
env.SAME = "${PLAIN}"
env.WORD = "${Q:-1}"
env.B = "$${X"
env_file = ".env"
depends_on = { migrate = "completed", db = "healthy" }
stop_signal = "SIGINT"
stop_timeout = "1m30s"
start_timeout = "2m"
tags = ["front"]

[apps.ask]
command = "node ask.js"
check = { exec = "node -e 'process.exit(0)'" }
autostart = false

[apps.many]
command = "node many.js"
port = 7000
instances = 3

[apps.once]
command = "node once.js"
restart = "never"
check = { log = "done" }
"""


def export(form: str, text: str = FULL, folder: str = "/project", **wishes: Any) -> Exported:
    """Return the export of all apps of a file."""
    source = Source(f"{folder}/portwatch.toml", "portwatch.toml", text, "")
    config = parse_config(source)
    return EXPORTS[form](subjects(config, source, list(config.enabled_apps())), Options(**wishes))


@pytest.mark.parametrize("form", EXPORTS)
def test_every_loss_has_a_place_a_key_and_a_reason(form: str) -> None:
    for loss in export(form).losses:
        assert loss.place.startswith("portwatch.toml")
        assert "." in loss.what
        assert loss.why


@pytest.mark.parametrize("form", EXPORTS)
def test_a_key_that_a_format_has_no_place_for_is_lost(form: str) -> None:
    assert ("web.tags", "portwatch.toml:32") in {(loss.what, loss.place) for loss in export(form).losses}


def test_a_procfile_needs_a_name_a_folder_and_variables() -> None:
    text = '[apps.web]\ncommand = "node a.js"\ncwd = "x y"\nport = 3000\nenv = { A = "b c" }\n'
    assert export("procfile", text).files["Procfile"] == "web: cd 'x y' && PORT=3000 A='b c' node a.js\n"


@pytest.mark.parametrize("system", [True, False])
def test_systemd_accepts_its_units(system: bool, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    files = export("systemd", folder=str(tmp_path), system=system, find=shutil.which).files
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    words = ["systemd-analyze", "verify", "--man=no", *sorted(str(tmp_path / name) for name in files)]
    verified = subprocess.run(words, capture_output=True, text=True, check=False)

    told = [line for line in verified.stderr.splitlines() if str(tmp_path) in line or "-web" in line]
    assert [line for line in told if "is not executable" not in line] == []  # where node is not installed


def test_systemd_runs_the_words_of_a_command_as_they_are() -> None:
    unit = export("systemd", find=lambda name: f"/opt/{name}").files["project-web.service"].splitlines()
    assert r'ExecStart=/opt/npm run dev -- "100%%" "$$HOME" "a\\b \"c\"" "tab\there"' in unit
    assert r'Environment="PLAIN=x y\"$z%%"' in unit
    assert any(line.startswith("Environment=PATH=/opt:") for line in unit)
    assert not any("OUT=" in line for line in unit)
    assert "Type=oneshot" in export("systemd").files["project-migrate.service"]


def test_supervisord_becomes_units_that_systemd_accepts(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (
        '[program:web]\ncommand=/bin/sh -c "exec sleep 60;echo 5%%"\ndirectory=/tmp\nstopsignal=QUIT\n'
        'autorestart=unexpected\nstartretries=3\nstopwaitsecs=30\nenvironment=A="x,y",B=%(ENV_HOME)s\n'
    )
    old = Source(f"{tmp_path}/supervisord.conf", "supervisord.conf", text, "")
    between = finish(import_source(old, "supervisord"), old, str(tmp_path))

    (unit,) = export("systemd", between.text, str(tmp_path)).files.items()
    (tmp_path / unit[0]).write_text(unit[1])
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit[0])],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert unit[0] not in verified.stderr
    assert 'ExecStart=/bin/sh -c "exec sleep 60;echo 5%%"' in unit[1]
    assert {
        "KillSignal=SIGQUIT",
        "Restart=on-failure",
        "StartLimitBurst=4",
        "TimeoutStopSec=30s",
        "Environment=A=x,y",
    } <= set(unit[1].splitlines())


def test_launchd_gets_property_lists(tmp_path: Path) -> None:
    files = export("launchd", find=lambda name: f"/opt/{name}").files
    document = plistlib.loads(files["project.web.plist"].encode())
    assert document["ProgramArguments"][:4] == ["/opt/npm", "run", "dev", "--"]
    assert document["EnvironmentVariables"]["B"] == "${X"
    assert document["EnvironmentVariables"]["SAME"] == 'x y"$z%'
    assert document["KeepAlive"] is True
    assert plistlib.loads(files["project.db.plist"].encode())["KeepAlive"] == {"SuccessfulExit": False}
    if shutil.which("plistutil") is None:
        pytest.skip("plistutil is not installed")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        subprocess.run(["plistutil", "-i", str(tmp_path / name), "-o", str(tmp_path / "out")], check=True)
        assert (tmp_path / "out").read_bytes().startswith(b"bplist")


def test_compose_accepts_its_file() -> None:
    compose_spec = pytest.importorskip("compose_spec")
    text = export("compose").files["compose.yaml"]
    assert len(compose_spec.PyCompose.from_yaml(text).service_names()) == 8
    with pytest.raises(ValueError, match="initt"):
        compose_spec.PyCompose.from_yaml(text.replace("init:", "initt:"))


def test_compose_gets_no_secret_and_fills_in_variables_itself() -> None:
    web = read_yaml(export("compose").files["compose.yaml"])[0]["services"]["web"]
    assert web["environment"] == {
        "PORT": "5173", "PLAIN": 'x y"$$z%', "API_KEY": "${API_KEY:-}", "OUT": "${HOME}/x",
        "SAME": "${PLAIN}", "WORD": "${Q:-1}", "B": "$${X",
    }  # fmt: skip
    assert web["command"][5] == "$$HOME"
    assert web["working_dir"] == "/project/web"
    assert web["depends_on"]["db"] == {"condition": "service_healthy"}


@pytest.mark.parametrize(
    ("cron", "calendar"),
    [
        ("0 3 * * *", "*-*-* 3:0:00"),
        ("*/5 * * * *", "*-*-* *:0/5:00"),
        ("0 9-17 * * 1-5", "Mon..Fri *-*-* 9..17:0:00"),
        ("30 4 1,15 * *", "*-*-1,15 4:30:00"),
        ("0 0 * jan sun", "Sun *-1-* 0:0:00"),
        ("@daily", "*-*-* 0:0:00"),
        ("0 0 13 * 5", None),
        ("nonsense", None),
        ("x * * * *", None),
        ("0 0 * * 9", None),
    ],
)
def test_a_cron_expression_has_a_calendar_of_systemd(cron: str, calendar: str | None) -> None:
    assert on_calendar(cron) == calendar
    if calendar is not None and shutil.which("systemd-analyze") is not None:
        subprocess.run(["systemd-analyze", "calendar", calendar], check=True, capture_output=True)


def test_a_cron_expression_has_intervals_of_launchd() -> None:
    assert start_calendar("0 3,15 * * 1") == [
        {"Minute": 0, "Hour": 3, "Weekday": 1}, {"Minute": 0, "Hour": 15, "Weekday": 1}
    ]  # fmt: skip
    assert start_calendar("*/5 * * * *") is None


@pytest.mark.parametrize(
    ("cron", "schedule"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("@daily", "@daily"),
        ("*/5 9-17 1,15 jan mon-fri", "*/5 9-17 1,15 1 1-5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7,2", "0 0 * * 5-6,0,2"),
        ("0 0 * * 0-7", "0 0 * * 0-6"),
        ("0 0 L * *", None),
        ("0 0 * * 1#2", None),
        ("0 0 * * 5-7/2", None),
        ("nonsense", None),
    ],
)
def test_a_cron_expression_has_a_schedule_of_a_cron_job(cron: str, schedule: str | None) -> None:
    assert cron_job(cron) == schedule


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "plain",
            "true",
            "NO",
            "1",
            "1.5",
            ".5",
            ".inf",
            "~",
            "null",
            "a: b",
            "a #b",
            "- x",
            "é",
            "a\nb",
        ),
        *("\t", "0x1f", "1_000", "12:30", "2001-01-01", "=", "<<", "@x", "`x`", "%x", "!x", "&x", "*x", "'"),
        *('"', "\\", "a b"),
    ],
)
def test_a_string_in_yaml_stays_that_string(value: str) -> None:
    text = yaml_text({"key": value, value or "x": [value, {"a": value}]})
    (document,) = read_yaml(text)
    assert document["key"] == value
    assert document[value or "x"] == [value, {"a": value}]


def read_yaml(text: str) -> list[Any]:
    """Return the documents of a text; read as JSON-like values by a parser of others."""
    yaml = pytest.importorskip("ruamel.yaml")
    documents = list(yaml.YAML(typ="safe", pure=True).load_all(text))
    return [json.loads(json.dumps(document)) for document in documents]


RIGHTS = """
[apps.web]
command = "node web.js"
user = "www"
group = "staff"
umask = "027"
nice = 5
max_memory = "300MB"
limits = { nofile = 4096, core = "unlimited" }
"""


def test_rights_and_limits_are_those_of_the_system() -> None:
    lines = export("systemd", RIGHTS, system=True).files["project-web.service"].splitlines()
    assert {
        "User=www", "Group=staff", "UMask=027", "Nice=5", "MemoryMax=300000000", "LimitNOFILE=4096",
        "LimitCORE=infinity",
    } <= set(lines)  # fmt: skip
    (text,) = export("launchd", RIGHTS, system=True).files.values()
    document = plistlib.loads(text.encode())
    assert (document["UserName"], document["Umask"], document["Nice"]) == ("www", 0o27, 5)
    assert document["SoftResourceLimits"] == {"NumberOfFiles": 4096}
    (text,) = export("compose", RIGHTS).files.values()
    service = read_yaml(text)[0]["services"]["web"]
    assert (service["user"], service["ulimits"]) == ("www:staff", {"nofile": 4096, "core": -1})


def test_a_user_of_a_units_own_user_is_lost() -> None:
    exported = export("systemd", RIGHTS)
    assert "User=" not in exported.files["project-web.service"]
    assert {"web.user", "web.group"} <= {loss.what for loss in exported.losses}


def scheduled(form: str, cron: str) -> str:
    """Return the last file of the export of an app with a schedule."""
    source = Source("/project/portwatch.toml", "portwatch.toml", '[apps.job]\ncommand = "node job.js"\n', "")
    config = parse_config(source)
    config = replace(config, apps={"job": replace(config.apps["job"], schedule=cron)})
    return [*EXPORTS[form](subjects(config, source, ["job"]), Options()).files.values()][-1]


def test_a_schedule_is_a_timer_a_calendar_and_a_cron_job() -> None:
    assert "OnCalendar=Mon..Fri *-*-* 3:0:00" in scheduled("systemd", "0 3 * * 1-5")
    document = plistlib.loads(scheduled("launchd", "0 3 * * *").encode())
    assert document["StartCalendarInterval"] == [{"Minute": 0, "Hour": 3}]
    assert document["KeepAlive"] is False
    (job,) = read_yaml(scheduled("kubernetes", "0 3 * * 1-5"))
    assert (job["kind"], job["spec"]["schedule"]) == ("CronJob", "0 3 * * 1-5")
