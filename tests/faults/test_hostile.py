"""Whoever wants to steer a terminal, to forge JSON or to read secrets: by output, names, paths and files."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.project import PATIENCE, PROCMAN, Done, Project, command, http, table

# A title, the clipboard, a pasted command, a cleared screen, a report that it types, C1, a line that
# is overwritten, the end of a string.
SEQUENCES = (
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJm\x1b\\",
    "\x1b[200~rm -rf ~\x1b[201~",
    "\x1b[2J\x1b[1;1H",
    "\x1b[6n\x1bZ\x05",
    "\x9b2J\x9d0;owned\x9c\x90q\x9c",
    "well\rill\b\b\x7f",
    '", "state": "running", "x": "',
)
HOSTILE = "".join(SEQUENCES)
STEERS = re.compile("\x1b(?!\\[[0-9;:]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
PRINTS = """
import os, sys
open("/proc/self/comm", "w").write("\\x1b]0;x\\x07")
for text in sys.argv[1:]:
    os.write(1, text.encode("utf-8", "surrogateescape") + b"\\n")
    os.write(2, text.encode("latin-1", "replace") + b"\\n")
os.write(1, b"an end without a line \\x1b]0;")
sys.exit(3)
"""
LISTENS = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(1e6)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project in a folder whose name is as hostile as a name can be."""
    name = HOSTILE.replace("/", "|") + " two\nlines 'single' \"double\" $(touch x) `touch x` ;&"
    project = Project(tmp_path / name)
    yield project
    project.close()


@pytest.fixture
def stranger() -> Iterator[int]:
    """Return the port of somebody else, whose command line is hostile."""
    words = [sys.executable, "-I", "-c", LISTENS, HOSTILE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def shown(project: Project, *words: str) -> str:
    """Return what a command shows in a terminal."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [*PROCMAN, *words],
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        said = b""
        with contextlib.suppress(OSError):  # EIO: the last one who had it open has ended
            while chunk := os.read(master, 1 << 16):
                said += chunk
        process.wait(PATIENCE)
    finally:
        os.close(master)
    return said.decode().replace("\r\n", "\n")


def test_nothing_hostile_reaches_the_terminal_or_forges_json(project: Project, stranger: int) -> None:
    cwd = project.path(f"{HOSTILE.replace('/', '|')}\nfolder")
    cwd.mkdir()
    prints = json.dumps([sys.executable, "-I", "-S", "-c", PRINTS, *SEQUENCES, HOSTILE])
    missing = json.dumps([f"no-such-{HOSTILE}"])
    never = '{ starts = 2, within = "1h" }'
    project.write(
        table("prints", prints, cwd=json.dumps(cwd.name), give_up=never),
        table("missing", missing),
        table("nowhere", command("stay"), cwd=json.dumps(f"nowhere{HOSTILE}")),
        table("taken", command("serve"), port=stranger),
        table("stays", command("stay", say=HOSTILE.replace("_", "-"))),
    )
    demand_harmless(shown(project, "up", "--no-wait"), ("up",))
    project.until_app("prints", state="failed")
    project.until_app("taken", state="waiting")
    project.until_app("stays", state="running")

    sound = project.file.read_text()
    commands = [
        ("status",),
        *(("why", name) for name in ("prints", "missing", "taken")),
        ("events", "-n", "1000"),
        ("logs", "-n", "1000"),
        ("ports",),
        ("check",),
        ("status", HOSTILE),
        ("-f", f"no{HOSTILE}file", "check"),
        ("set", f"prints.{HOSTILE}", HOSTILE),
    ]
    for words in commands:
        demand_harmless(shown(project, *words), words)
    for words in (("status",), ("why",), ("events",), ("logs", "-n", "1000"), ("ports",), ("check",)):
        demand_json(project.run(*words, "--json"))
    statuses = {app["name"]: app["state"] for app in project.status()["apps"]}
    assert statuses["taken"] == "waiting", "an injected state is part of a string"

    project.file.write_text(
        sound + f'\n[apps."{"x" * 70}"]\ncommand = "\x9b2J" # \x9d0;owned\x9c\nport = "\\u001b[2J"\n'
    )
    for words in (("check",), ("status",)):
        demand_harmless(shown(project, *words), words)
    project.file.write_text(sound)
    demand_harmless(shown(project, "stop", "stays"), ("stop",))
    demand_harmless(shown(project, "down"), ("down",))
    assert not list(project.folder.rglob("x")), "no shell has read a name"
    log = project.manager_log()
    assert not STEERS.search(log)
    forged = [line for line in log.splitlines() if not re.match(r"\d{4}-\d\d-\d\d |  ", line)]
    assert not forged, "what begins a line is the manager's own"


def demand_harmless(text: str, words: tuple[str, ...]) -> None:
    found = STEERS.search(text)
    where = text[max(0, found.start() - 100) : found.end() + 20] if found else ""
    assert not found, f"`procman {' '.join(words)!r}` lets {found} through: {where!r}"
    assert "Traceback" not in text, text


def demand_json(done: Done) -> None:
    assert done.out
    for line in done.out.splitlines():
        json.loads(line)
        assert not STEERS.search(line)


SECRETS = {
    name: f"s3cr3t-{name}-8f1c"
    for name in ("env", "file", "flag", "header", "inherited", "address", "broken")
}


def test_no_secret_is_in_any_file_or_answer(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", {"NPM_TOKEN": SECRETS["inherited"]})
    try:
        said = [each.text for each in keep_secrets(project)]
        project.do("down")
        kept = {str(path): path.read_bytes() for path in project.home.rglob("*") if path.is_file()}
    finally:
        project.close()
    assert any(path.endswith("history.db") for path in kept)
    for name, secret in SECRETS.items():
        holders = [path for path, content in kept.items() if secret.encode() in content]
        assert not holders, f"the secret `{name}` is in {holders}"
        tellers = [text for text in said if secret in text]
        assert not tellers, f"the secret `{name}` is told: {tellers[0]}"


def keep_secrets(project: Project) -> Iterator[Done]:
    """Give apps secrets in every way there is, let all happen to them, and yield what was said about it."""
    project.path(".env").write_text(f"DB_PASSWORD={SECRETS['file']}\n")
    env = f'{{ API_KEY = "{SECRETS["env"]}", DATABASE = "postgres://me:{SECRETS["address"]}@host/db" }}'
    headers = f'{{ Authorization = "Bearer {SECRETS["header"]}" }}'
    both = {"env": env, "env_file": '".env"'}
    flag = ["--token", SECRETS["flag"], f"--password={SECRETS['flag']}"]
    stay = json.dumps([*json.loads(command("stay")), "x=1"])[:-1] + f', "token={SECRETS["flag"]}"]'
    apps = [
        table("web", command("serve"), port=project.port(), check=http("/", headers=headers), **both),
        table("stays", stay, **both),
        table("crashes", command("leave", code=1), give_up='{ starts = 2, within = "1h" }', **both),
        table("missing", json.dumps(["no-such-command", *flag]), **both),
        table("prepares", command("stay"), prepare=json.dumps(["false", *flag]), **both),
    ]
    project.write(*apps)
    yield project.run("up", "--no-wait")
    project.until_app("web", state="running")
    project.until_app("stays", state="running")
    project.until_app("crashes", state="failed")
    project.until_app("prepares", state="failed")
    os.kill(project.app("stays")["pid"], 9)
    project.until_app("stays", state="running", restarts=1)
    for words in (
        ("status", "--json"),
        ("events", "-n", "1000", "--json"),
        ("why", "--json"),
        ("why", "crashes"),
        ("env", "web"),
        ("env", "web", "--json"),
        ("check", "--json"),
        ("get", "--json"),
        ("run", "missing", "--", "no-such-command", *flag),
    ):
        yield project.run(*words)
    text = project.file.read_text()
    project.file.write_text(
        text.replace(SECRETS["env"], SECRETS["broken"]).replace("[apps.stays]", "[apps.stay]")
    )
    yield project.run("plan", "--json")
    yield project.run("reload")
    project.file.write_text(f'{text}\n[apps.broken]\nAPI_KEY = "{SECRETS["broken"]}\n')
    yield project.run("reload")
    yield project.run("status")
    yield project.run("check")
    project.file.write_text(text)
    project.path(".env").write_text(f"DB_PASSWORD='{SECRETS['broken']}\nAPI KEY={SECRETS['broken']}\n")
    yield project.run("restart", "web")
    yield project.run("why", "web")
    yield project.run("upgrade")
    yield project.run("events", "-n", "1000", "--json")
