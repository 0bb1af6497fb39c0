"""Hours of trouble in seconds: flapping, deaths of anything at random, a thousand apps, and nothing adds up.

Quick by themselves; `make soak` does all of it at length, with `PROCMAN_SOAK=1`.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.faults.injected import cpu, limit
from tests.real.project import Project, command, is_alive, table

LONG = bool(os.environ.get("PROCMAN_SOAK"))
WARM, RESTARTS = (100, 10_000) if LONG else (40, 240)
DEATHS = 400 if LONG else 12
MANY = 1000 if LONG else 60
SHORTAGES = 100 if LONG else 2
# Bytes: 0.8 MB is what the allocator needs for blocks that are free among others; the rest is 40 a restart.
MOST_GROWTH = 1200 << 10
FLAPPING = {
    "backoff": '{ initial = "1ms", max = "1ms" }',
    "give_up": "{ starts = 0 }",
    "check": '{ retry_interval = "10ms" }',
}


def restarts(project: Project) -> int:
    """Return how often all apps were restarted."""
    return sum(app["restarts"] for app in project.apps().values())


def holds(pid: int) -> tuple[int, int]:
    """Return how many descriptors a process has, and how many bytes of memory that is no file's."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = int(rollup.partition("\nAnonymous:")[2].split()[0])
    return len(os.listdir(f"/proc/{pid}/fd")), kilobytes * 1024


def at_rest(project: Project) -> tuple[int, int]:
    """Return what the manager holds while no app runs."""
    project.do("stop", "*")
    project.until(
        lambda: all(app["state"] == "stopped" for app in project.apps().values()), "all are stopped"
    )
    manager = project.manager()
    least = holds(manager)

    def is_steady() -> bool:
        nonlocal least
        before, least = least, holds(manager)
        return before[0] == least[0]

    project.until(is_steady, "the last connection is closed")
    return least


@pytest.mark.timeout(3600 if LONG else 120)
def test_after_many_restarts_the_manager_holds_what_it_held_before(project: Project) -> None:
    project.write(
        table("fails", '"false"', **FLAPPING),
        table("ends", '"true"', **FLAPPING),
        table("leaves", '"sleep 60 & exit 1"', shell="true", **FLAPPING),
        table("prints", '"echo one; echo two >&2; exit 3"', shell="true", **FLAPPING),
    )

    project.do("up", "--no-wait")

    def run(more: int) -> None:
        project.do("start", "*", "--no-wait")
        began = restarts(project)
        project.until(lambda: restarts(project) - began >= more, f"{more} restarts", 3000 if LONG else 60)

    run(WARM)
    descriptors, memory = at_rest(project)
    run(RESTARTS)
    _, memory_after = at_rest(project)
    project.until(
        lambda: holds(project.manager())[0] <= descriptors, f"no more than {descriptors} descriptors"
    )
    assert memory_after - memory < MOST_GROWTH
    assert not [words for words in project.processes().values() if "sleep" in words]


@pytest.mark.timeout(3600 if LONG else 120)
def test_descriptors_that_run_out_again_and_again_cost_no_app_anything(project: Project) -> None:
    chance = random.Random(3)
    ending = (
        table(f"ends-{code}", f'"sleep 0.05; exit {code}"', shell="true", **FLAPPING) for code in range(3)
    )
    project.write(*ending, table("stays", command("stay")))
    project.do("up", "--no-wait")
    stays = project.until_app("stays", state="running")["pid"]
    manager = project.manager()
    hard = int(Path(f"/proc/{manager}/limits").read_text().partition("Max open files")[2].split()[1])
    for _ in range(SHORTAGES):
        limit(manager, chance.choice((5, 8, 12, 20, 30)))
        asked = project.begin("status")  # nobody may be there to take it
        ticks = cpu(manager)
        project.until(lambda ticks=ticks: cpu(manager) > ticks + 5, "something happens meanwhile")  # type: ignore[misc]
        limit(manager, hard)
        out, err = asked.communicate(timeout=30)
        assert asked.returncode == 0, out + err
    began = restarts(project)
    project.until(lambda: restarts(project) > began + 10, "all goes on")
    assert (project.manager(), project.app("stays")["pid"]) == (manager, stays)
    at_rest(project)
    assert not [words for words in project.processes().values() if "sleep" in words]


@pytest.mark.timeout(3600 if LONG else 120)
def test_whatever_is_killed_or_stopped_at_random_every_app_comes_back_once(project: Project) -> None:
    chance = random.Random(11)
    kinds = {"web": "parent", "daemon": "daemon", "session": "detached", "worker": "stay"}
    forever = {
        "give_up": "{ starts = 0 }",
        "check": '{ failures = 2, timeout = "300ms", retry_interval = "100ms" }',
    }
    project.up(
        table("web", command("parent"), port=project.port(), **forever),
        table("daemon", command("daemon", stays=1), port=project.port(), **forever),
        table("session", command("detached"), **forever),
        table("worker", command("stay"), depends_on='["web"]', **forever),
    )
    with project.begin("logs", "-f") as follower:
        for _ in range(DEATHS):
            victims = list(project.processes())  # apps, the manager, the follower
            if not victims:
                project.do("up", "--no-wait")
                continue
            number = signal.SIGKILL if chance.random() < 0.8 else signal.SIGSTOP
            victim = chance.choice(victims)
            words = project.processes().get(victim, "")
            if "procman" in words and number == signal.SIGSTOP:
                continue  # a manager that is stopped is its user's doing
            try:
                os.kill(victim, number)
            except ProcessLookupError:
                continue
            if number == signal.SIGKILL:
                project.until(lambda victim=victim: not is_alive(victim), "its end")  # type: ignore[misc]
            if "procman.manager" in words:
                project.do("up", "--no-wait")
        follower.kill()
        follower.communicate()
    project.do("up", "--no-wait")
    for name, kind in kinds.items():

        def is_accounted_for(name: str = name, kind: str = kind) -> bool:
            alive = sorted(pid for pid, words in project.processes().items() if f"app.py {kind}" in words)
            for pid in alive:  # one of these has no check that would tell that it is stopped
                if name in ("session", "worker", "daemon"):
                    os.kill(pid, signal.SIGCONT)
            app = project.app(name)
            return app["state"] == "running" and sorted(app["pids"]) == alive

        project.until(is_accounted_for, f"one `{name}`, and no process more", 60)


@pytest.mark.timeout(900 if LONG else 120)
def test_many_apps_start_are_told_and_stop(project: Project) -> None:
    project.write(*(table(f"app-{number}", '"sleep 1e6"') for number in range(MANY)))
    project.do("up", patience=300)
    apps = project.apps()
    assert len(apps) == MANY
    assert {app["state"] for app in apps.values()} == {"running"}
    assert len({app["pid"] for app in apps.values()}) == MANY
    killed = sorted(apps)[MANY // 2]
    os.kill(apps[killed]["pid"], signal.SIGKILL)
    project.until_app(killed, state="running", restarts=1)
    project.do("stop", "*", patience=300)
    assert not [words for words in project.processes().values() if "sleep" in words]
    assert {app["state"] for app in project.apps().values()} == {"stopped"}
