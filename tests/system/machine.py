"""A Debian with systemd of its own, booted in a container: this machine's own files under an overlay.

What is installed here is there too, and what is written there goes into memory and away with the test. The
container has no network but its own loopback, so ports are free. Nothing of it is left: mounts, processes and
cgroups go with `close`, whatever has happened.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 90.0  # seconds for whatever must come true, a boot included, on a machine that is busy
REBOOTED = 133  # exit code of systemd-nspawn --keep-unit whose machine wants to boot again
PATH = "/opt/procman/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NSPAWN = (
    "systemd-nspawn", "--quiet", "--boot", "--machine=procman-test", "--register=no", "--keep-unit",
    "--private-users=no", "--private-network", "--console=read-only",
)  # fmt: skip
STARTS = ("dbus.service", "systemd-", "getty", "remote-fs")  # what else this machine starts is left out
HIERARCHIES = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")


class Impossible(Exception):
    """No machine can be booted here; says why."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one command in the machine."""

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


class Machine:
    """One machine; not booted yet."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.log = folder / "console.log"
        self._memory = folder / "memory"
        self._mounted: list[Path] = []
        self._cgroups: list[Path] = []
        self._nspawn: subprocess.Popen[bytes] | None = None

    def mount(self) -> None:
        """Lay the files; raises `Impossible`."""
        if os.geteuid() != 0:
            raise Impossible("only root can boot a container")
        if shutil.which("systemd-nspawn") is None:
            raise Impossible("there is no systemd-nspawn: `apt-get install systemd-container`")
        for each in (self.root, self._memory):
            each.mkdir(parents=True)
        self._mount("-t", "tmpfs", "-o", "size=2g", "none", self._memory)
        upper, work = self._memory / "upper", self._memory / "work"
        upper.mkdir()
        work.mkdir()
        self._mount(
            "-t", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", "overlay", self.root
        )
        for wants in (self.root / "etc/systemd/system").glob("*.wants/*"):
            if not wants.name.startswith(STARTS):
                wants.unlink()
        name = f"procman-test-{os.getpid()}"
        for hierarchy in map(Path, HIERARCHIES):
            if (hierarchy / "cgroup.procs").exists():
                (hierarchy / name).mkdir()
                self._cgroups.append(hierarchy / name)

    def _mount(self, *words: str | Path) -> None:
        done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True)
        if done.returncode != 0:
            raise Impossible(f"nothing can be mounted here: {done.stderr.strip()}")
        self._mounted.insert(0, Path(words[-1]))

    def boot(self) -> None:
        """Boot, and return when everything has started."""
        cgroups = self._cgroups

        def enter() -> None:
            for each in cgroups:
                (each / "cgroup.procs").write_text("0")

        with self.log.open("ab") as log:
            self._nspawn = subprocess.Popen(
                [*NSPAWN, "-D", str(self.root)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=enter,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self.until(self._has_booted, "the machine has booted")

    def _has_booted(self) -> bool:
        assert self._nspawn is not None, "it is asked after a boot has begun"
        if self._nspawn.poll() is not None:
            raise Impossible(f"systemd-nspawn has ended with {self._nspawn.returncode}: {self.console()}")
        with contextlib.suppress(StopIteration):
            return self.run("systemctl", "is-system-running", check=False).out.strip() in (
                "running",
                "degraded",
            )
        return False

    @property
    def leader(self) -> int:
        """The pid of the machine's systemd, as this machine counts; raises StopIteration without one."""
        assert self._nspawn is not None, "the machine is on"
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        return next(map(int, children))

    def reboot(self) -> None:
        """Boot again, as after a new kernel: in good order."""
        assert self._nspawn is not None, "the machine is on"
        self.run("systemctl", "reboot", check=False)
        assert self._nspawn.wait(PATIENCE) == REBOOTED, self.console()
        self.boot()

    def close(self) -> None:
        """Leave nothing of the machine."""
        for top in self._cgroups:
            for listed in sorted(top.rglob("cgroup.procs")):
                for pid in listed.read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
        if self._nspawn is not None:
            self._nspawn.wait()
        for place in self._mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        for top in self._cgroups:
            for folder, _, _ in os.walk(top, topdown=False):
                self.until(lambda folder=folder: _removed(folder), f"`{folder}` is removed")

    # What is done in it

    def run(
        self,
        *words: str,
        user: str = "root",
        cwd: str = "/",
        check: bool = True,
        variables: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> Done:
        """Run a command in the machine, as somebody who is logged in."""
        home = "/root" if user == "root" else f"/home/{user}"
        given = {"PATH": PATH, "HOME": home, "USER": user, "LANG": "C.UTF-8", **(variables or {})}
        inside = ["env", "-i", "-C", cwd, *(f"{name}={value}" for name, value in given.items()), *words]
        if user != "root":
            inside = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *inside]
        enter = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--"]
        ran = subprocess.run(
            [*enter, *inside],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
        )
        done = Done(ran.returncode, ran.stdout, ran.stderr)
        assert not check or done.code == 0, f"{' '.join(words)} exited with {done.code}:\n{done.text}"
        return done

    def read(self, path: str) -> str:
        """Return what a file in the machine says; of its `/proc` too."""
        return self.run("cat", path).out

    def show(self, unit: str, *properties: str, user: str | None = None) -> dict[str, str]:
        """Return what systemd says of a unit."""
        asked = ["systemctl", "show", unit, *(f"--property={each}" for each in properties)]
        done = self.run(*asked) if user is None else self.as_user(user, *asked)
        return dict(line.partition("=")[::2] for line in done.out.splitlines())  # type: ignore[misc]

    def as_user(self, user: str, *words: str, cwd: str = "/", check: bool = True) -> Done:
        """Run a command as somebody whose systemd runs; `systemctl` means that one."""
        uid = self.run("id", "-u", user).out.strip()
        words = ("systemctl", "--user", *words[1:]) if words[0] == "systemctl" else words
        return self.run(
            *words, user=user, cwd=cwd, check=check, variables={"XDG_RUNTIME_DIR": f"/run/user/{uid}"}
        )

    def until(self, look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
        """Return what `look` returns as soon as that is something."""
        deadline = time.monotonic() + patience
        while True:
            found = look()
            if found:
                return found
            assert time.monotonic() < deadline, f"{what}: that did not come true in {patience:g}s"
            time.sleep(0.05)

    def console(self) -> str:
        """Return the end of what was to be seen on the console."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


def _removed(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
