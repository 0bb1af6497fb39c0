"""What commands print and how they exit, as scripts rely on them."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from datetime import datetime

import pytest

from tests.real.project import Project, command, is_alive, is_open, table

STAY = command("stay")

MANAGER_KEYS = {"pid", "version", "file", "uptime_s", "config"}
CONFIG_KEYS = {"state", "error", "applied_at"}
APP_KEYS = {
    "name",
    "state",
    "message",
    "pid",
    "pids",
    "port",
    "verdict",
    "listening",
    "uptime_s",
    "restarts",
    "last_exit",
    "next_start_at",
    "stale",
}


def test_the_document_of_status_has_the_keys_of_the_contract(project: Project) -> None:
    port = project.port()
    project.write(
        table("web", command("serve"), port=port),
        table("once", command("leave", code=2), restart='"never"'),
    )
    assert project.run("up").code == 1, "`once` did not end as it should"
    project.until_app("once", state="completed")
    document = project.status()
    assert document["manager"].keys() >= MANAGER_KEYS
    assert document["manager"]["config"].keys() >= CONFIG_KEYS
    assert document["manager"]["file"] == str(project.file)
    assert document["manager"]["config"]["state"] == "applied"
    web, once = document["apps"]
    assert web.keys() >= APP_KEYS
    assert (web["name"], web["state"], web["message"]) == ("web", "running", None)
    assert web["pids"] == [web["pid"]]
    assert (web["port"], web["verdict"], web["listening"]) == (port, "own", [f"127.0.0.1:{port}"])
    assert web["last_exit"] is None
    assert web["uptime_s"] > 0
    assert (once["pid"], once["pids"], once["uptime_s"]) == (None, [], None)
    assert (once["last_exit"]["code"], once["last_exit"]["signal"]) == (2, None)
    for at in (once["last_exit"]["at"], document["manager"]["config"]["applied_at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)
        assert abs(datetime.fromisoformat(at).timestamp() - time.time()) < 60


def test_an_app_in_backoff_says_when_it_starts_again(project: Project) -> None:
    backoff = '{ initial = "1m", max = "1m" }'
    project.write(table("web", command("leave", code=1), backoff=backoff))
    assert project.run("up").code == 1, "nobody sits through a minute"
    app = project.until_app("web", state="backoff")
    assert 30 < datetime.fromisoformat(app["next_start_at"]).timestamp() - time.time() < 90
    assert "next start in" in project.do("status").out
    began = time.monotonic()
    project.run("start", "web")
    project.until(lambda: project.lines("web").count("begins") == 2, "a start before its time")
    assert time.monotonic() - began < 30


def test_the_table_of_status_names_every_app(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port), table("worker", STAY))
    lines = project.do("status").out.splitlines()
    assert lines[0].split() == ["APP", "STATE", "PORT", "PID", "UPTIME", "RESTARTS", "LAST", "EVENT"]
    assert lines[1].split()[:4] == ["web", "running", str(port), "own"]
    assert lines[2].split()[:3] == ["worker", "running", "-"]
    assert project.do("ps").out.splitlines()[0] == lines[0]


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--json"),
        ("down",),
        ("stop", "web"),
        ("wait",),
        ("reload",),
        ("signal", "HUP", "web"),
    ],
)
def test_what_needs_a_manager_exits_with_3_without_one(project: Project, words: tuple[str, ...]) -> None:
    project.write(table("web", STAY))
    done = project.run(*words)
    assert done.code == 3
    assert "no manager runs for `portwatch.toml`" in done.err
    assert "`procman up`" in done.err


def test_an_unknown_app_and_an_unknown_command_are_told_apart(project: Project) -> None:
    project.write(table("web", STAY), table("worker", STAY))
    before = project.run("up", "wbe")
    assert before.code == 4
    assert project.run("status").code == 3, "no manager was started for it"
    project.do("up")
    for words in (
        ("stop", "wbe"),
        ("restart", "wbe"),
        ("wait", "wbe"),
        ("logs", "wbe"),
        ("signal", "HUP", "wbe"),
    ):
        done = project.run(*words)
        assert done.code == 4, words
        assert "web" in done.err, "the nearest name is suggested"
    assert project.run("stats").code == 2
    assert project.run("wait", "--for", "happy").code == 2
    assert project.run("signal", "NOSUCH", "web").code == 2


def test_apps_are_chosen_by_name_glob_and_tag(project: Project) -> None:
    project.write(
        table("web-a", STAY, tags='["front"]'), table("web-b", STAY), table("worker", STAY, tags='["front"]')
    )
    project.do("up", "web-*")
    assert [app["state"] for app in project.apps().values()] == ["running", "running", "stopped"]
    project.do("up")
    project.do("stop", "@front")
    assert [app["state"] for app in project.apps().values()] == ["stopped", "running", "stopped"]


def test_a_stop_prints_a_receipt_and_leaves_a_free_port(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("parent"), port=port))
    pids = project.app("web")["pids"]
    done = project.do("stop", "web")
    assert re.match(r"stopped web: \S+ \d+, \S+ \d+; port \d+ free after ", done.out)
    for pid in pids:
        assert str(pid) in done.out
        assert not is_alive(pid)
    assert not is_open(port)
    assert project.app("web")["state"] == "stopped"
    assert "web was not running" in project.do("stop", "web").out


def test_a_stop_as_json_has_the_same_in_fields(project: Project) -> None:
    project.up(table("web", STAY))
    document = project.do("stop", "web", "--json").json
    assert document["exit"] == 0
    assert document["apps"]["web"]["reached"] is True
    assert document["receipts"][0]["survivors"] == []


def test_a_restart_gives_a_new_process_and_no_count(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port()))
    before = project.app("web")["pid"]
    assert "stopped web" in project.do("restart", "web").out
    app = project.app("web")
    assert (app["state"], app["restarts"]) == ("running", 0)
    assert app["pid"] != before


def test_a_wait_ends_when_it_is_true_when_it_cannot_be_and_when_time_is_up(project: Project) -> None:
    project.write(
        table("slow", command("serve", after=30), port=project.port()),
        table("broken", '"no-such-command"'),
        table("fine", STAY),
    )
    project.do("up", "--no-wait")
    assert project.run("wait", "fine").code == 0
    assert project.run("wait", "broken").code == 1
    late = project.run("wait", "slow", "--timeout", "200ms")
    assert late.code == 124
    assert "`slow`" in late.err
    with project.begin("wait", "fine", "--for", "stopped") as waiting:
        project.do("stop", "fine")
        assert waiting.wait(20) == 0
        waiting.communicate()


def test_a_signal_reaches_the_whole_tree(project: Project) -> None:
    project.up(table("web", command("stay", hangup=1)))
    pid = project.app("web")["pid"]
    done = project.do("signal", "HUP", "web")
    assert f" {pid}" in done.out
    project.until(lambda: "hung up" in project.lines("web"), "its answer")
    assert project.app("web")["pid"] == pid
    project.do("stop", "web")
    assert project.run("signal", "HUP", "web").code == 1


def test_logs_show_both_streams_and_the_last_lines(project: Project) -> None:
    project.up(table("web", "['sh', '-c', 'for i in 1 2 3; do echo out $i; done; echo err >&2; sleep 600']"))
    project.until(lambda: len(project.lines("web")) == 4, "its lines")
    assert project.do("logs", "--stream", "out").out == "".join(f"web │ out {i}\n" for i in (1, 2, 3))
    assert project.lines("web", "--stream", "err") == ["err"]
    assert project.do("logs", "-n", "1", "--no-prefix", "--stream", "out").out == "out 3\n"
    line = json.loads(project.do("logs", "--json", "--stream", "err").out)
    assert (line["app"], line["stream"], line["text"]) == ("web", "err", "err")
    project.do("down")
    assert project.do("logs", "-n", "1", "--stream", "err").out == "web │ err\n", "they need no manager"


def test_logs_are_followed_over_a_restart(project: Project) -> None:
    project.up(table("web", "['sh', '-c', 'echo run $$; exec sleep 600']"))
    first = project.app("web")["pid"]
    with project.begin("logs", "-f", "--no-prefix", "web") as following:
        assert following.stdout is not None
        assert following.stdout.readline() == f"run {first}\n"
        project.do("restart", "web")
        second = project.app("web")["pid"]
        assert following.stdout.readline() == f"run {second}\n"
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 130
        assert following.stdout.read() == ""
    assert project.lines("web", "--previous") == [f"run {first}"]


def test_a_second_up_joins_the_manager_that_runs(project: Project) -> None:
    project.up(table("web", STAY))
    manager, pid = project.manager(), project.app("web")["pid"]
    project.do("up")
    assert (project.manager(), project.app("web")["pid"]) == (manager, pid)


def test_many_ups_at_once_make_one_manager_and_start_nothing_twice(project: Project) -> None:
    project.write(table("web", command("serve"), port=project.port()))
    started = [project.begin("up") for _ in range(4)]
    said = [each.communicate(timeout=60) for each in started]
    assert [each.returncode for each in started] == [0] * 4, said
    commands = list(project.processes().values())
    assert len([words for words in commands if "procman.manager" in words]) == 1
    assert len([words for words in commands if " serve" in words]) == 1
    assert project.app("web")["restarts"] == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_manager_stops_everything(project: Project, name: str) -> None:
    project.up(table("web", command("parent"), port=project.port()), table("worker", STAY))
    os.kill(project.manager(), signal.Signals[name])
    project.until(lambda: not project.processes(), "the end of all")
    assert project.run("status").code == 3


def test_a_second_signal_to_the_manager_kills_at_once(project: Project) -> None:
    project.up(table("web", command("stay", deaf=1), stop_timeout='"10m"'))
    project.until(lambda: project.lines("web"), "its first line")
    manager = project.manager()
    os.kill(manager, signal.SIGTERM)
    project.until_app("web", state="stopping")
    os.kill(manager, signal.SIGTERM)
    project.until(lambda: not project.processes(), "the end of all")


def test_a_hangup_of_the_manager_reads_the_file_again(project: Project) -> None:
    project.up(table("web", STAY))
    applied_at = project.status()["manager"]["config"]["applied_at"]
    os.kill(project.manager(), signal.SIGHUP)
    project.until(lambda: project.status()["manager"]["config"]["applied_at"] != applied_at, "it is read")
    assert project.app("web")["state"] == "running"


def test_down_stops_everything_and_says_so(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port), table("worker", STAY))
    done = project.do("down")
    assert "stopped web" in done.out
    assert "stopped worker" in done.out
    assert done.out.endswith("stopped 2 apps\n")
    assert not project.processes()
    assert not is_open(port)
    assert project.run("status").code == 3


def test_a_command_works_from_a_folder_below(project: Project) -> None:
    below = project.path("a/b")
    below.mkdir(parents=True)
    project.up(table("web", STAY))
    assert project.run("status", cwd=below).code == 0
    assert project.run("-f", str(project.file), "status", "--json", cwd=below).code == 0
    assert project.run("status", cwd=below, env={"PROCMAN_FILE": "../../portwatch.toml"}).code == 0


def test_what_procman_keeps_is_for_its_owner_alone(project: Project) -> None:
    project.up(table("web", STAY))
    assert stat.S_IMODE(project.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((project.home / "control.sock").stat().st_mode) == 0o600
    assert (project.home / ".gitignore").read_text() == "*\n"


def test_check_and_version_need_no_manager(project: Project) -> None:
    project.write(table("web", STAY))
    assert project.do("check").out == "portwatch.toml is valid: 1 app\n"
    assert re.search(r"\d+\.\d+", project.do("version").out)
    assert not project.home.exists()
