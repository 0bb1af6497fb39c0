"""Keys that decide as whom, how much, and when an app runs."""

from __future__ import annotations

import os
import pwd
import sys
import time

import pytest

from tests.real.project import Project, command, table

HOG = """
import sys, time
kept = bytearray(150_000_000)
kept[::4096] = b"x" * len(kept[::4096])
print("full", flush=True)
time.sleep(1e6)
"""


def python(code: str) -> str:
    """Return a command that runs this code, as TOML."""
    return f"['{sys.executable}', '-I', '-S', '-c', '''{code}''']"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_an_app_runs_as_its_user_with_its_limits_and_its_home(project: Project) -> None:
    script = "id -un; echo $HOME $USER; umask; ulimit -n; cut -d' ' -f19 /proc/self/stat; "
    script += "echo anew > /dev/stdout; sleep 1000"
    project.up(
        table(
            "web",
            f'"{script}"',
            shell="true",
            cwd='"/"',
            user='"nobody"',
            umask='"027"',
            nice=3,
            limits="{ nofile = 512 }",
        )
    )
    project.until(lambda: len(project.lines("web")) >= 6, "all that it says")
    home = pwd.getpwnam("nobody").pw_dir
    assert project.lines("web") == ["nobody", f"{home} nobody", "0027", "512", "3", "anew"]
    (pid,) = [project.app("web")["pid"]]
    assert os.stat(f"/proc/{pid}").st_uid == pwd.getpwnam("nobody").pw_uid


def test_a_user_that_does_not_exist_is_named_and_not_tried_again(project: Project) -> None:
    project.write(table("web", command("stay"), user='"no-such-user"'))
    done = project.run("up")
    assert done.code == 1
    app = project.app("web")
    assert (app["state"], app["restarts"]) == ("failed", 0)
    assert app["message"].endswith("`no-such-user`: there is no such user")


def test_a_tree_with_too_much_memory_is_restarted(project: Project) -> None:
    project.up(table("web", python(HOG), max_memory='"100MB"'))
    app = project.until_app("web", patience=60.0, restarts=1)
    assert "more than `max_memory` (100MB), in 3 looks in a row" in str(app["last_exit"]["reason"])
    events = project.do("why", "web").out
    assert "max_memory" in events


def test_a_change_of_a_file_restarts_the_app_and_no_other_does(project: Project) -> None:
    for folder in ("src", "node_modules"):
        (project.folder / folder).mkdir(exist_ok=True)
    project.up(table("web", command("stay"), watch='["src/**/*.js", "*.json"]'))
    before = project.app("web")["pid"]
    (project.folder / "node_modules/x.json").write_text("1")
    (project.folder / "src/style.css").write_text("1")
    began = time.monotonic()
    (project.folder / "src/deep").mkdir()
    (project.folder / "src/deep/a.js").write_text("1")
    app = project.until(
        lambda: found if (found := project.app("web"))["pid"] not in (before, None) else None, "another run"
    )
    assert time.monotonic() - began < 10
    assert app["last_event"] == "restarted: `src/deep/a.js` has changed"
    assert app["restarts"] == 0


def test_an_app_with_a_schedule_waits_and_start_runs_it_now(project: Project) -> None:
    note = project.folder / "note"
    text = python(f'open("{note}", "a").write("ran\\n")')
    project.up(table("backup", text, schedule='"0 3 1 1 *"'))
    app = project.app("backup")
    assert app["state"] == "waiting"
    assert app["message"].startswith("next run at 20")
    assert app["message"].endswith("-01-01 03:00")
    project.do("start", "backup", "--no-wait")
    project.until(lambda: note.exists() and note.read_text() == "ran\n", "its run")
    app = project.until(
        lambda: found if (found := project.app("backup"))["state"] == "waiting" else None, "the end of it"
    )
    assert app["last_exit"]["code"] == 0


def test_a_schedule_runs_on_time(project: Project) -> None:
    note = project.folder / "note"
    project.up(table("tick", python(f'open("{note}", "a").write("ran\\n")'), schedule='"* * * * *"'))
    project.until(note.exists, "the next minute", patience=70.0)
    assert time.time() % 60 < 5
