"""Edits that are asked about, the local file, references, and the plan of a file that is not in place."""

from __future__ import annotations

import os
import signal

from tests.real.project import QUICK, Project, command, table

ASK = QUICK.replace("[manager]", '[manager]\nreload = "ask"')
WEB = table("web", command("stay"))
OTHER = table("other", command("stay"))
NEW_WEB = table("web", command("stay"), env='{ COLOUR = "red" }')


def pid(project: Project, app: str) -> int:
    found: int = project.app(app)["pid"]
    return found


def state(project: Project) -> str:
    found: str = project.status()["manager"]["config"]["state"]
    return found


def test_an_edit_that_is_asked_about_waits_for_a_reload(project: Project) -> None:
    project.write(WEB, OTHER, head=ASK)
    project.up()
    web, other = pid(project, "web"), pid(project, "other")
    project.write(NEW_WEB, OTHER, head=ASK)
    project.until(lambda: state(project) == "edited", "the edit is told")
    shown = project.do("status").out
    assert "the file was edited and is not applied: restart web `env.COLOUR`" in shown
    assert "`procman reload` applies it" in shown
    assert "stale: `env.COLOUR` differs in the edited file" in shown
    assert 'env.COLOUR: none -> "red"' in project.do("plan").out
    project.until_logged("the file was edited and is not applied")
    assert (pid(project, "web"), pid(project, "other")) == (web, other)
    assert "the file is applied: restart web" in project.do("reload").out
    project.until(lambda: pid(project, "web") not in (None, web), "web is restarted")
    assert (state(project), pid(project, "other")) == ("applied", other)


def test_a_restart_applies_the_file_also_where_edits_are_not_looked_at(project: Project) -> None:
    off = ASK.replace('"ask"', '"off"')
    project.write(WEB, OTHER, head=off)
    project.up()
    project.write(NEW_WEB, OTHER, head=off)
    project.do("restart", "other")
    assert 'COLOUR = "red"' in project.do("get", "web.env").out
    assert "nothing to do: the file is applied" in project.do("plan").out


def test_the_local_file_is_followed_like_the_file(project: Project) -> None:
    project.up(WEB, OTHER)
    web, other = pid(project, "web"), pid(project, "other")
    local = project.path("portwatch.local.toml")
    local.write_text('[apps.web]\nenv = { COLOUR = "red" }\n')
    project.until(lambda: pid(project, "web") not in (None, web), "web is restarted")
    assert project.status()["manager"]["local_file"] == str(local)
    local.write_text("[apps.web]\nport = 0\n")
    project.until(lambda: state(project) == "rejected", "the local file is rejected")
    assert "portwatch.local.toml:2:8: apps.web.port" in project.do("status").out
    assert project.run("check").code == 2
    local.unlink()
    project.until(lambda: state(project) == "applied", "the file alone is applied")
    assert project.status()["manager"]["local_file"] is None
    assert pid(project, "other") == other


def test_a_plan_for_another_file_is_the_same_with_and_without_a_manager(project: Project) -> None:
    project.write(WEB, OTHER)
    draft = project.path("drafts/new.toml")
    draft.parent.mkdir()
    draft.write_text("\n".join((QUICK, NEW_WEB, table("more", command("stay"), cwd='"home"'))))
    without = project.do("plan", "-f", "drafts/new.toml")
    project.up()
    web = pid(project, "web")
    assert project.do("plan", "-f", "drafts/new.toml").out == without.out
    assert [line.split()[:2] for line in without.out.splitlines()[:3]] == [
        ["~", "web"],
        ["+", "more"],
        ["-", "other"],
    ]
    assert pid(project, "web") == web
    draft.write_text("[apps.web]\n")
    wrong = project.run("plan", "-f", "drafts/new.toml")
    assert (wrong.code, wrong.err.splitlines()[0]) == (
        2,
        "drafts/new.toml:1:1: apps.web: `command` is missing",
    )


def test_a_changed_env_file_makes_the_app_stale_until_it_is_restarted(project: Project) -> None:
    env = project.path(".env")
    env.write_text("TOKEN=one\n")
    project.up(table("web", command("stay"), env_file='".env"'), OTHER)
    assert project.app("web")["stale"] == []
    env.write_text("TOKEN=other\n")
    assert project.app("web")["stale"] == ["`.env` has changed since it was started"]
    record = (project.home / "run" / "web.json").read_text()
    assert "TOKEN" not in record
    assert "=one" not in record
    project.do("restart", "web")
    assert project.app("web")["stale"] == []


def test_a_new_port_restarts_what_refers_to_it(project: Project) -> None:
    old, new = project.port(), project.port()
    web = table("web", command("stay"), env='{ API = "${apps.api.port}" }')
    project.up(table("api", command("serve"), port=old), web, OTHER)
    before, other = pid(project, "web"), pid(project, "other")
    project.write(table("api", command("serve"), port=new), web, OTHER)
    project.until(lambda: pid(project, "web") not in (None, before), "web is restarted")
    assert str(new) in project.do("env", "web", "--own").out
    assert pid(project, "other") == other


def test_a_renamed_app_keeps_its_process_and_its_lines_also_when_the_manager_dies(project: Project) -> None:
    project.up(table("web", command("count", rate=50, lines=100_000)), OTHER)
    project.until(lambda: project.lines("web"), "the first line")
    first, web, other = project.lines("web")[0], pid(project, "web"), pid(project, "other")
    project.write(table("site", command("count", rate=50, lines=100_000)), OTHER)
    assert project.until_app("site", state="running")["pid"] == web
    assert "web" not in project.apps()
    count = len(project.lines("site"))
    assert project.lines("site")[0] == first
    project.until(lambda: len(project.lines("site")) > count, "lines of now under the new name")
    os.kill(project.manager(), signal.SIGKILL)
    project.do("up")
    assert (pid(project, "site"), pid(project, "other")) == (web, other)
    lines = project.lines("site")
    assert lines == [f"line {number} of its output" for number in range(len(lines))], (
        "every line, in order, once"
    )
    project.do("restart", "site")
    assert pid(project, "site") != web
    assert web not in project.processes()
