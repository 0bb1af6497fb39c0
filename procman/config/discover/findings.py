"""What was found: apps as they stand in files, and as they go into `portwatch.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listening:
    """Where an app listens, and whether it can be told to listen elsewhere."""

    port: int
    reason: str  # `Vite's default`, ``--port` in the script`
    movable: bool  # by `$PORT`, or by `{port}` in its command
    chosen: bool = False  # somebody has written the number down, so it is the last to give way


@dataclass(frozen=True, slots=True)
class Found:
    """An app as files declare it."""

    names: tuple[str, ...]  # the first that is free becomes its name
    command: str | tuple[str, ...]
    cwd: str  # below the folder that was looked at
    source: str  # where it was found: "script `dev` of web/package.json"
    what: str = ""  # what it is: `Vite`, `Express`
    shell: bool = False
    listening: Listening | None = None
    serves: bool = True  # False: it builds or works, and listens nowhere
    prepare: str | None = None
    env_file: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    restart: str | None = None
    start_timeout: str | None = None
    after: tuple[str, ...] = ()  # folders whose installation must be complete first
    installs: str | None = None  # the folder, if this app is an installation
    remarks: Mapping[str, str] = field(default_factory=dict)  # behind a key: why it is there
    also: tuple[str, ...] = ()  # commands beside it that serve too, and were not taken


@dataclass(frozen=True, slots=True)
class App:
    """An app as it goes into the file: with a name and a port that no other has."""

    name: str
    found: Found
    port: int | None
    port_reason: str  # where the number is from, or why there is none
    waits_for: tuple[str, ...] = ()  # apps that must be completed first


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything that was found in a folder."""

    apps: tuple[App, ...]
    notes: tuple[str, ...]  # what was seen and left out, and why
