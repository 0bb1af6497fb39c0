"""The manager is killed: its apps live on, no line is lost, and the next one takes them back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real.project import PATIENCE, Project, command, is_alive, is_open, table

KILLS = int(os.environ.get("PROCMAN_KILLS", "12"))  # 200: ARGS='-k any_moment --timeout=900'


def kill_manager(project: Project) -> None:
    """Kill the manager as the kernel does when memory is short."""
    pid = project.manager()
    os.kill(pid, signal.SIGKILL)
    project.until(lambda: not is_alive(pid), "the end of the manager")
    assert project.run("status").code == 3


def test_the_same_processes_are_taken_back(project: Project) -> None:
    port = project.port()
    project.up(
        table("web", command("parent"), port=port, depends_on='["worker"]'),
        table("worker", command("stay")),
        table("once", command("leave"), restart='"never"'),
        table("off", command("stay"), autostart="false"),
    )
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    before = project.apps()
    kill_manager(project)
    assert is_open(port)
    project.do("up")
    after = project.apps()
    for name in ("web", "worker"):
        assert after[name]["pids"] == before[name]["pids"]
        assert after[name]["state"] == "running"
    assert after["web"]["verdict"] == "own"
    assert after["web"]["restarts"] == 1
    assert after["once"]["state"] == "completed", "what was done is not done again"
    assert after["off"]["state"] == "stopped"
    assert after["web"]["uptime_s"] > before["web"]["uptime_s"]
    os.kill(after["web"]["pids"][1], signal.SIGKILL)
    assert project.until_app("web", state="running", restarts=2)["pids"] != before["web"]["pids"]


def test_it_is_told_which_apps_live_on_and_what_to_type(project: Project) -> None:
    project.up(table("web", command("stay")), table("worker", command("stay")))
    kill_manager(project)
    for words in (["status"], ["stop", "web"]):
        done = project.run(*words)
        assert (done.code, done.out) == (3, "")
        assert "no manager runs for `portwatch.toml`, but 2 of its apps live on: `web`, `worker`" in done.err
        assert "`procman up` takes them back as they are, `procman down` ends them" in done.err
    project.do("down")
    assert "live on" not in project.run("status").err


def test_no_line_is_lost_or_doubled(project: Project) -> None:
    total = 30_000
    project.up(table("web", command("count", rate=10_000, lines=total)))
    pid = project.app("web")["pid"]
    for _ in range(3):
        time.sleep(0.2)  # of output
        kill_manager(project)
        time.sleep(0.2)  # of output that nobody reads: 60 KB in a pipe of 1 MiB
        project.do("up")
    assert project.app("web")["pid"] == pid
    project.until(
        lambda: project.lines("web")[-1:] == [f"line {total - 1} of its output"], "the last line", 30
    )
    assert project.lines("web") == [f"line {number} of its output" for number in range(total)]


def test_an_app_that_has_left_the_file_meanwhile_is_ended(project: Project) -> None:
    project.up(table("web", command("stay")), table("other", command("stay")))
    before = project.apps()
    kill_manager(project)
    project.write(table("web", command("stay")))
    project.do("up")
    project.until(lambda: set(project.apps()) == {"web"}, "the end of the other")
    assert not is_alive(before["other"]["pid"])
    assert project.app("web")["pid"] == before["web"]["pid"]


def test_an_app_whose_table_has_changed_meanwhile_is_restarted(project: Project) -> None:
    project.up(table("web", command("stay")), table("other", command("stay")))
    before = project.apps()
    kill_manager(project)
    project.write(table("web", command("stay", say="new")), table("other", command("stay")))
    project.do("up")
    project.until(lambda: project.lines("web")[-1:] == ["new"], "the new command")
    assert not is_alive(before["web"]["pid"])
    assert project.app("other")["pid"] == before["other"]["pid"]


def test_an_app_that_ended_meanwhile_is_started(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("serve"), port=port))
    old = project.app("web")["pid"]
    kill_manager(project)
    os.kill(old, signal.SIGKILL)
    project.until(lambda: not is_alive(old), "its end")
    project.do("up")
    app = project.app("web")
    assert (app["state"], app["verdict"]) == ("running", "own")
    assert app["pid"] != old


def test_a_daemon_whose_leader_ended_meanwhile_is_not_doubled(project: Project) -> None:
    port = project.port()
    project.up(table("web", command("daemon", stays=1), port=port))
    leader, server = project.app("web")["pids"]
    kill_manager(project)
    os.kill(leader, signal.SIGKILL)
    project.do("up")
    app = project.until_app("web", state="running", verdict="own")
    assert not is_alive(leader)
    assert not is_alive(server) or app["pids"] == [server]
    assert len([words for words in project.processes().values() if " daemon" in words]) == len(app["pids"])


@pytest.mark.parametrize("records", ["kept", "lost"])
def test_down_without_a_manager_ends_what_is_left(project: Project, records: str) -> None:
    port = project.port()
    project.up(table("web", command("daemon", stays=1), port=port), table("worker", command("stay")))
    pids = [pid for app in project.apps().values() for pid in app["pids"]]
    kill_manager(project)
    if records == "lost":
        shutil.rmtree(project.home / "run")
    done = project.do("down")
    assert not [pid for pid in pids if is_alive(pid)], done.text
    assert not is_open(port)
    assert not project.processes()


def test_an_up_in_the_middle_of_a_stop_goes_on_with_it(project: Project) -> None:
    project.up(table("web", command("stay", deaf=1), stop_timeout='"1s"'))
    project.until(lambda: project.lines("web"), "its first line")
    old = project.app("web")["pid"]
    project.do("stop", "--no-wait", "web")
    project.until_app("web", state="stopping")
    kill_manager(project)
    project.do("up")
    app = project.until_app("web", state="running")
    assert app["pid"] != old
    assert not is_alive(old)


def changed(record: bytes, **values: object) -> bytes:
    """Return a record with other values."""
    document = json.loads(record)
    assert values.keys() <= document.keys()
    return json.dumps({**document, **values}).encode()


Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "truncated": lambda record: record[: len(record.rstrip()) // 2],
    "of another type": lambda _: b"[]",
    "binary": lambda _: b"\xff\x00garbage",
    "incomplete": lambda _: b'{"version": 1}',
    "of a newer version": lambda record: changed(record, version=999),
    "of another boot": lambda record: changed(record, boot="another boot"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_hides_no_app_and_starts_none_twice(project: Project, damage: Damage) -> None:
    port = project.port()
    project.up(table("web", command("parent"), port=port))
    before = project.app("web")["pids"]
    kill_manager(project)
    (record,) = (project.home / "run").glob("*.json")
    record.write_bytes(damage(record.read_bytes()))
    project.do("up")
    app = project.until_app("web", state="running", verdict="own")
    assert app["pids"] == before


@pytest.mark.parametrize("app", ["has ended", "lives"])
@pytest.mark.parametrize("record", ["recycled", "forged", "of another boot"])
def test_a_record_that_names_a_stranger_does_it_no_harm(project: Project, record: str, app: str) -> None:
    project.up(table("web", command("stay")))
    old = project.app("web")["pid"]
    kill_manager(project)
    if app == "has ended":
        os.kill(old, signal.SIGKILL)
        project.until(lambda: not is_alive(old), "its end")
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        # Even with the right start time: what is not marked as the app's own is not the app's to end.
        its_own = int(Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19])
        (path,) = (project.home / "run").glob("*.json")
        kept = json.loads(path.read_bytes())
        leader = [stranger.pid, kept["leader"][1] if record == "recycled" else its_own]
        boot = "another boot" if record == "of another boot" else kept["boot"]
        path.write_bytes(changed(path.read_bytes(), leader=leader, boot=boot))
        project.run("up")
        shown = project.app("web")["pids"]
        down = project.run("down")
        harmed = stranger.poll() is not None
        stranger.kill()
    assert not harmed, f"the stranger was ended: {down.out}"
    assert stranger.pid not in shown
    assert down.code == 0


SMALL = '{ max_size = "20kB", keep = 3 }'  # half a second of 2,000 lines a second
COMMANDS = [
    ("up",), ("up", "--no-wait"), ("start", "first", "second"), ("stop", "first"),
    ("stop", "--force", "second"), ("restart", "second"), ("restart", "first", "second"), ("reload",),
    ("status", "--json"),
]  # fmt: skip


class Chaos:
    """A project whose file is edited, whose apps are told this and that, and whose manager is killed."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project = project
        self.chance = random.Random(seed)
        self.notes = project.path("notes")
        self.turn = 0

    def edit(self) -> None:
        """Change a key that costs a restart, one that costs nothing, and whether there is a third app."""
        self.turn += 1
        names = ["first", "second", *(["third"] if self.chance.random() < 0.5 else [])]
        self.project.write(
            self._table("logger", rate=10_000, logs='{ max_size = "1MB", keep = 1000 }'),
            *(self._table(name, rate=2000, logs=SMALL, **self._keys()) for name in names),
        )

    def _table(self, name: str, *, rate: int, **keys: object) -> str:
        return table(name, command("alone", name=name, rate=rate, note=self.notes), **keys)

    def _keys(self) -> dict[str, object]:
        interval = f'"{self.chance.randint(1, 9)}s"'
        changed = self.turn if self.chance.random() < 0.3 else 0
        return {"check_interval": interval, "env": f'{{ TURN = "{changed}" }}'}

    def kill(self) -> None:
        """Kill the manager, if there is one, in the middle of whatever it does; and sometimes an app too."""
        victims = ["procman.manager", *(["name=second"] if self.chance.random() < 0.3 else [])]
        for pid, words in self.project.processes().items():
            if any(victim in words for victim in victims):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def round(self) -> None:
        """Have the manager do something, and kill it at a random moment of that."""
        words = self.chance.choice(COMMANDS)
        if words[0] != "up":
            self.project.run("up", "--no-wait")
        if self.chance.random() < 0.5:
            self.edit()
        with self.project.begin(*words) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.chance.uniform(0, 0.6))
            self.kill()
            process.communicate(timeout=PATIENCE)

    def runs(self) -> dict[str, list[tuple[int, str]]]:
        """Return what each app has noted of itself, in order: its pid, and what happened."""
        noted: dict[str, list[tuple[int, str]]] = {}
        for line in self.notes.read_text().splitlines():
            name, pid, what = line.split()
            noted.setdefault(name, []).append((int(pid), what))
        return noted


def test_a_manager_that_is_killed_at_any_moment_loses_nothing_and_doubles_nothing(project: Project) -> None:
    chaos = Chaos(project, seed=KILLS)
    chaos.edit()
    project.do("up")
    logger = project.app("logger")["pids"]
    for _ in range(KILLS):
        chaos.round()
    project.run("up", "--no-wait")
    assert project.app("logger")["pids"] == logger
    project.do("up")

    apps = project.apps()
    assert {app["state"] for app in apps.values()} == {"running"}
    alive = {pid for pid, words in project.processes().items() if "app.py" in words}
    assert alive == {pid for app in apps.values() for pid in app["pids"]}, "no orphan, and one process an app"
    noted = chaos.runs()
    assert noted["logger"] == [(logger[0], "started")]
    for name, notes in noted.items():
        assert "doubled" not in {what for _, what in notes}, f"there were two of `{name}`"
        starts = [pid for pid, what in notes if what == "started"]
        assert len(starts) == len(set(starts))
        assert name not in apps or notes[-1] == (apps[name]["pid"], "started")
    project.do("stop", "*")
    assert_complete(project)


def assert_complete(project: Project) -> None:
    """Demand every line of the logger, once and in order; of the others, no gap and no doubled line in a run.

    Where an app ends while no manager runs, what it printed last and nobody has read is gone with its pipe.
    """
    lines = project.lines("logger", patience=PATIENCE + KILLS)  # some 10,000 lines a kill
    assert lines[-1] == f"printed {len(lines) - 1} lines"
    assert lines[:-1] == [f"line {number} of its output" for number in range(len(lines) - 1)]
    assert len(lines) > KILLS * 1000, "it printed all the while"
    for name in ("first", "second"):
        kept: dict[int, list[int]] = {}
        for line in map(json.loads, project.lines(name, "--json")):
            if found := re.fullmatch(r"line (\d+) of its output", line["text"]):
                kept.setdefault(line["run"], []).append(int(found[1]))
        for numbers in kept.values():
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
