"""Programs that keep what an app prints, each driven as its users would."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import peers
from bench.peers import Peer
from bench.stamps import PATIENCE
from procman.control.ask import NotRunning, ask_status
from procman.control.client import Conversation, call
from procman.control.endpoint import home_of
from procman.control.launch import ensure_manager
from procman.control.protocol import Request

ALL = 1000  # old files: nothing is rotated away before it is looked at
TMP = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a keeper that runs puts what it is given."""

    pid: int  # of the process whose CPU is the keeper's
    files: Callable[[], list[Path]]  # oldest first
    prefix: int = 0  # bytes that it puts before each line


Keeper = Callable[[Path, Sequence[str]], AbstractContextManager[Kept]]  # of a folder and the app's command


def available(say: Callable[[str], None]) -> dict[str, Keeper]:
    """Return every keeper by its name and version; `say` is told which are not here, and why."""
    keepers: dict[str, Keeper] = {"cat > file": _cat}
    for name, find, begin in (
        ("supervisord", peers.supervisord, _supervisord),
        ("pm2", peers.pm2, _pm2),
        ("s6-log t", peers.s6_log, _s6_log),
    ):
        try:
            peer = find()
        except peers.Missing as error:
            say(f"  {name}: not here, {error}")
        else:
            keepers[f"{name} {peer.version}"] = partial(begin, peer)
    keepers["procman"] = partial(_procman, ALL)
    keepers["procman, 10 MB x 5"] = partial(_procman, 5)
    return keepers


@contextmanager
def _cat(folder: Path, words: Sequence[str]) -> Iterator[Kept]:
    """`app | cat > file`."""
    with (
        (folder / "copy").open("wb") as copy,
        _running(words, stdout=subprocess.PIPE) as app,
        _running(["cat"], stdin=app.stdout, stdout=copy) as cat,
    ):
        yield Kept(cat.pid, lambda: [folder / "copy"])


@contextmanager
def _s6_log(peer: Peer, folder: Path, words: Sequence[str]) -> Iterator[Kept]:
    """`app | s6-log t s10000000 n1000 folder`: with a time before each line, as procman knows one."""
    command = [peer.command, "t", "s10000000", f"n{ALL}", str(folder / "log")]
    with (
        _running(words, stdout=subprocess.PIPE) as app,
        _running(command, stdin=app.stdout, env={**TMP, **peer.environment}) as logger,
    ):
        yield Kept(
            logger.pid,
            lambda: [*sorted((folder / "log").glob("@*")), folder / "log" / "current"],
            prefix=len("@400000005f5e100000000000 "),
        )


@contextmanager
def _supervisord(peer: Peer, folder: Path, words: Sequence[str]) -> Iterator[Kept]:
    """One program with supervisord's own size of a file (50 MB), all of which are kept."""
    settings = folder / "supervisord.conf"
    settings.write_text(
        f"[supervisord]\nnodaemon = true\nlogfile = {folder}/supervisord.log\npidfile = {folder}/pid\n"
        f"[program:app]\ncommand = {' '.join(words)}\nstdout_logfile = {folder}/app.log\n"
        f"stdout_logfile_backups = {ALL}\n"
    )

    def files() -> list[Path]:
        old = sorted(folder.glob("app.log.*"), key=lambda path: -int(path.suffix[1:]))
        return [*old, folder / "app.log"]

    with _running([peer.command, "-c", str(settings)], stdout=subprocess.DEVNULL) as daemon:
        yield Kept(daemon.pid, files)


@contextmanager
def _pm2(peer: Peer, folder: Path, words: Sequence[str]) -> Iterator[Kept]:
    """One app of pm2, which rotates nothing by itself."""
    environment = {**TMP, "HOME": str(folder), "PM2_HOME": str(folder / "pm2")}
    app = {
        "name": "app",
        "script": words[0],
        "args": list(words[1:]),
        "interpreter": "none",
        "out_file": str(folder / "app.log"),
        "autorestart": False,
    }
    ecosystem = folder / "ecosystem.config.json"
    ecosystem.write_text(json.dumps({"apps": [app]}))
    do = partial(subprocess.run, env=environment, stdout=subprocess.DEVNULL, check=True)
    do([peer.command, "start", str(ecosystem)])
    try:
        yield Kept(int((folder / "pm2" / "pm2.pid").read_text()), lambda: [folder / "app.log"])
    finally:
        do([peer.command, "kill"])


@contextmanager
def _procman(keep: int, folder: Path, words: Sequence[str]) -> Iterator[Kept]:
    """One app of a manager, in files of 10 MB."""
    file = folder / "portwatch.toml"
    file.write_text(f"[apps.app]\ncommand = {json.dumps(list(words))}\nlogs = {{ keep = {keep} }}\n")
    home = home_of(file)
    ensure_manager(str(file), home)
    try:
        for _ in call(home, Request("up", wait=False)):
            pass
        pid = int(json.loads(ask_status(home))["manager"]["pid"])
        yield Kept(pid, lambda: sorted(Path(home, "logs", "app").glob("*.log")))
    finally:
        with contextlib.suppress(NotRunning), Conversation(home, Request("down", force=True)) as ending:
            for _ in ending.frames():
                pass
            ending.wait_gone(PATIENCE)


@contextmanager
def _running(words: Sequence[str], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command for as long as the context lasts."""
    process = subprocess.Popen(words, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
        if process.stdout is not None:
            process.stdout.close()
