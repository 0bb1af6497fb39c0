"""Every cause that is recognised, made for real with npm and node: named, not fought, mended by its file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.real.npm import NEXT, NEXT_FILES, Install, NpmApp
from tests.real.project import Project, is_open, table
from tests.real.test_ports import stranger

pytestmark = [pytest.mark.npm, pytest.mark.slow, pytest.mark.usefixtures("npm")]

DEV = '"npm run dev"'
SERVER = "require('http').createServer((request, response) => response.end('up')).listen(process.env.PORT)\n"
PACKAGE: dict[str, object] = {"private": True, "scripts": {"dev": "node server.js"}}
OTHER_PLATFORM = pytest.mark.skipif(sys.platform != "linux", reason="a limit of Linux")

Files = Mapping[str, object]
Mend = Callable[[Project, Path], object]


def package(**changes: object) -> dict[str, object]:
    """Return a package.json that differs from the usual one."""
    return {**PACKAGE, **changes}


def lay(folder: Path, files: Files) -> None:
    """Write files, as JSON where they are not text; a script is executable if it says what runs it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        if str(content).startswith("#!/usr"):
            path.chmod(0o755)


def write(**files: object) -> Mend:
    """Mend by writing files; `__` in a name is its dot, `_in_` a folder's slash."""
    named = {name.replace("_in_", "/").replace("__", "."): content for name, content in files.items()}
    return lambda project, folder: lay(folder, named)


def npm_install(project: Project, folder: Path) -> None:
    """Mend by what the remedy says."""
    subprocess.run(
        ["npm", "install"], cwd=folder, env=project.environment, check=True, capture_output=True, timeout=60
    )


@dataclass(frozen=True)
class Case:
    """What is wrong, how it is called, and what mends it."""

    files: Files
    kind: str
    says: tuple[str, ...]
    mend: Mend
    command: str = DEV
    keys: Mapping[str, str] = field(default_factory=dict)


LOCAL = {
    "greeting/package.json": {"name": "greeting", "version": "1.0.0", "bin": {"greet": "greet.js"}},
    "greeting/index.js": "",
    "greeting/greet.js": "#!/usr/bin/env node\nrequire('../server.js')\n",
}
ASKS = {"greeting": "file:greeting"}

HOPELESS = {
    "missing script": Case(
        {"package.json": PACKAGE},
        "missing script",
        ("there is no script `dve` in web/package.json; did you mean `dev`?",),
        write(package__json=package(scripts={"dve": "node server.js"})),
        command='"npm run dve"',
    ),
    "no package.json": Case(
        {},
        "no package.json",
        ("there is no web/package.json; is its `cwd` right?",),
        write(package__json=PACKAGE),
    ),
    "broken package.json": Case(
        {"package.json": '{"scripts" {}}'},
        "broken package.json",
        ("web/package.json is not valid JSON: line 1, column 12",),
        write(package__json=PACKAGE),
    ),
    "node_modules": Case(
        {**LOCAL, "package.json": package(scripts={"dev": "greet"}, devDependencies=ASKS)},
        "missing node_modules",
        ("`greet` is not installed: there is no node_modules in web; run `npm install` in web",),
        npm_install,
    ),
    "package of package.json": Case(
        {
            **LOCAL,
            "package.json": package(dependencies=ASKS),
            "node_modules/other/index.js": "",
            "server.js": f"require('greeting'); {SERVER}",
        },
        "missing module",
        ("`greeting` is in web/package.json, but not installed; run `npm install` in web",),
        npm_install,
    ),
    "package": Case(
        {"package.json": PACKAGE, "server.mjs": "import 'greeting'\nimport './server.js'\n"},
        "missing module",
        ("no package `greeting`, which web/server.mjs asks for; run `npm install greeting` in web",),
        write(
            node_modules_in_greeting_in_package__json={"main": "a.js"}, node_modules_in_greeting_in_a__js=""
        ),
        command='"node server.mjs"',
    ),
    "file": Case(
        {"package.json": PACKAGE, "server.js": f"require('./lib/tools'); {SERVER}", "lib/tool.js": ""},
        "missing file",
        ("no web/lib/tools, which web/server.js asks for; did you mean web/lib/tool.js?",),
        write(lib_in_tools__js=""),
    ),
    "build": Case(
        {"package.json": package(scripts={"dev": "node dist/main", "build": "…"})},
        "missing file",
        ("there is no web/dist/main; run `npm run build` in web",),
        write(dist_in_main__js="require('../server.js')"),
    ),
    "command": Case(
        {"package.json": package(scripts={"dev": "greet --loudly"})},
        "command not found",
        ("there is no command `greet`, neither in node_modules/.bin nor on the PATH",),
        write(**{"node_modules_in_.bin_in_greet": "#!/usr/bin/env -S node -r ./server.js\n"}),
    ),
    "command of its own": Case(
        {},
        "command not found",
        ("there is no web/serve.sh",),
        write(serve__sh="#!/usr/bin/env -S node -r ./server.js\n"),
        command='"./serve.sh"',
    ),
    "engine": Case(
        {
            ".npmrc": "engine-strict=true\n",
            "package.json": package(name="web", version="1.0.0", engines={"node": ">=99"}),
        },
        "unsupported engine",
        ("`prepare` failed: `npm install` exited with code 1: web@1.0.0 needs node >=99, and this is v",),
        write(package__json=PACKAGE),
        keys={"prepare": '"npm install"'},
    ),
    "option of node": Case(
        {"package.json": package(scripts={"dev": "node --no-such-option server.js"})},
        "unsupported engine",
        ("this node has no `--no-such-option`",),
        write(package__json=PACKAGE),
    ),
    "lock file": Case(
        {
            **LOCAL,
            "package.json": package(dependencies=ASKS),
            "package-lock.json": {"lockfileVersion": 3, "packages": {"": {}}},
        },
        "lock file out of date",
        ("web/package-lock.json does not fit package.json", "run `npm install` in web"),
        npm_install,
        keys={"prepare": '"npm ci"'},
    ),
    "import in CommonJS": Case(
        {"package.json": PACKAGE, "server.cjs": "import 'http'\n"},
        "module system mismatch",
        ("web/server.cjs uses `import`, but is loaded as CommonJS; rename it to .mjs",),
        write(server__cjs=SERVER),
        command='"node server.cjs"',
    ),
    "require in an ES module": Case(
        {"package.json": package(type="module")},
        "module system mismatch",
        (
            "web/server.js uses `require`, but is loaded as an ES module",
            'take `"type": "module"` out of web/package.json',
        ),
        write(package__json=PACKAGE),
    ),
    "not executable": Case(
        {"package.json": package(scripts={"dev": "./dev.sh"}), "dev.sh": "#!/bin/sh\nexec node server.js\n"},
        "permission denied",
        ("web/dev.sh is not executable; `chmod +x web/dev.sh` makes it so",),
        lambda project, folder: (folder / "dev.sh").chmod(0o755),
    ),
    "folder": Case(
        {},
        "missing folder",
        ("its `cwd` web is not there",),
        lambda project, folder: shutil.move(project.path("elsewhere"), folder),
        command='"node server.js"',
    ),
}


def begin(project: Project, case: Case) -> Path:
    """Write a project that has one of the troubles, and return the app's folder."""
    folder = project.path("elsewhere" if case.kind == "missing folder" else "web")
    lay(folder, {"server.js": SERVER, **case.files})
    project.write(table("web", case.command, cwd='"web"', port=project.port(), **case.keys))
    return project.path("web")


@pytest.mark.parametrize("name", HOPELESS)
def test_a_cause_that_no_restart_cures_is_told_at_once_and_mended_by_its_file(
    project: Project, name: str
) -> None:
    case = HOPELESS[name]
    folder = begin(project, case)
    up = project.run("up")
    assert up.code == 1
    app = project.app("web")
    assert (app["state"], app["restarts"]) == ("failed", 0), app
    assert app["cause"]["kind"] == case.kind, app
    for words in case.says:
        assert words in app["message"]
        assert words in up.text
    case.mend(project, folder)
    app = project.until_app("web", 30, state="running")
    assert app["restarts"] == 0
    assert app["cause"] is None
    assert "has changed" in app["last_event"]


LIMITED = "unshare --user --map-root-user sh -c 'echo 3 > /proc/sys/user/max_inotify_%s; exec node server.js'"
WATCHING = """
const fs = require('fs')
for (const name of ['a', 'b', 'c', 'd', 'e']) { fs.mkdirSync(name, { recursive: true }); fs.watch(name) }
"""
ALONE = {
    "heap": (
        "node --max-old-space-size=30 server.js",
        "const all = []; for (;;) all.push(new Array(1e5).fill({}))",
    ),
    "port below 1024": (
        "unshare --user node server.js",
        "require('http').createServer().listen(80, '127.0.0.1')",
    ),
    "watched files": (LIMITED % "watches", WATCHING),
    "file watchers": ((LIMITED % "instances").replace("3", "0"), WATCHING),
}


def fails(project: Project, name: str) -> dict[str, Any]:
    """Return the status of an app with a trouble that is not in its folder, once it has failed."""
    script, source = ALONE[name]
    lay(project.path("web"), {"package.json": package(scripts={"dev": script}), "server.js": source})
    project.write(table("web", DEV, cwd='"web"', port=project.port()))
    assert project.run("up").code == 1
    return project.app("web")


@OTHER_PLATFORM
@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("port below 1024", "permission denied", "it may not listen on port 80: one below 1024 is for root"),
        (
            "watched files",
            "inotify limit",
            "the limit of watched files is reached, `fs.inotify.max_user_watches`",
        ),
        (
            "file watchers",
            "inotify limit",
            "the limit of file watchers is reached, `fs.inotify.max_user_instances`",
        ),
    ],
)
def test_a_limit_of_the_machine_is_named_with_what_raises_it(
    project: Project, name: str, kind: str, says: str
) -> None:
    app = fails(project, name)
    if app["cause"] is None and "unshare" in "".join(project.lines("web")):
        pytest.skip("no user namespace can be made here")
    assert (app["state"], app["restarts"], app["cause"]["kind"]) == ("failed", 0, kind), app
    assert says in app["message"]
    assert "`sudo sysctl " in app["cause"]["remedy"]


def test_a_full_heap_is_named_and_restarted_by_the_rule(project: Project) -> None:
    fails(project, "heap")
    # Between two failures the next run starts, of which nothing is known yet.
    app = project.until(lambda: (found := project.app("web"))["cause"] and found, "its next failure")
    assert app["cause"]["kind"] == "out of heap"
    assert "node ran out of heap at " in app["message"]
    assert "--max-old-space-size=4096" in app["message"]
    assert app["restarts"] > 0


def test_a_port_that_is_taken_is_named_with_its_holder(project: Project) -> None:
    taken = project.port()
    source = f"require('http').createServer().listen({taken}, '127.0.0.1')"
    lay(project.path("web"), {"package.json": PACKAGE, "server.js": source})
    project.write(table("web", DEV, cwd='"web"'))
    with stranger(taken) as pid:
        assert project.run("up").code == 1
        app = project.until(lambda: (app := project.app("web"))["state"] == "backoff" and app, "a restart")
        assert app["cause"]["kind"] == "port in use"
        assert f"port {taken} is in use by pid {pid}" in app["message"]
        assert f"`procman free {taken}` ends that" in app["message"]
        assert app["restarts"] > 0
    project.do("start", "web")
    project.until_app("web", state="running")


def test_a_watcher_that_lives_on_is_told_by_up_and_restarted_when_the_package_is_there(
    project: Project,
) -> None:
    folder = project.path("web")
    files = {"package.json": PACKAGE, "server.js": f"require('greeting'); {SERVER}"}
    lay(folder, files)
    port = project.port()
    project.write(table("web", '"node --watch server.js"', cwd='"web"', port=port))
    up = project.run("up")
    app = project.app("web")
    assert up.code == 1
    assert (app["state"], app["restarts"], app["cause"]["kind"]) == ("unhealthy", 0, "missing module"), app
    assert "there is no package `greeting`, which web/server.js asks for" in up.text
    assert "a restart can't mend that" in app["message"]
    lay(folder, {"node_modules/greeting/index.js": ""})
    app = project.until_app("web", 30, state="running")
    assert app["restarts"] == 0
    assert is_open(port)


@pytest.mark.parametrize(("restart", "state"), [("on-failure", "failed"), ("never", "completed")])
def test_what_is_not_restarted_anyway_says_the_cause_too(project: Project, restart: str, state: str) -> None:
    begin(project, HOPELESS["missing script"])
    text = project.file.read_text()
    project.file.write_text(f'{text}restart = "{restart}"\n')
    assert project.run("up").code == 1
    app = project.app("web")
    assert (app["state"], app["restarts"]) == (state, 0)
    assert "there is no script `dve` in web/package.json" in app["message"]


def test_a_file_that_changed_while_no_manager_ran_brings_the_app_back_too(project: Project) -> None:
    case = HOPELESS["missing script"]
    folder = begin(project, case)
    assert project.run("up").code == 1
    os.kill(project.manager(), signal.SIGKILL)
    case.mend(project, folder)
    project.run("up", "--no-wait")
    app = project.until_app("web", 30, state="running")
    assert app["restarts"] == 0


def test_an_app_that_waits_for_its_file_is_stopped_and_started_as_any_other(project: Project) -> None:
    case = HOPELESS["missing script"]
    folder = begin(project, case)
    project.run("up")
    project.do("stop", "web")
    case.mend(project, folder)
    project.do("start", "web")
    assert project.app("web")["state"] == "running"


def test_the_other_next_dev_server_of_a_folder_is_named(project: Project, install: Install) -> None:
    app = NpmApp(NEXT, "next dev -p $PORT", NEXT_FILES)
    folder = project.path("web")
    app.lay(folder, install(NEXT))
    other = project.port()
    with subprocess.Popen(
        ["node", "node_modules/next/dist/bin/next", "dev", "-p", str(other)],
        cwd=folder,
        env=project.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as first:
        try:
            project.until(lambda: (folder / ".next/dev/lock").exists() and is_open(other), "the first", 60)
            project.write(table("web", DEV, cwd='"web"', port=project.port()))
            project.run("up", "--no-wait")
            look = lambda: (app := project.app("web"))["cause"] and app  # noqa: E731
            seen = project.until(look, "its cause", 60)
            assert seen["cause"]["kind"] == "another next dev server"
            assert "another `next dev` is running in web (pid " in seen["cause"]["sentence"]
        finally:
            os.killpg(first.pid, signal.SIGTERM)
    project.do("start", "web", patience=60)
    assert project.until_app("web", 60, state="running")["cause"] is None
