"""What an export is made of: apps, the keys that their file sets, and the list of what is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from procman.config.environment import expand
from procman.config.formats.draft import Loss
from procman.config.positions import locate
from procman.config.procfile import is_procfile
from procman.config.source import Source
from procman.config.syntax import parse_toml
from procman.core.config import AppConfig, Condition, Config, Restart
from procman.core.fields import APP, MANAGER_ONLY
from procman.core.secrets import HIDDEN, hide

Find = Callable[[str], str | None]  # the path of a program, as `shutil.which` has it

# Keys that say nothing to another tool, and whose absence changes nothing there.
SILENT = frozenset(("enabled", "inherit_env"))
_REASONS = {
    "port_policy": "it has no say about who holds a port",
    "tags": "it has no tags",
    "logs": "it keeps the output its own way",
    "prepare_inputs": "it does not look at what has changed",
    "watch": "it restarts nothing after a change",
    "watch_ignore": "it restarts nothing after a change",
    "tty": "it gives an app no terminal",
    "backoff": "it has no delays that grow",
}


@dataclass(slots=True)
class Exported:
    """What an export gives: the files, and what is not in them."""

    files: dict[str, str] = field(default_factory=dict)  # name: text
    private: set[str] = field(default_factory=set)  # names of those that hold secrets
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    """What its user wishes."""

    system: bool = False  # of systemd and launchd: for the machine, not for one user
    image: str | None = None  # of containers
    namespace: str | None = None  # of Kubernetes
    secrets: bool = False  # of Kubernetes: write down what looks secret
    find: Find = lambda name: None


@dataclass(frozen=True, slots=True)
class Subject:
    """One app, as an export sees it."""

    app: AppConfig
    project: Project
    places: Mapping[str, str]  # of each key that the file sets for it: `portwatch.toml:12`
    losses: list[Loss]

    def lose(self, key: str, why: str) -> None:
        """Note that what the app has under a key is not carried over."""
        place = self.places.get(key.partition(".")[0], self.project.shown)
        self.losses.append(Loss(place, f"{self.app.name}.{key}", why))

    def lose_others(self, carried: Sequence[str], tool: str) -> None:
        """Note each key of the file that is not among those carried over."""
        for key in self.places:
            if key not in carried and key not in SILENT:
                self.lose(key, _REASONS.get(key, f"{tool} has nothing like it"))

    def value(self, key: str) -> object:
        """Return what the app has under a key, or None; also where this version has no such key."""
        return APP[key].of(self.app) if key in APP else None

    @property
    def folder(self) -> str:
        """The folder of the app below that of the project; `.` is the same."""
        return os.path.relpath(self.app.cwd, self.project.folder)

    def environment(
        self, *, secrets: str | None = None, given: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return the variables of the app, with `${VAR}` filled in from each other.

        One that is filled in from outside is known at each start only: it is left out, and lost.

        Args:
            secrets: what to say of a variable that looks secret and is written down all the same.
            given: what the other tool sets itself, or how it spells that.
        """
        known = dict(given or {}) | ({} if self.app.port is None else {"PORT": str(self.app.port)})
        for name, text in self.app.env:
            missing: list[str] = []

            def lookup(wanted: str, missing: list[str] = missing) -> str | None:
                if wanted not in known:
                    missing.append(wanted)
                return known.get(wanted)

            value = expand(text, lookup)
            if missing and not re.fullmatch(r"(?:[^$]|\$\{\w+:-[^}]*\}|\$(?!\{))*", text):
                self.lose(f"env.{name}", f"`{missing[0]}` is known when the app starts: set it there")
                continue
            if missing:
                self.lose(f"env.{name}", f"it is the default; `{missing[0]}` of the environment is not asked")
            if secrets and hide(name, value) == HIDDEN:
                self.lose(f"env.{name}", secrets)
            known[name] = value
        return known

    @property
    def waits(self) -> tuple[tuple[str, Condition], ...]:
        """What the app waits for."""
        return self.app.depends_on

    @property
    def is_awaited(self) -> bool:
        """Whether an app waits for this one to be completed."""
        return self.app.name in self.project.awaited

    @property
    def ends(self) -> bool:
        """Whether it is to run to its end, and not for ever."""
        return self.is_awaited or self.app.restart is Restart.NEVER or self.app.schedule is not None


@dataclass(frozen=True, slots=True)
class Project:
    """The file that is exported, and its name."""

    name: str  # of its folder, as any tool can have it
    folder: str
    shown: str
    awaited: frozenset[str]  # apps that others wait for to be completed
    tables: Mapping[str, str]  # the table of each app


def subjects(config: Config, source: Source, names: Sequence[str]) -> tuple[Subject, ...]:
    """Return the chosen apps, which share one list of losses.

    Args:
        config: what the file means.
        source: the file.
        names: of the apps.
    """
    apps = config.enabled_apps()
    awaited = frozenset(
        name
        for app in apps.values()
        for name, condition in app.depends_on
        if condition is Condition.COMPLETED
    )
    name = re.sub(r"[^a-z0-9]+", "-", os.path.basename(config.folder).lower()).strip("-") or "project"
    tables = {name: app.table for name, app in apps.items()}
    project = Project(name, config.folder, source.shown, awaited, tables)
    places = _places(source, {name: apps[name].table for name in names})
    losses: list[Loss] = []
    return tuple(Subject(apps[name], project, places[name], losses) for name in names)


def _places(source: Source, tables: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the place of each key that is set for an app, by its table, by [defaults] or by [manager]."""
    if is_procfile(source.path):
        return {name: {} for name in tables}
    layers = [_keys_of(each) for each in (source, source.local) if each is not None]

    def of(*path: str) -> dict[str, str]:
        return {key: place for keys in layers for key, place in keys(path).items()}

    manager = {key: place for key, place in of("manager").items() if key not in MANAGER_ONLY}
    defaults = of("defaults")
    return {name: manager | defaults | of("apps", table) for name, table in tables.items()}


def _keys_of(source: Source) -> Callable[[tuple[str, ...]], dict[str, str]]:
    """Return what gives the keys of a table of a file, each with its place."""
    document, positions = parse_toml(source), locate(source.text)

    def keys(path: tuple[str, ...]) -> dict[str, str]:
        table: object = document
        for key in path:
            table = table.get(key, {}) if isinstance(table, dict) else {}
        found = {}
        for key in table if isinstance(table, dict) else ():
            start = positions.nearest((*path, key), key=True).start
            found[key] = f"{source.shown}:{source.text.count(chr(10), 0, start) + 1}"
        return found

    return keys
