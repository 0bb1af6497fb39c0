"""What a manager leaves for the next one: a small record of each app, and how it is read back.

The records are hints. That a process belongs to an app is believed only from the marker in its own
environment, so a lost, damaged or foreign record can neither hide an app nor harm a stranger: the worst it
costs is the counts.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from procman.core.config import AppConfig
from procman.core.fields import APP, Change
from procman.core.identity import Identity
from procman.core.machine import App, Ending, Exit, State
from procman.core.verdict import Verdict

VERSION = 1
ENUMS: dict[str, type[Enum]] = {"state": State, "ending": Ending, "verdict": Verdict}


@dataclass(frozen=True, slots=True)
class Record:
    """One app as a manager last knew it. Its times are monotonic, so it is of use in the same boot only."""

    app: App
    leader: Identity | None  # of the present run
    port: int | None  # of that run
    started_with: str  # fingerprint of the keys that the run was started with


class Records:
    """The records of one project, a file for each app; owned by the event loop's thread."""

    def __init__(self, folder: Path, boot: str) -> None:
        self._folder = folder
        self._boot = boot

    def write(self, name: str, record: Record) -> None:
        """Write the record of an app over the one before, padded to its length.

        Over it and not beside it: a new inode for every change costs ext4 0.1 ms, and 0.6 ms where many were
        deleted within seconds. A kill can't tear what fits into a page; what a power cut tears is of another
        boot, and of no use anyway.

        Raises:
            OSError: it could not be written; what is there may be of no use.
        """
        document = {
            "version": VERSION,
            "boot": self._boot,
            "leader": None if record.leader is None else [record.leader.pid, record.leader.started],
            "port": record.port,
            "started_with": record.started_with,
            "app": encode(record.app),
        }
        descriptor = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(document).encode().ljust(os.fstat(descriptor).st_size))

    def read(self, name: str) -> Record | None:
        """Return the record of an app; None if there is none of this boot and version, or it is damaged."""
        try:
            with open(self._path(name), encoding="utf-8") as file:
                document = json.load(file)
            if document["version"] != VERSION or document["boot"] != self._boot:
                return None
            leader = document["leader"]
            return Record(
                app=decode(document["app"]),
                leader=None if leader is None else Identity(int(leader[0]), int(leader[1]), self._boot),
                port=None if document["port"] is None else int(document["port"]),
                started_with=str(document["started_with"]),
            )
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            return None

    def forget(self, name: str) -> None:
        """Remove the record of an app that is gone and has left the file."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return str(self._folder / f"{name}.json")


def fingerprint(config: AppConfig) -> str:
    """Return a digest of the keys that a running app can't take over; equal digests need no restart."""
    from hashlib import sha256

    kept = [field.of(config) for field in APP.values() if field.change is Change.RESTART]
    return sha256(repr(kept).encode()).hexdigest()


def encode(app: App) -> dict[str, Any]:
    """Return an app as plain JSON values."""
    plain = {field.name: getattr(app, field.name) for field in fields(App)}  # 14 us; asdict: 51
    plain["last_exit"] = None if app.last_exit is None else asdict(app.last_exit)
    return {key: value.value if isinstance(value, Enum) else value for key, value in plain.items()}


def decode(plain: dict[str, Any]) -> App:
    """Return the app that `encode` was given.

    Raises:
        KeyError, TypeError, ValueError: it is not one.
    """
    values = {field.name: plain[field.name] for field in fields(App)}
    for key, kind in ENUMS.items():
        values[key] = None if values[key] is None else kind(values[key])
    values["listening"] = tuple(map(str, values["listening"]))
    values["sockets"] = tuple(map(int, values["sockets"]))
    values["starts"] = tuple(map(float, values["starts"]))
    values["last_exit"] = None if values["last_exit"] is None else Exit(**values["last_exit"])
    app = App(**values)
    for at in (app.since, app.generation, *app.starts, app.deadline or 0.0, app.probe_at or 0.0):
        if not isinstance(at, int | float):
            raise TypeError(f"a time that is no number: {at!r}")
    return app
