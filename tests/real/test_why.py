"""What goes wrong with an app is told: by `why` as a story, by `events` live, by `report` in figures."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

from tests.real.project import Project, command, table

Record = dict[str, Any]
STAY = command("stay")


def why(project: Project, name: str = "web") -> dict[str, Any]:
    """Return the last incident of an app, once it is over."""

    def look() -> dict[str, Any] | None:
        (app,) = project.do("why", name, "--json").json["apps"]
        last = app["incidents"][-1:]
        return last[0] if last and last[0]["ended"] else None

    return project.until(look, f"the end of an incident of `{name}`")


def told(records: Sequence[Record], *kinds: str) -> list[str]:
    """Return the sentences of records of some kinds."""
    return [record["text"] for record in records if record["kind"] in kinds]


def in_order(text: str, *parts: str) -> None:
    """Fail unless a text has all of these, one after the other."""
    place = 0
    for part in parts:
        found = text.find(part, place)
        assert found >= 0, f"no {part!r} after {text[:place][-60:]!r} in:\n{text}"
        place = found + len(part)


def moves(incident: dict[str, Any]) -> list[str]:
    """Return the states that an app went through."""
    return [record["data"]["new"] for record in incident["records"] if record["kind"] == "state"]


def test_an_app_that_is_killed_is_told_of(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port()))
    pid = project.app("web")["pid"]
    os.kill(pid, signal.SIGKILL)
    incident = why(project)
    assert incident["cause"].startswith("killed by SIGKILL")
    assert incident["outcome"].startswith("running again after ")
    assert incident["restarts"] == 1
    assert moves(incident)[-4:] == ["stopping", "waiting", "starting", "running"]
    assert [record["kind"] for record in incident["before"]] == ["spawn", "state"]
    assert incident["before"][0]["data"]["pid"] == pid
    exits = [record["data"] for record in incident["records"] if record["kind"] == "exit"]
    assert [(each["code"], each["signal"]) for each in exits] == [(None, "SIGKILL")]
    text = project.do("why", "web").out
    in_order(
        text,
        "web: killed by SIGKILL",
        "outcome  running again after ",
        f"started: pid {pid}",
        "killed by SIGKILL",
        "-> stopping: killed by SIGKILL",
        "waiting -> starting: restarted at once: killed by SIGKILL",
        "started: pid ",
        "starting -> running: ",
        "listens on ",
    )


def test_an_app_that_closes_its_port_is_told_of_with_what_was_seen_and_who_was_signalled(
    project: Project,
) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port))
    pid = project.app("web")["pid"]
    project.do("signal", "USR1", "web")
    project.until(lambda: project.app("web")["restarts"] == 1, "a restart")
    incident = why(project)
    assert "checks failed in a row: nothing listens" in incident["cause"]
    kinds = [record["kind"] for record in incident["records"]]
    assert kinds[0] == "check"
    for before, after in (
        ("check", "evidence"),
        ("evidence", "signal"),
        ("signal", "exit"),
        ("exit", "gone"),
    ):
        assert kinds.index(before) < kinds.index(after)
    assert told(incident["records"], "signal")[0].endswith(f" {pid}")
    first = incident["records"][0]["data"]
    assert any("ECONNREFUSED" in answer for answer in first["answers"].values())
    assert [line["text"] for line in incident["lines"]][:2] == [f"listens on {port}", "closed its port"]
    in_order(
        project.do("why", "web").out,
        "check failed: nothing listens",
        "running -> unhealthy",
        "-> stopping: ",
        "checks failed in a row",
        "SIGTERM to ",
        f"stopped web: python {pid}; port {port} free after ",
        "started: pid ",
        "-> running: ",
        "its tree at ",
        "the last 2 lines that it had printed:",
        "closed its port",
    )


def test_an_app_that_exits_with_an_error_is_told_of_with_what_it_said(project: Project) -> None:
    broken = '"test -e mended && exec sleep 600; echo the reason is this >&2; exit 3"'
    project.write(table("web", broken, shell="true", backoff='{ initial = "1s" }'))
    project.do("up", "--no-wait")
    project.until(lambda: project.app("web")["restarts"] >= 1, "a restart")
    project.path("mended").touch()
    project.until_app("web", state="running")
    incident = why(project)
    assert incident["cause"].startswith("exited with code 3")
    assert incident["outcome"].startswith("running after "), "it had not run before"
    assert incident["lines"][0]["text"] == "the reason is this"
    assert incident["lines"][0]["stream"] == "err"
    in_order(
        project.do("why", "web").out,
        "web: exited with code 3",
        "backoff",
        "-> running: ",
        "the reason is this",
    )


def test_an_app_that_is_given_up_is_told_of_and_where_to_look_is_said_before(project: Project) -> None:
    give_up = '{ starts = 3, within = "1m" }'
    project.write(table("web", command("leave", code=7), give_up=give_up), table("calm", STAY))
    failed = project.run("up")
    assert failed.code == 1
    assert "hint: `procman why web`" in failed.err
    project.until_app("web", state="failed")
    assert "hint: `procman why web`" in project.do("status").err
    incident = why(project)
    assert incident["outcome"].startswith("given up after ")
    assert incident["restarts"] == 2
    assert moves(incident)[-1] == "failed"
    listed = project.do("why")
    assert listed.out.splitlines()[1].split()[2] == "web"
    assert "`procman why web`" in listed.err
    calm = project.do("why", "calm")
    assert calm.out.startswith("calm: no incident is known; `running` since ")
    assert "`procman events calm`" in calm.err


def test_what_happened_is_told_when_no_manager_runs_any_more(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port()))
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    before = why(project)
    project.do("down")
    assert why(project) == before
    assert "stopped web: " in project.do("events", "web").out
    assert project.run("why", "wbe").code == 4


def test_an_app_that_waits_for_another_says_whose_story_to_read(project: Project) -> None:
    give_up = '{ starts = 1, within = "1m" }'
    db = table("db", command("leave", code=7), give_up=give_up)
    project.write(db, table("web", STAY, depends_on='{ db = "healthy" }'))
    project.run("up", "--no-wait")
    project.until_app("db", state="failed")
    told = project.until(
        lambda: (done := project.do("why", "web")) and "failed" in done.out and done, "the wait"
    )
    assert told.out.startswith("web: no incident is known; `waiting` since ")
    assert "waits for `db` to be healthy; it has failed" in told.out
    assert "`procman why db`" in told.err


def lines(source: Any) -> Iterator[Record]:
    """Yield the documents that a command prints, as they come."""
    while line := source.readline():
        yield json.loads(line)


def test_a_crash_is_seen_live_over_the_death_of_the_manager(project: Project) -> None:
    project.up(table("web", STAY), table("other", STAY))
    pid = project.app("web")["pid"]
    project.until(lambda: "-> running" in project.do("events", "web").out, "the history of its start")
    with project.begin("events", "-f", "-n", "1", "--json", "web") as following:
        seen = lines(following.stdout)
        assert next(seen)["kind"] == "state"
        os.kill(pid, signal.SIGKILL)
        ended = next(record for record in seen if record["kind"] == "exit")
        assert (ended["app"], ended["data"]["signal"]) == ("web", "SIGKILL")
        assert next(record for record in seen if record["kind"] == "spawn")["data"]["pid"] != pid
        os.kill(project.manager(), signal.SIGKILL)
        project.do("up")
        taken = next(record for record in seen if record["kind"] == "manager")
        assert taken["data"]["event"] == "took back"
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 130


def test_who_has_read_enough_of_the_events_is_not_told_of_a_broken_pipe(project: Project) -> None:
    project.up(table("web", STAY))
    with project.begin("events", "-f", "-n", "1") as following:
        assert following.stdout is not None
        assert following.stdout.readline()
        following.stdout.close()
        project.do("restart", "web")
        assert following.wait(20) == 141
        assert following.stderr is not None
        assert following.stderr.read() == ""


def test_a_report_counts_what_has_happened(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port()), table("calm", STAY))
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    incident = why(project)
    project.do("restart", "calm")
    report = project.do("report", "--json", "--since", "10m").json
    web, calm = ({app["name"]: app for app in report["apps"]}[name] for name in ("web", "calm"))
    assert (web["incidents"], web["restarts"]) == (1, 1)
    assert abs(web["down_s"] - incident["took_s"]) < 0.005
    assert abs(web["mean_time_to_repair_s"] - incident["took_s"]) < 0.005
    assert 0 < web["availability"] < 1
    assert (calm["incidents"], calm["availability"]) == (0, 1.0)
    assert report["total"]["incidents"] == 1
    assert project.do("report", "web").out.splitlines()[2].split()[0] == "APP"
