"""What a manager leaves for the next one: a small record of each app, and how it is read back.

The records are hints. That a process belongs to an app is believed only from the marker in its own
environment, so a lost, damaged or foreign record can neither hide an app nor harm a stranger: the worst it
costs is the counts. (Only of a process whose environment may not be read is a record all that there is.)
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Collection
from dataclasses import asdict, fields
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any

from procman.core.app import ALIVE, App, Ending, Exit, Outcome, State
from procman.core.causes import Cause
from procman.core.config import AppConfig
from procman.core.fields import APP, Change
from procman.core.frozen import Frozen
from procman.core.identity import Identity
from procman.core.verdict import Verdict
from procman.host.files import open_plain

VERSION = 1
ENUMS: dict[str, type[Enum]] = {
    "state": State,
    "ending": Ending,
    "verdict": Verdict,
    "last_outcome": Outcome,
}
# Not set, they are as if the manager did not know of them: an upgrade restarts nothing.
KEYS_SINCE_0_2 = frozenset({"user", "group", "umask", "nice", "limits", "tty"})
_NAMES = tuple(field.name for field in fields(App))
_values = attrgetter(*_NAMES)
SINCE_0_2 = frozenset({"last_outcome", "held", "diagnosis", "starts_at"})  # fields of App


class Record(Frozen):
    """One app as a manager last knew it. Its times are monotonic, so it is of use in the same boot only."""

    app: App
    leader: Identity | None  # of the present run
    port: int | None  # of that run
    started_with: str  # fingerprint of the keys that the run was started with
    env_files: tuple[tuple[str, str], ...] = ()  # that it was started with: paths, and digests of then
    marker: str | None = None  # of its processes: an app that was renamed has one with its old name


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
            "env_files": dict(record.env_files),
            "marker": record.marker,
            "app": encode(record.app),
        }
        descriptor = open_plain(self._path(name), os.O_WRONLY | os.O_CREAT)
        try:
            text = json.dumps(document).encode().ljust(os.fstat(descriptor).st_size)
            if os.write(descriptor, text) < len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

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
                env_files=tuple(
                    (str(path), str(each)) for path, each in document.get("env_files", {}).items()
                ),
                marker=None if document.get("marker") is None else str(document["marker"]),
            )
        except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None

    def sweep(self, apps: Collection[str], runs: Collection[tuple[str, int]]) -> None:
        """Remove what nobody can need any more: records of other apps, and the pipes of other runs."""
        with contextlib.suppress(OSError):
            for path in list(self._folder.iterdir()):
                stem, _, number = path.stem.rpartition(".")
                is_pipe = path.suffix in (".out", ".err") and number.isdecimal()
                kept = (stem, int(number)) in runs if is_pipe else path.stem in apps
                if not kept and (is_pipe or path.suffix == ".json"):
                    path.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Remove the record of an app that is gone and has left the file."""
        with contextlib.suppress(OSError):
            os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, f"{name}.json")


def fingerprint(config: AppConfig) -> str:
    """Return a digest of the keys that a running app can't take over; equal digests need no restart."""
    from hashlib import sha256

    keys = [field for field in APP.values() if field.change is Change.RESTART]
    kept = [each.of(config) for each in keys if each.key not in KEYS_SINCE_0_2 or each.of(config)]
    return sha256(repr(kept).encode()).hexdigest()


def encode(app: App) -> dict[str, Any]:
    """Return an app as plain JSON values: 5 us, where `asdict` takes 51, and it is done at each change."""
    plain = dict(zip(_NAMES, _values(app), strict=True))
    for key in ENUMS:
        plain[key] = None if plain[key] is None else plain[key].value
    for key in ("last_exit", "diagnosis"):
        plain[key] = None if plain[key] is None else asdict(plain[key])
    return plain


def decode(plain: dict[str, Any]) -> App:
    """Return the app that `encode` was given; what an older version did not know of is as in a new app.

    Raises:
        KeyError, TypeError, ValueError: it is not one.
    """
    values = {
        field.name: plain.get(field.name, field.default) if field.name in SINCE_0_2 else plain[field.name]
        for field in fields(App)
    }
    for key, kind in ENUMS.items():
        values[key] = None if values[key] is None else kind(values[key])
    values["listening"] = tuple(map(str, values["listening"]))
    values["sockets"] = tuple(map(int, values["sockets"]))
    values["starts"] = tuple(map(float, values["starts"]))
    values["last_exit"] = None if values["last_exit"] is None else Exit(**values["last_exit"])
    if values["diagnosis"] is not None:
        files = tuple(map(str, values["diagnosis"].pop("files")))
        values["diagnosis"] = Cause(**values["diagnosis"], files=files)
    app = App(**values)
    _demand_sound(app)
    return app


def _demand_sound(app: App) -> None:
    """Raise ValueError for values that no app has: what the machine asserts must hold of a record too."""
    counts = (app.generation, app.passes, app.failures, app.attempts, app.delays, app.restarts)
    times = (
        app.since,
        app.deadline,
        app.probe_at,
        app.spawned_at,
        app.healthy_since,
        app.failing_since,
        app.starts_at,
    )
    switches = (app.wanted, app.probing, app.suspected, app.forced, app.port_taken)
    sound = (
        all(type(count) is int and count >= 0 for count in counts)
        and all(at is None or isinstance(at, int | float) for at in times)
        and all(isinstance(switch, bool) for switch in switches)
        and all(isinstance(text, str) for text in (app.reason, app.cause))
        and all(text is None or isinstance(text, str) for text in (app.last_check, app.held))
        and (app.ending is not None) == (app.state is State.STOPPING)
        and (app.spawned_at is not None or app.state not in ALIVE)
        and (app.last_exit is not None or app.ending is not Ending.EXITED)
        and (app.last_exit is None or isinstance(app.last_exit.at, int | float))
    )
    if not sound or app.since is None:
        raise ValueError("this is no app")
