"""An app that ends, or lives and does not answer, is replaced; one that is only slow is left alone."""

from __future__ import annotations

import os
import signal
from typing import Any

from tests.real.project import Project, command, http, is_alive, is_open, table


def first(project: Project, name: str = "web") -> int:
    """Return the pid of an app's first process."""
    pid: int = project.app(name)["pid"]
    return pid


def replaced(project: Project, old: int, name: str = "web", restarts: int = 1) -> dict[str, Any]:
    """Return what the status says of an app that another process has replaced."""
    app = project.until_app(name, state="running", restarts=restarts)
    assert app["pid"] != old
    assert not is_alive(old)
    return app


def test_an_app_that_crashes_is_replaced(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve", code=3), port=port))
    old = first(project)
    os.kill(old, signal.SIGALRM)
    app = replaced(project, old)
    last = app["last_exit"]
    assert (last["code"], last["signal"]) == (3, None)


def test_an_app_whose_first_process_is_killed_is_replaced(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("parent"), port=port))
    old = project.app("web")["pids"]
    assert len(old) == 2
    os.kill(old[0], signal.SIGKILL)
    app = replaced(project, old[0])
    assert not is_alive(old[1])
    assert app["verdict"] == "own"
    assert app["last_exit"]["signal"] == "SIGKILL"


def test_an_app_whose_inner_process_is_killed_is_replaced(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("parent"), port=port))
    old = project.app("web")["pids"]
    os.kill(old[1], signal.SIGKILL)
    app = replaced(project, old[0])
    assert len(app["pids"]) == 2
    assert is_open(port)


def test_an_app_that_closes_its_port_is_replaced_long_before_its_next_check(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port, check_interval='"5m"'))
    old = first(project)
    project.do("signal", "USR1", "web")
    app = replaced(project, old)
    assert app["verdict"] == "own"
    assert app["last_exit"]["signal"] == "SIGTERM"


def test_an_app_that_answers_500_is_replaced(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port(), check=http("/health")))
    old = first(project)
    project.do("signal", "USR2", "web")
    assert "HTTP 500" in project.until_app("web", state="unhealthy")["message"]
    replaced(project, old)


def test_an_app_that_hangs_is_replaced_where_http_is_asked(project: Project) -> None:
    project.up(table("web", command("serve"), port=project.port(), check=http(timeout='"200ms"')))
    old = first(project)
    os.kill(old, signal.SIGSTOP)
    app = project.until_app("web", state="unhealthy")
    assert app["verdict"] == "hung"
    replaced(project, old)


def test_an_app_that_hangs_is_replaced_where_only_the_port_is_asked(project: Project) -> None:
    check = '{ tcp = true, timeout = "200ms" }'
    project.up(table("web", command("serve"), port=project.port(), check=check))
    old = first(project)
    os.kill(old, signal.SIGSTOP)
    app = project.until_app("web", state="unhealthy")
    assert app["verdict"] == "hung"
    replaced(project, old)


def test_an_app_that_is_slow_to_open_its_port_is_not_restarted(project: Project) -> None:
    project.write(table("web", command("serve", after=2), port=project.port()))
    project.do("up", "--no-wait")
    assert project.app("web")["state"] in ("waiting", "starting")
    project.do("wait", "web")
    app = project.app("web")
    assert (app["state"], app["restarts"]) == ("running", 0)


def test_an_app_that_never_opens_its_port_is_restarted_after_its_start_timeout(project: Project) -> None:
    project.write(table("web", command("stay"), port=project.port(), start_timeout='"300ms"'))
    project.do("up", "--no-wait")
    project.until(lambda: project.app("web")["restarts"] >= 1, "a restart")
    project.until(lambda: "start_timeout" in project.manager_log(), "the reason in the manager's log")


def test_an_app_that_dies_at_once_is_slowed_down_and_given_up(project: Project) -> None:
    give_up = '{ starts = 5, within = "1m" }'
    backoff = '{ initial = "100ms", factor = 2, max = "400ms", jitter = 0 }'
    project.write(table("web", command("leave", after=0.1, code=7), give_up=give_up, backoff=backoff))
    project.run("up")
    app = project.until_app("web", state="failed")
    assert "gave up after 5 starts" in app["message"]
    assert app["last_exit"]["code"] == 7
    assert app["pids"] == []
    assert project.lines("web").count("begins") == 5
    log = project.until(lambda: "-> failed" in (text := project.manager_log()) and text, "the log")
    assert log.count("-> backoff") == 4  # the last start is the end of it


def test_an_app_that_is_given_up_is_started_again_by_its_user(project: Project) -> None:
    flag = project.path("mended")
    run = f'"test -e {flag} && exec sleep 600"'
    project.write(table("web", run, shell="true", give_up='{ starts = 2, within = "1m" }'))
    project.run("up")
    project.until_app("web", state="failed")
    flag.touch()
    project.do("start", "web")
    assert project.app("web")["state"] == "running"


def test_an_app_that_is_done_is_completed(project: Project) -> None:
    project.write(
        table("once", command("leave"), restart='"never"'),
        table("retried", command("leave"), restart='"on-failure"'),
    )
    project.do("up")
    project.do("wait", "--for", "completed")
    assert {name: app["state"] for name, app in project.apps().items()} == {
        "once": "completed",
        "retried": "completed",
    }


def test_an_app_with_a_failing_exec_check_is_replaced(project: Project) -> None:
    flag = project.path("healthy")
    flag.touch()
    check = f'{{ exec = ["test", "-e", "{flag}"] }}'
    project.up(table("web", command("stay"), check=check))
    old = first(project)
    flag.unlink()
    project.until(lambda: not is_alive(old), "its end")
    flag.touch()
    replaced(project, old)


def test_an_app_with_a_log_check_is_up_when_it_says_so(project: Project) -> None:
    check = '{ log = "serving \\\\w+" }'
    project.up(table("web", command("stay", say="now_serving_pages"), check=check))
    assert project.app("web")["check"]["last"].startswith("a line matched")
