"""An edit of the file is applied within a second, to the app that it is about and to no other."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.project import QUICK, Project, command, table

AT_ONCE = 1.0  # seconds in which an edit must be seen
SLACK = 2.0  # more of them, for a machine that is busy with other tests and for the look itself

WEB = table("web", command("stay"))
OTHER = table("other", command("stay"))


def pids(project: Project) -> dict[str, int]:
    """Return the first process of every app."""
    return {name: app["pid"] for name, app in project.apps().items()}


def applied(project: Project, edit: Callable[[], object], seen: Callable[[], bool]) -> None:
    """Make an edit, and demand that it is seen at once."""
    began = time.monotonic()
    edit()
    project.until(seen, "the edit is applied", AT_ONCE + SLACK)
    assert time.monotonic() - began < AT_ONCE + SLACK


def test_a_new_check_interval_is_taken_over_by_the_running_app(project: Project) -> None:
    asked = project.path("asked")
    check = f"{{ exec = ['sh', '-c', 'echo >> {asked}'] }}"
    project.up(table("web", command("stay"), check=check, check_interval='"1h"'), OTHER)
    before = pids(project)
    count = asked.read_text().count("\n")
    project.write(table("web", command("stay"), check=check, check_interval='"100ms"'), OTHER)
    project.until(
        lambda: asked.read_text().count("\n") > count + 3, "checks in the new rhythm", AT_ONCE + SLACK
    )
    assert pids(project) == before
    assert {app["restarts"] for app in project.apps().values()} == {0}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("env", '{ COLOUR = "red" }'),
        ("cwd", '"home"'),
        ("inherit_env", "false"),
    ],
)
def test_a_key_that_a_process_is_started_with_restarts_that_app_alone(
    project: Project, key: str, value: str
) -> None:
    project.up(WEB, OTHER)
    before = pids(project)
    edited = table("web", command("stay"), **{key: value})
    applied(
        project,
        lambda: project.write(edited, OTHER),
        lambda: pids(project)["web"] not in (None, before["web"]),
    )
    assert pids(project)["other"] == before["other"]
    assert project.until_app("web", state="running")["restarts"] == 0


def test_a_new_command_and_a_new_port_are_there_after_one_edit(project: Project) -> None:
    old, new = project.port(), project.port()
    project.up(table("web", command("serve"), port=old), OTHER)
    before = pids(project)
    project.write(table("web", command("serve", bind="::1"), port=new), OTHER)
    app = project.until_app("web", port=new, state="running", verdict="own")
    assert app["listening"] == [f"[::1]:{new}"]
    assert pids(project)["other"] == before["other"]


def test_an_app_that_is_added_starts(project: Project) -> None:
    project.up(WEB)
    before = pids(project)
    project.write(WEB, OTHER)
    project.until_app("other", AT_ONCE + SLACK, state="running")
    assert pids(project)["web"] == before["web"]


@pytest.mark.parametrize("how", ["without its table", "disabled"])
def test_an_app_that_is_removed_ends(project: Project, how: str) -> None:
    project.up(WEB, OTHER)
    before = pids(project)
    project.write(WEB, "" if how == "without its table" else table("other", command("stay"), enabled="false"))
    project.until(lambda: "other" not in project.apps(), "it is gone", AT_ONCE + SLACK)
    assert not Path(f"/proc/{before['other']}").exists()
    assert pids(project) == {"web": before["web"]}


def test_an_up_does_not_bring_back_an_app_that_is_on_its_way_out(project: Project) -> None:
    project.up(WEB, table("other", command("stay", deaf=1), stop_timeout='"1s"'))
    project.until(lambda: "ready" in project.lines("other"), "its first line")
    project.write(WEB)
    project.do("up")
    project.until(lambda: "other" not in project.apps(), "it is gone")
    assert project.lines("other") == ["ready"]


def test_an_app_that_is_removed_and_back_at_once_runs_once(project: Project) -> None:
    project.up(WEB, OTHER)
    for _ in range(3):
        project.write(WEB)
        project.write(WEB, OTHER)
    project.do("reload")
    app = project.until_app("other", state="running")
    assert len(app["pids"]) == 1
    stay = [words for words in project.processes().values() if words.endswith(" stay")]
    assert len(stay) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("[apps.web\n", "portwatch.toml:1"),
        (QUICK + table("web", command("stay"), port=99999), "expected 1 to 65535, got 99999"),
        (QUICK + WEB + "directory = '.'\n", "cwd"),
    ],
    ids=["empty", "no TOML", "no port", "a key of another tool"],
)
def test_an_invalid_edit_changes_nothing_and_is_told(project: Project, text: str, message: str) -> None:
    project.up(WEB, OTHER)
    before = pids(project)

    def rejected() -> bool:
        return bool(project.status()["manager"]["config"]["state"] == "rejected")

    applied(project, lambda: project.file.write_text(text), rejected)
    config = project.status()["manager"]["config"]
    assert message in config["error"]
    project.until_logged(message)
    assert message in project.do("status").out
    assert project.run("check").code == 2
    assert project.run("reload").code == 2
    assert pids(project) == before
    project.write(WEB, OTHER)
    project.until(lambda: not rejected(), "the good file is applied", AT_ONCE + SLACK)
    assert project.status()["manager"]["config"]["error"] is None
    assert pids(project) == before


def truncate_and_write(file: Path, text: str) -> None:
    """Save as `echo > file` does."""
    file.write_text(text)


def write_slowly(file: Path, text: str) -> None:
    """Save in two writes with time between them: what lies there meanwhile is half a file."""
    half = len(text) // 2
    with file.open("w") as opened:
        opened.write(text[:half])
        opened.flush()
        time.sleep(0.1)
        opened.write(text[half:])


def rename_over(file: Path, text: str) -> None:
    """Save as vim and VS Code do."""
    fresh = file.with_name(".portwatch.toml.swp")
    fresh.write_text(text)
    fresh.rename(file)


def delete_and_restore(file: Path, text: str) -> None:
    """Save as a checkout of another branch does."""
    file.unlink()
    time.sleep(0.1)
    file.write_text(text)


@pytest.mark.parametrize("save", [truncate_and_write, write_slowly, rename_over, delete_and_restore])
def test_every_way_to_save_is_seen(project: Project, save: Callable[[Path, str], None]) -> None:
    project.up(WEB)
    web = pids(project)["web"]
    text = "\n".join((QUICK, WEB, OTHER))
    applied(project, lambda: save(project.file, text), lambda: "other" in project.apps())
    assert pids(project)["web"] == web
    assert "rejected" not in project.manager_log()


def test_a_swap_of_the_symlink_on_the_way_is_seen(project: Project) -> None:
    for name, tables in (("one", (WEB,)), ("two", (WEB, OTHER))):
        project.path(name).mkdir()
        (project.path(name) / "portwatch.toml").write_text("\n".join((QUICK, *tables)))
    data = project.path("..data")
    data.symlink_to("one")
    project.file.symlink_to("..data/portwatch.toml")
    project.do("up")
    assert set(pids(project)) == {"web"}

    def swap() -> None:
        fresh = project.path("..data_new")
        fresh.symlink_to("two")
        os.rename(fresh, data)
        shutil.rmtree(project.path("one"))

    applied(project, swap, lambda: "other" in project.apps())


def test_a_file_that_is_deleted_changes_nothing(project: Project) -> None:
    project.up(WEB)
    before = pids(project)
    project.file.unlink()
    project.until(
        lambda: project.status()["manager"]["config"]["state"] == "rejected", "it is missed", AT_ONCE + SLACK
    )
    assert pids(project) == before
    project.write(WEB)
    project.until(lambda: project.status()["manager"]["config"]["state"] == "applied", "it is back")
    assert pids(project) == before


def test_an_edit_that_changes_nothing_touches_nothing(project: Project) -> None:
    project.up(WEB)
    before, applied_at = pids(project), project.status()["manager"]["config"]["applied_at"]
    project.write("# a comment\n", WEB)
    project.until(lambda: project.status()["manager"]["config"]["applied_at"] != applied_at, "it is read")
    assert pids(project) == before


def test_a_plan_says_what_a_reload_would_do_and_does_nothing(project: Project) -> None:
    project.up(WEB, OTHER)
    before = pids(project)
    # The manager follows the file by itself, so what it has not applied yet is an invalid one.
    project.write(WEB, table("other", command("stay"), port=0))
    assert project.run("plan").code == 2
    project.write(WEB, OTHER)
    assert "nothing to do" in project.until(
        lambda: (done := project.run("plan")).code == 0 and done.out, "a plan"
    )
    assert pids(project) == before


def test_an_edit_to_a_folder_that_is_not_there_leaves_the_app_alone(project: Project) -> None:
    project.up(WEB, OTHER)
    before = pids(project)
    project.write(table("web", command("stay"), cwd='"wbe"'), OTHER)
    status = project.until(
        lambda: project.status()["manager"]["config"]["state"] == "rejected" and project.status(), "the word"
    )
    assert "portwatch.toml:" in status["manager"]["config"]["error"]
    assert 'apps.web.cwd: there is no folder "wbe"' in status["manager"]["config"]["error"]
    done = project.run("restart", "web")
    assert (done.code, 'there is no folder "wbe"' in done.err) == (2, True)
    assert pids(project) == before
    done = project.run("check")
    assert done.code == 0
    assert re.search(r"warning: portwatch\.toml:\d+:\d+: apps\.web\.cwd: there is no folder", done.err)
    project.path("wbe").mkdir()
    project.do("reload")
    project.until(lambda: pids(project)["web"] not in (before["web"], None), "its new run")
    assert pids(project)["other"] == before["other"]


def test_a_prepare_whose_work_is_gone_runs_again(project: Project) -> None:
    note = project.path("prepared")
    prepare = f"['sh', '-c', 'mkdir -p node_modules && echo >> {note}']"
    project.up(table("web", command("stay"), prepare=prepare))
    project.do("restart", "web")
    assert note.read_text() == "\n"
    shutil.rmtree(project.path("node_modules"))
    project.do("restart", "web")
    assert note.read_text() == "\n\n"
