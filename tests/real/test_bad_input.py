"""Whatever lies where the file should, or is written in it: a clear error with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.real.project import Project, command, table


def refused(project: Project, *parts: str) -> str:
    """Return what `up` and `check` say about a file that they refuse, without starting a manager."""
    done = project.run("up")
    assert done.code == 2, done.text
    assert "Traceback" not in done.text
    for part in parts:
        assert part in done.err
    assert project.run("check").code == 2
    assert project.run("status", "--json").code == 3, "no manager was started"
    return done.err


def test_binary_garbage(project: Project) -> None:
    project.file.write_bytes(bytes(range(256)) * 64)
    refused(project, "portwatch.toml:2:", "UTF-8")


def test_an_empty_file(project: Project) -> None:
    project.file.write_text("")
    refused(project, "portwatch.toml:1:1: the file is empty")


def test_a_folder_where_the_file_should_be(project: Project) -> None:
    project.file.mkdir()
    refused(project, "portwatch.toml", "directory")


def test_a_link_that_leads_nowhere(project: Project) -> None:
    project.file.symlink_to("nowhere")
    refused(project, "portwatch.toml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(project: Project) -> None:
    project.write(table("web", command("stay")))
    project.file.chmod(0)
    refused(project, "portwatch.toml", "ermission")


def test_no_file_at_all(project: Project) -> None:
    done = project.run("up")
    assert done.code == 2
    assert "no `portwatch.toml` and no `Procfile`" in done.err
    assert "hint:" in done.err


def test_a_port_that_is_none(project: Project) -> None:
    project.write("[apps.web]\ncommand = 'x'\nport = 99999", head="")
    said = refused(project, "portwatch.toml:4:8: apps.web.port: expected 1 to 65535, got 99999")
    assert "^" in said


def test_all_errors_are_told_at_once_in_the_order_of_the_file(project: Project) -> None:
    project.write(
        table("a", "'x && y'"),
        table("b", "'x'", port=0, depends_on='["nobody"]'),
        table("c", "'x'", check_intervall='"1s"'),
        head="",
    )
    said = refused(project)
    places = [line for line in said.splitlines() if line.startswith("portwatch.toml:")]
    assert len(places) == 4
    assert [int(place.split(":")[1]) for place in places] == sorted(
        int(place.split(":")[1]) for place in places
    )
    assert "check_interval" in said


def failed(project: Project, *parts: str) -> None:
    """Demand that `web` has failed for good and said why, and that its neighbour runs."""
    done = project.run("up")
    assert done.code == 1, done.text
    assert "Traceback" not in done.text
    apps = project.apps()
    assert apps["web"]["state"] == "failed"
    for part in parts:
        assert part in apps["web"]["message"]
        assert part in done.err
    assert apps["web"]["restarts"] == 0
    assert apps["other"]["state"] == "running"


OTHER = table("other", command("stay"))


def test_a_folder_that_does_not_exist(project: Project) -> None:
    project.write(table("web", command("stay"), cwd='"missing"'), OTHER)
    failed(project, "could not change into its folder", "missing", "No such file or directory")


def test_a_command_that_does_not_exist(project: Project) -> None:
    project.write(table("web", '"no-such-command --port 1"'), OTHER)
    failed(project, "could not execute its command", "no-such-command", "No such file or directory")


def test_a_command_that_may_not_be_executed(project: Project) -> None:
    project.path("script.sh").write_text("#!/bin/sh\n")
    project.write(table("web", '"./script.sh"'), OTHER)
    failed(project, "could not execute its command", "script.sh", "Permission denied")


def test_a_broken_line_in_an_env_file(project: Project) -> None:
    project.path(".env").write_text("GOOD=1\nthis is no assignment\n")
    project.write(table("web", command("stay"), env_file='".env"'), OTHER)
    failed(project, ".env:2:")


def test_an_env_file_that_is_missing(project: Project) -> None:
    project.write(table("web", command("stay"), env_file='".env"'), OTHER)
    failed(project, ".env")


def test_an_app_that_failed_for_good_starts_after_the_edit_that_mends_it(project: Project) -> None:
    project.write(table("web", '"no-such-command"'), OTHER)
    failed(project)
    other = project.app("other")["pid"]
    project.write(table("web", command("stay")), OTHER)
    assert project.until_app("web", state="running")["restarts"] == 0
    assert project.app("other")["pid"] == other


def test_a_project_whose_path_is_300_characters_long(tmp_path: Path) -> None:
    folder = tmp_path
    while len(str(folder)) < 300:
        folder /= "a-rather-long-name-of-a-folder"
    project = Project(folder)
    try:
        project.up(table("web", command("stay")))
        assert project.app("web")["state"] == "running"
        project.do("logs", "web")
        project.do("down")
    finally:
        project.close()


def test_a_socket_and_a_lock_that_a_dead_manager_has_left_are_replaced(project: Project) -> None:
    project.write(table("web", command("stay")))
    project.home.mkdir(mode=0o700)
    (project.home / "lock").write_text("1\n")  # a pid that lives, and holds nothing
    (project.home / "control.sock").write_text("")
    assert project.run("status").code == 3
    project.do("up")
    assert project.app("web")["state"] == "running"
