"""pm2."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.rivals.base import Rival


class Pm2(Rival):
    """pm2, with a daemon of its own for the folder."""

    name = "pm2"
    bare = ("node", "-e", "0")

    def configure(self) -> None:
        """Write ecosystem.config.json."""
        self.environment |= {"HOME": str(self.folder), "PM2_HOME": str(self.folder / "pm2")}
        apps = [
            {
                "name": name,
                "script": words[0],
                "args": list(words[1:]),
                "interpreter": "none",
                "out_file": str(self._output(name)),
            }
            for name, words in self.apps.items()
        ]
        (self.folder / "ecosystem.config.json").write_text(json.dumps({"apps": apps}))

    def start(self) -> None:
        """`pm2 start`, from nothing."""
        self._pm2("start", "ecosystem.config.json")
        self.root = int((self.folder / "pm2" / "pm2.pid").read_text())

    def stop(self) -> None:
        """`pm2 stop all`."""
        self._pm2("stop", "all")

    def status(self) -> None:
        """`pm2 list`."""
        self._pm2("list")

    def edit(self, name: str, words: Sequence[str]) -> None:
        """`pm2 delete` and `pm2 start` of that app alone: what it takes for new arguments."""
        self.apps[name] = words
        self.configure()
        self._pm2("delete", name)
        self._pm2("start", "ecosystem.config.json", "--only", name)

    def files(self, name: str) -> list[Path]:
        """Return the one file: it rotates nothing by itself."""
        return [self._output(name)]

    def quit(self) -> None:
        """`pm2 kill`."""
        self._pm2("kill")

    def _output(self, name: str) -> Path:
        return self.folder / f"{name}.out"

    def _pm2(self, *words: str) -> None:
        assert self.peer is not None, "it was installed"
        self._tell(self.peer.command, *words)
