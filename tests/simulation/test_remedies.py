"""Apps that failed for want of a file: left alone until it has changed, and started again by that."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procman.engine import remedies
from procman.engine.file_watch import SETTLE
from procman.host.base import Ended, Stage
from tests.fakes.programs import Child, Listen, Program, Taken, server
from tests.simulation.village import Village

PROJECT = """\
[apps.web]
command = "npm run dve"
cwd = "web"
port = 5173
"""
NO_SCRIPT = b'npm error Missing script: "dve"\nnpm error\nnpm error To see a list of scripts, run:\n'
NO_MODULE = b"""\
node:internal/modules/cjs/loader:1210
  throw err;
  ^

Error: Cannot find module 'express'
Require stack:
- %s/web/server.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)

Node.js v20.20.2
"""

Found = Callable[..., Village]


def fails(output: bytes, after: float = 0.4, code: int = 1, **more: object) -> Program:
    """Return a program that says why it can't start, and ends."""
    writes = ((after - 0.1, output),)
    return Program(writes=writes, exits_after=after, code=code, **more)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the app, with a package.json that lacks the script."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "package.json").write_text('{"scripts": {"dev": ""}}')
    (folder / "server.js").touch()
    return folder


@pytest.fixture
def found(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Found]:
    villages: list[Village] = []
    # The files are real: their times and those of the simulation have to be of the same day.
    monkeypatch.setattr("tests.fakes.host.EPOCH", time.time() - 1000.0)

    def make(*programs: Program, text: str = PROJECT) -> Village:
        village = Village(tmp_path, text)
        village.machine.programs["npm run dve"] = programs
        villages.append(village)
        return village

    yield make
    for village in villages:
        village.end()


def failed(village: Village) -> Village:
    """Bring the village up, and return it once its app has failed at its first start."""
    village.up()
    village.until(lambda: village.states()["web"] == "failed", within=10)
    assert village.starts("npm run dve") == 1
    return village


def name_script(folder: Path) -> None:
    (folder / "package.json").write_text('{"scripts": {"dve": ""}}')


def watched(village: Village) -> list[str]:
    """Return which files are waited for, besides the project's own."""
    own = (str(village.file), str(village.file.with_suffix(".local.toml")))
    return [each.path for each in village.host._files if each.path not in own]


def test_a_cause_that_no_restart_cures_costs_none_and_is_cured_by_its_file(
    found: Found, folder: Path
) -> None:
    village = failed(found(fails(NO_SCRIPT), server(after=0.3)))
    app = village.engine.apps["web"]
    assert app.reason == (
        "exited with code 1: there is no script `dve` in web/package.json; did you mean `dev`?"
    )
    village.advance(3600)
    assert (village.states()["web"], app.restarts, app.starts) == ("failed", 0, app.starts[:1])
    assert village.engine.status()["apps"][0]["cause"]["kind"] == "missing script"
    name_script(folder)
    took = village.until(village.is_up, within=10)
    assert SETTLE < took < 3
    assert village.engine.apps["web"].cause == "restarted: `web/package.json` has changed"
    assert watched(village) == []


def test_the_same_cause_again_is_waited_for_again(found: Found, folder: Path) -> None:
    village = failed(found(fails(NO_SCRIPT), fails(NO_SCRIPT), server()))
    (folder / "package.json").write_text('{"scripts": {"start": ""}}')
    village.until(lambda: village.starts("npm run dve") == 2)
    village.advance(60)
    assert village.states()["web"] == "failed"
    name_script(folder)
    village.until(village.is_up, within=10)
    assert village.engine.apps["web"].restarts == 0


def test_a_change_between_the_exit_and_the_wait_counts(found: Found, folder: Path) -> None:
    slow = Program(drains={"SIGTERM": 3.0})  # what the run leaves behind takes its time
    village = found(fails(NO_SCRIPT, children=(Child(slow),)), server())
    village.up()
    village.until(lambda: village.states()["web"] == "stopping")
    name_script(folder)
    village.advance(0.5)
    assert village.states()["web"] == "stopping"
    village.until(village.is_up, within=10)
    assert "failed" in village.transitions("web")


def test_a_file_that_is_gone_is_no_change_until_it_is_back(found: Found, folder: Path) -> None:
    village = failed(found(fails(NO_SCRIPT), server()))
    text = (folder / "package.json").read_text()
    (folder / "package.json").unlink()
    village.advance(60)
    assert village.states()["web"] == "failed"
    (folder / "package.json").write_text(text)
    village.until(village.is_up, within=10)


def test_a_file_that_is_still_written_is_waited_for(found: Found, folder: Path) -> None:
    village = failed(found(fails(NO_SCRIPT), server()))
    for size in range(10):
        (folder / "package.json").write_text(" " * size + "{}")
        village.advance(SETTLE / 2)
        assert village.states()["web"] == "failed"
    village.until(village.is_up, within=10)


def test_an_install_is_waited_for_to_its_end(found: Found, folder: Path) -> None:
    village = failed(found(fails(NO_SCRIPT), server()))
    install = village.machine.start(Program(), "npm install", cwd=str(folder))
    name_script(folder)
    village.advance(30)
    assert village.states()["web"] == "failed"
    village.machine.end(install, Ended(0, None))
    village.until(village.is_up, within=10)


def test_what_fails_during_an_install_is_not_given_up(found: Found, folder: Path) -> None:
    village = found(fails(NO_SCRIPT), server())
    install = village.machine.start(Program(), "npm install", cwd=str(folder))
    village.up()
    village.until(lambda: village.states()["web"] == "backoff")
    village.advance(30)
    assert village.engine.apps["web"].held is not None
    village.machine.end(install, Ended(0, None))
    village.until(village.is_up, within=10)


@pytest.mark.parametrize("changed", [True, False])
def test_the_next_manager_sees_what_changed_while_none_ran(found: Found, folder: Path, changed: bool) -> None:
    village = failed(found(fails(NO_SCRIPT), server()))
    village.kill_manager()
    village.advance(60)
    if changed:
        name_script(folder)
        later = time.time() + 3600
        os.utime(folder / "package.json", (later, later))
    village.manage()
    if changed:
        village.until(village.is_up, within=10)
    else:
        village.advance(60)
        assert village.states()["web"] == "failed"
        name_script(folder)
        village.until(village.is_up, within=10)


def test_what_could_not_be_started_after_an_exit_is_not_tried_once_more_by_the_next_manager(
    found: Found, folder: Path
) -> None:
    village = found(text=PROJECT.replace("npm run dve", "./serve"))
    village.machine.programs["./serve"] = Program(exits_after=0.4, code=1)
    village.up()
    village.until(lambda: village.states()["web"] == "backoff")
    (folder / "serve").touch(mode=0o644)
    between = village.host.wall() + 0.2
    os.utime(folder / "serve", (between, between))
    village.machine.refusal = Stage.EXECUTE, errno.EACCES
    village.until(lambda: village.states()["web"] == "failed")
    village.machine.refusal = None
    village.kill_manager()
    village.manage()
    village.advance(10)
    assert (village.states()["web"], village.starts("./serve")) == ("failed", 1)


def test_a_hand_over_leaves_no_wait_behind(found: Found) -> None:
    village = failed(found(fails(NO_SCRIPT)))
    assert watched(village) != []
    village.engine.hand_over()
    assert watched(village) == []
    village.host.die()
    village.manage()
    assert watched(village) != []


@pytest.mark.parametrize("how", ["stop", "remove"])
def test_who_wants_the_app_down_ends_the_wait(found: Found, folder: Path, how: str) -> None:
    village = found(fails(NO_SCRIPT), text=PROJECT + '\n[apps.other]\ncommand = "node other.js"\n')
    village.machine.programs["node other.js"] = Program()
    failed(village)
    if how == "stop":
        village.engine.stop(["web"])
    else:
        village.edit("[apps.web]", "[apps.web]\nenabled = false")
        village.engine.reload()
    village.until(lambda: "failed" not in village.states().values())
    assert watched(village) == []


def test_a_server_that_was_up_with_the_same_files_is_restarted(found: Found, folder: Path) -> None:
    output = NO_MODULE % os.fsencode(folder.parent)
    (folder / "node_modules").mkdir()
    serving = fails(output, after=30.0, listens=(Listen(5173),))
    village = found(serving, server())
    village.up()
    village.until(village.is_up)
    village.until(lambda: village.engine.apps["web"].restarts == 1)
    village.until(village.is_up, within=10)


def test_a_server_whose_source_has_changed_since_is_not(found: Found, folder: Path) -> None:
    output = NO_MODULE % os.fsencode(folder.parent)
    (folder / "node_modules").mkdir()
    village = found(fails(output, after=30.0, listens=(Listen(5173),)), server())
    village.up()
    village.until(village.is_up)
    later = time.time() + 3600
    os.utime(folder / "server.js", (later, later))
    village.until(lambda: village.states()["web"] == "failed")
    assert village.engine.apps["web"].restarts == 0
    (folder / "node_modules" / "express").write_text("a link, say")
    village.until(village.is_up, within=10)


def test_a_program_without_a_check_proves_itself_by_its_age(found: Found, folder: Path) -> None:
    text = PROJECT.replace("port = 5173\n", "")
    village = found(fails(NO_SCRIPT, after=30.0), server(), text=text)
    village.up()
    village.until(lambda: village.states()["web"] == "failed")
    assert village.engine.apps["web"].restarts == 0


def watcher(folder: Path, *, again: float | None) -> Program:
    """Return what nodemon does: its server crashes, and is started again after a while."""
    output = NO_MODULE % os.fsencode(folder.parent) + b"[nodemon] app crashed - waiting for file changes\n"
    back = () if again is None else (Listen(5173, after=again, taken=Taken.EXIT),)
    return Program(writes=((0.2, output),), listens=back)


def test_a_watcher_is_left_alone_and_restarted_by_the_file(found: Found, folder: Path) -> None:
    (folder / "node_modules").mkdir()
    village = found(watcher(folder, again=None), server())
    village.up()
    village.until(lambda: village.states()["web"] == "unhealthy", within=6)
    village.advance(120)
    app = village.engine.apps["web"]
    assert (app.state.value, app.restarts) == ("unhealthy", 0)
    (folder / "node_modules" / "express").write_text("a link, say")
    assert 4 < village.until(village.is_up, within=10) < 6, "it is the watcher's turn first"
    assert village.starts("npm run dve") == 2


def test_a_watcher_that_helps_itself_is_not_restarted(found: Found, folder: Path) -> None:
    (folder / "node_modules").mkdir()
    village = found(watcher(folder, again=30.0))
    village.up()
    village.until(lambda: village.states()["web"] == "unhealthy", within=6)
    village.advance(30.0 - village.host.now() + 1000.0)
    (folder / "server.js").write_text("// without express")
    village.until(village.is_up, within=10)
    village.advance(60)
    assert village.starts("npm run dve") == 1
    assert watched(village) == []


def test_what_is_never_restarted_lives_on_also_when_its_file_changes(found: Found, folder: Path) -> None:
    (folder / "node_modules").mkdir()
    village = found(watcher(folder, again=None), text=PROJECT + 'restart = "never"\n')
    village.up()
    village.until(lambda: village.states()["web"] == "unhealthy", within=6)
    assert watched(village) == []


def test_a_command_that_is_not_there_is_waited_for(found: Found, folder: Path) -> None:
    village = found(text=PROJECT.replace("npm run dve", "node_modules/.bin/vite"))
    (folder / "package.json").write_text(json.dumps({"dependencies": {"vite": "8"}}))
    village.up()
    village.until(lambda: village.states()["web"] == "failed")
    reason = village.engine.apps["web"].reason
    assert reason.endswith(
        "`vite` is not installed: there is no node_modules in web; run `npm install` in web"
    )
    village.machine.programs["node_modules/.bin/vite"] = server()
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / ".package-lock.json").touch()
    village.until(village.is_up, within=10)


@pytest.mark.parametrize("code", [137, 143])
def test_nothing_is_read_for_what_a_signal_has_killed(
    found: Found, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def read(*_: object) -> list[str]:
        raise AssertionError("its replacement waits for this")

    monkeypatch.setattr(remedies, "tail", read)
    village = found(Program(exits_after=5.0, code=code, listens=(Listen(5173),)), server())
    village.up()
    village.until(village.is_up)
    village.until(lambda: village.starts("npm run dve") == 2, within=10)
    village.machine.signal(village.processes("web")[0], "SIGKILL")
    village.until(lambda: village.engine.apps["web"].restarts == 2, within=10)


def test_a_log_that_cannot_be_read_tells_no_cause(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(remedies, "tail", read)
    village = found(fails(NO_SCRIPT), server())
    village.up()
    village.until(village.is_up, within=10)
    assert village.engine.apps["web"].restarts == 1


def test_a_mistake_of_our_own_costs_the_cause_and_nothing_else(
    found: Found, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise ValueError("of our own")

    monkeypatch.setattr("procman.core.recognition.recognise", mistaken)
    village = found(fails(NO_SCRIPT), server())
    village.up()
    village.until(lambda: village.states()["web"] == "running", within=30)
    assert village.starts("npm run dve") == 2, "its end was known, and it was restarted by the rule"
