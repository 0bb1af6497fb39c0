"""Apps start after what they depend on and end before it; `prepare` runs when it is due."""

from __future__ import annotations

import pytest

from tests.real.project import Project, command, table


def noting(project: Project, name: str, **keys: object) -> str:
    """Return the table of an app which notes in a file of the project when it starts and stops."""
    run = command("stay", note=project.path("notes"), name=name)
    return table(name, run, check='{ log = "ready" }', **keys)


def notes(project: Project) -> list[str]:
    """Return what was noted."""
    return project.path("notes").read_text().splitlines()


def test_apps_start_in_the_order_of_their_dependencies_and_end_in_reverse(project: Project) -> None:
    project.up(
        noting(project, "web", depends_on='["api"]'),
        noting(project, "api", depends_on='["db"]'),
        noting(project, "db"),
    )
    order = ["db", "api", "web"]
    assert notes(project) == [f"{name} started" for name in order]
    project.do("down")
    assert notes(project)[3:] == [f"{name} stopped" for name in reversed(order)]


def test_an_app_waits_until_what_it_depends_on_is_healthy(project: Project) -> None:
    project.write(
        noting(project, "web", depends_on='["api"]'),
        table("api", command("serve", after=1), port=project.port()),
    )
    project.do("up", "--no-wait")
    project.until_app("api", state="starting")
    web = project.app("web")
    assert web["state"] == "waiting"
    assert web["message"] == "waits for `api` to be healthy; it is starting"
    project.do("wait")
    assert project.app("web")["state"] == "running"


def test_an_app_waits_until_what_it_depends_on_is_completed(project: Project) -> None:
    project.write(
        noting(project, "web", depends_on='{ migrate = "completed" }'),
        table("migrate", command("leave", after=0.5), restart='"never"'),
    )
    project.do("up")
    apps = project.apps()
    assert (apps["web"]["state"], apps["migrate"]["state"]) == ("running", "completed")
    assert apps["migrate"]["last_exit"]["code"] == 0


def test_what_waits_for_an_app_that_fails_does_not_start_and_says_why(project: Project) -> None:
    project.write(
        noting(project, "web", depends_on='{ migrate = "completed" }'),
        table("migrate", command("leave", code=3), restart='"never"'),
    )
    done = project.run("up")
    assert done.code == 1
    assert "migrate" in done.err
    web = project.app("web")
    assert web["state"] == "waiting"
    assert "exited with code 3" in web["message"]
    assert not project.path("notes").exists()


@pytest.fixture
def prepared(project: Project) -> str:
    """Return the table of an app whose `prepare` notes that it ran, with a lockfile as its input."""
    project.path("package-lock.json").write_text("1")
    return table("web", command("stay"), prepare=f"['sh', '-c', 'echo prepared >> {project.path('notes')}']")


def test_prepare_runs_once_and_again_when_the_lockfile_has_changed(project: Project, prepared: str) -> None:
    project.up(prepared)
    assert notes(project) == ["prepared"]
    project.do("restart", "web")
    assert notes(project) == ["prepared"]
    project.do("down")
    project.do("up")
    assert notes(project) == ["prepared"], "what was prepared is known to the next manager"
    project.path("package-lock.json").write_text("2")
    project.do("restart", "web")
    assert notes(project) == ["prepared", "prepared"]


def test_a_prepare_that_fails_is_reported_as_such(project: Project) -> None:
    project.write(table("web", command("stay"), prepare="['sh', '-c', 'echo no network; exit 7']"))
    done = project.run("up")
    assert done.code == 1
    assert "`prepare` failed" in done.err
    assert "no network" in done.err
    app = project.app("web")
    assert app["state"] == "failed"
    assert "`prepare` failed" in app["message"]
    assert "exited with code 7" in app["message"]
    assert app["restarts"] == 0


def test_an_app_without_autostart_waits_for_its_name(project: Project) -> None:
    project.up(table("web", command("stay")), table("debug", command("stay"), autostart="false"))
    assert project.app("debug")["state"] == "stopped"
    project.do("start", "debug")
    assert project.app("debug")["state"] == "running"


def test_a_procfile_alone_is_enough(project: Project) -> None:
    project.path("Procfile").write_text("web: echo from $COLOUR; exec sleep 600\nworker: sleep 600\n")
    project.path(".env").write_text("COLOUR=red\n")
    project.do("up")
    assert {name: app["state"] for name, app in project.apps().items()} == {
        "web": "running",
        "worker": "running",
    }
    project.until(lambda: project.lines("web") == ["from red"], "its line")
    project.do("down")
