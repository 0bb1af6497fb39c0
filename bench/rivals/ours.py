"""This project, as one rival of several."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.project import DEFAULTS, procman
from bench.rivals.base import Rival


class Procman(Rival):
    """procman, by its commands."""

    name = "procman"
    bare = (sys.executable, "-c", "pass")
    hears_closed = True
    defaults = DEFAULTS

    def configure(self) -> None:
        """Write portwatch.toml, by rename; old output is kept, so that it can be counted."""
        fresh = self.folder / "portwatch.new"
        kept = "logs = { keep = 1000 }\n" if self.logged else ""
        fresh.write_text("\n".join([self.defaults + kept, *(self.table(*app) for app in self.apps.items())]))
        os.replace(fresh, self.folder / "portwatch.toml")

    def table(self, name: str, words: Sequence[str]) -> str:
        """Return the table of an app."""
        return f"[apps.{name}]\ncommand = {json.dumps(list(words))}\n"

    def start(self) -> None:
        """`procman up -d`, from nothing."""
        self._tell(*procman("up", "-d", "--no-wait"), check=True)
        done = subprocess.run(
            procman("status", "--json"), cwd=self.folder, stdout=subprocess.PIPE, check=True
        )
        self.root = int(json.loads(done.stdout)["manager"]["pid"])

    def stop(self) -> None:
        """`procman stop`."""
        self._tell(*procman("stop", "*"))

    def status(self) -> None:
        """`procman status`."""
        self._tell(*procman("status"))

    def edit(self, name: str, words: Sequence[str]) -> None:
        """Save the file."""
        self.apps[name] = words
        self.configure()

    def files(self, name: str) -> list[Path]:
        """Return what is below `.procman/logs`."""
        return sorted((self.folder / ".procman" / "logs" / name).glob("*.log"))

    def quit(self) -> None:
        """`procman down`."""
        self._tell(*procman("down"))


class CheckedProcman(Procman):
    """Its apps have ports, which are the last of their words, and are checked each second."""

    defaults = DEFAULTS.replace('"5m"', '"1s"')

    def table(self, name: str, words: Sequence[str]) -> str:
        """Return a table with a port."""
        return f"{super().table(name, words)}port = {words[-1]}\ncheck = {{ tcp = true, failures = 1 }}\n"


class SeldomCheckedProcman(CheckedProcman):
    """The same with a check every five minutes: what is noticed sooner was not found by a check."""

    defaults = DEFAULTS
