"""`procman run`: a one-off is run as its app would be, and is no part of it."""

from __future__ import annotations

from tests.real.project import Project, command, table


def test_it_has_the_folder_the_environment_and_the_exit_code(project: Project) -> None:
    project.path("web").mkdir()
    project.path(".env").write_text("COLOUR=green\n")
    port = project.port()
    project.write(
        table("web", command("serve"), port=port, cwd='"web"', env_file='"../.env"', env='{ MODE = "test" }')
    )
    done = project.run("run", "web", "--", "sh", "-c", "echo $COLOUR $MODE $PORT; pwd; exit 7")
    assert done.code == 7
    assert done.out == f"green test {port}\n{project.path('web')}\n"


def test_what_is_inherited_is_the_environment_of_the_manager(project: Project) -> None:
    project.write(table("web", command("stay")))
    assert project.run("up", env={"SINCE": "the start"}).code == 0
    assert project.do("run", "web", "sh", "-c", "echo $SINCE").out == "the start\n"


def test_a_stop_of_the_app_leaves_it_alone(project: Project) -> None:
    project.up(table("web", command("stay")))
    script = "touch begun; until [ -e go ]; do sleep 0.02; done; echo ended"
    with project.begin("run", "web", "--", "sh", "-c", script) as one_off:
        project.until(project.path("begun").exists, "the one-off")
        project.do("stop", "web")
        assert one_off.poll() is None
        project.path("go").touch()
        out, _ = one_off.communicate(timeout=20)
    assert (out, one_off.returncode) == ("ended\n", 0)


def test_a_command_that_is_not_there_is_told_as_a_shell_does(project: Project) -> None:
    project.write(table("web", command("stay")))
    done = project.run("run", "web", "no-such-command")
    assert done.code == 127
    assert "no-such-command" in done.err
    assert "Traceback" not in done.err


def test_one_app_is_meant(project: Project) -> None:
    project.write(table("web", command("stay"), instances=2))
    done = project.run("run", "web", "true")
    assert done.code == 2
    assert "`web.1`, `web.2`" in done.err
