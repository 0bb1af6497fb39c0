"""A project with a manager of its own, used as its user would: real command, children and ports."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 20.0  # seconds until a condition must hold, on a machine that is busy with other tests
REPOSITORY = Path(__file__).parents[2]
APP = Path(__file__).with_name("app.py")
SCRIPT = Path(sys.executable).with_name("procman")  # where the package is installed
PROCMAN = [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-P", "-m", "procman"]
LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))

# A rhythm for machines: the rule is the same, an hour of it passes in seconds.
QUICK = """
[manager]
stop_timeout = "5s"

[defaults]
check_interval = "200ms"
check = { retry_interval = "100ms" }
backoff = { initial = "50ms", max = "100ms" }
"""


class Begun(subprocess.Popen[str]):
    """A command that is under way; one of which something was not as expected is not waited for."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout, as the document that it is."""
        return json.loads(self.out)

    @property
    def text(self) -> str:
        """All that it said."""
        return self.out + self.err


def command(kind: str, **options: object) -> str:
    """Return a command of `tests/real/app.py` as a TOML array."""
    words = [sys.executable, "-I", "-S", str(APP), kind]
    words += [f"{key}={value}" for key, value in options.items()]
    return json.dumps(words)


def table(app: str, run: str, **keys: object) -> str:
    """Return the table of an app: `run` is its command in TOML; a string value is written as it stands."""
    lines = [f"[apps.{app}]", f"command = {run}"]
    lines += [f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n"


def http(path: str = "/", **keys: object) -> str:
    """Return a `check` by HTTP as a TOML table."""
    rest = "".join(f", {key} = {value}" for key, value in keys.items())
    return f'{{ http = "{path}"{rest} }}'


class Project:
    """A folder with a `portwatch.toml`, an environment, ports, and what is done with them."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.file = folder / "portwatch.toml"
        self.home = folder / ".procman"
        self.procman = PROCMAN  # how it is run here
        self._reserved: list[socket.socket] = []
        home, temporary = folder / "home", folder / "tmp"
        for each in (folder, home, temporary):
            each.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_START") if name in os.environ}
        self.environment = {
            **kept,
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            **({} if SCRIPT.exists() else {"PYTHONPATH": str(REPOSITORY)}),
            **(environment or {}),
        }

    # What its user does

    def write(self, *tables: str, head: str = QUICK) -> None:
        """Write the file as an editor does: a new one in the place of the old."""
        fresh = self.folder / "portwatch.toml.new"
        fresh.write_text("\n".join((head, *tables)), encoding="utf-8")
        fresh.rename(self.file)

    def run(
        self,
        *words: str,
        patience: float = PATIENCE,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command of procman to its end."""
        with self.begin(*words, cwd=cwd, env=env) as process:
            try:
                out, err = process.communicate(timeout=patience)
            except subprocess.TimeoutExpired:
                process.kill()
                out, err = process.communicate()
                raise AssertionError(
                    f"procman {' '.join(words)} takes too long; so far:\n{out}{err}"
                ) from None
        return Done(process.returncode, out, err)

    def begin(self, *words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Begun:
        """Start a command of procman."""
        return Begun(
            [*self.procman, *words],
            cwd=cwd or self.folder,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def do(self, *words: str, patience: float = PATIENCE) -> Done:
        """Run a command that must succeed."""
        done = self.run(*words, patience=patience)
        assert done.code == 0, f"procman {' '.join(words)} exited with {done.code}:\n{done.text}"
        return done

    def up(self, *tables: str) -> None:
        """Write the file, if tables are given, and bring everything up."""
        if tables:
            self.write(*tables)
        self.do("up")

    # What can be seen

    def status(self) -> Any:
        """Return the document of `procman status --json`."""
        return self.do("status", "--json").json

    def apps(self) -> dict[str, Any]:
        """Return what the status says of each app."""
        return {app["name"]: app for app in self.status()["apps"]}

    def app(self, name: str) -> dict[str, Any]:
        """Return what the status says of one app."""
        found: dict[str, Any] = self.apps()[name]
        return found

    def manager(self) -> int:
        """Return the pid of the manager."""
        pid: int = self.status()["manager"]["pid"]
        return pid

    def until(self, look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
        """Return what `look` returns as soon as that is something."""
        return until(look, what, patience)

    def until_app(self, name: str, patience: float = PATIENCE, **wanted: object) -> dict[str, Any]:
        """Return what the status says of an app once it has these values."""
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal last
            last = self.apps().get(name, {})
            return last if all(last.get(key) == value for key, value in wanted.items()) else None

        try:
            return until(look, "", patience)
        except AssertionError:
            raise AssertionError(f"`{name}` did not become {wanted}; it is {last}") from None

    def lines(self, name: str, *words: str, patience: float = PATIENCE) -> list[str]:
        """Return what an app has printed, as `procman logs` shows it."""
        asked = ("logs", name, "--no-prefix", "-n", "100000000", *words)
        return self.do(*asked, patience=patience).out.splitlines()

    def manager_log(self) -> str:
        """Return the manager's own log."""
        path = self.home / "manager.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else "there is none"

    def until_logged(self, text: str) -> None:
        """Wait for something in the manager's own log: a line is written a moment after what it tells."""
        self.until(lambda: text in self.manager_log(), f"`{text}` in its log")

    # What it stands on

    def port(self) -> int:
        """Return a port that is free on both families, and that nobody else is given until the end.

        It is bound, and not listened on: with SO_REUSEADDR on both sides an app can still have it.
        """
        while True:
            held: list[socket.socket] = []
            number = 0
            try:
                for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                    each = socket.socket(family, socket.SOCK_STREAM)
                    held.append(each)
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    each.bind((address, number))
                    number = each.getsockname()[1]
            except OSError:
                for each in held:
                    each.close()
                continue
            self._reserved += held
            return number

    def path(self, name: str) -> Path:
        """Return the path of a file in the project's folder."""
        return self.folder / name

    def processes(self) -> dict[int, str]:
        """Return every living process that belongs to this project, by pid, with its command line.

        All of them have the folder's path in their environment, in their command line, or as their folder.
        """
        return {pid: words for pid in living() if (words := self._belongs(pid)) is not None}

    def _belongs(self, pid: int) -> str | None:
        mark = os.fsencode(str(self.folder))
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            traces = (
                words,
                Path(f"/proc/{pid}/environ").read_bytes(),
                os.fsencode(os.readlink(f"/proc/{pid}/cwd")),
            )
            if pid != os.getpid() and any(mark in each for each in traces):
                return words.replace(b"\0", b" ").decode(errors="replace").strip()
        return None

    def close(self) -> None:
        """Stop everything, and prove that no process and no port is left."""
        try:
            down = self.run("down", "--force")
            left = self._left()
            assert down.code in (0, 2, 3), f"`procman down` exited with {down.code}:\n{down.text}"
            assert not left, f"`procman down` has left {left}"
            ports = {each.getsockname()[1] for each in self._reserved}
            open_ports = [port for port in ports if is_open(port)]
            assert not open_ports, f"still open after `procman down`: {open_ports}"
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for each in self._reserved:
                each.close()

    def _left(self) -> dict[int, str]:
        """Return the processes that are left, after a moment for the manager's own end."""
        deadline = time.monotonic() + 2
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left


def living() -> Iterator[int]:
    """Yield the pid of every process that is not a zombie."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and is_alive(int(name)):
            yield int(name)


def is_alive(pid: int) -> bool:
    """Return whether a process lives; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def is_open(port: int, addresses: tuple[tuple[int, str], ...] = LOOPBACKS) -> bool:
    """Return whether anybody answers on a port of this machine."""
    for family, address in addresses:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            if client.connect_ex((address, port)) == 0:
                return True
    return False


def until(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Return what `look` returns as soon as that is something."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {patience:g}s: {what}"
        time.sleep(0.02)
    return found


def run_project(folder: Path) -> Iterator[Project]:
    """Yield a project, and prove at its end that nothing of it is left."""
    project = Project(folder)
    yield project
    project.close()
