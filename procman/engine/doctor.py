"""`procman doctor`: what is checked of the installation, the machine and the file.

The state folder is in `doctor_state`, each app in `doctor_apps`. Nothing is repaired: a finding says what to
type.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from procman import __version__
from procman.config.read import InvalidConfig, read_config
from procman.core.config import Config
from procman.core.identity import MARKER
from procman.engine.doctor_apps import check_app
from procman.engine.doctor_service import check_service
from procman.engine.doctor_state import check_silent, check_state
from procman.engine.findings import Finding, fail, ok, warn
from procman.engine.installation import beside, passing
from procman.engine.ports import Current, Holding, last_sign, look, orphans, tell_apart
from procman.engine.runs import project_mark
from procman.engine.service import Installation, Wish
from procman.host.base import Host
from procman.host.facts import Facts, Limit, gather, version_of

OLDEST, NEWEST = (3, 11), (3, 13)  # Pythons that procman is tested on
CROWDED = 0.8  # of a limit: what is left is not enough for one more bundler
FEW_WATCHES = 65_536  # a bundler watches every folder of a project but node_modules: some thousands
OPEN_FILES = 64  # that a manager has for itself
OPEN_FILES_PER_APP = 10  # two pipes, two files of its log, a pidfd, a check's connections; with some room
CLOSED_UNSEEN = "a closed listener is noticed at the next check, not within milliseconds"


@dataclass(frozen=True, slots=True)
class Reached:
    """The manager that answers, and the runs that it has."""

    pid: int
    version: str
    file: str
    runs: tuple[Current, ...] | None  # None: it is of a version that does not say


@dataclass(frozen=True, slots=True)
class Patient:
    """What is to be examined."""

    host: Host
    file: str
    home: Path
    socket: Path  # the manager's
    environment: Mapping[str, str]  # of the command: what a manager that it starts would have
    manager: Reached | None  # None: none answers
    silence: str | None = None  # why a manager that is there did not answer
    services: tuple[Installation, ...] = ()  # of this user and of the machine, installed or not


def examine(
    patient: Patient,
    facts: Callable[[str], Facts] = gather,
    ask_version: Callable[[str, Mapping[str, str], str], str | None] = version_of,
) -> Iterator[Finding]:
    """Yield what every check finds, in the order in which to read it."""
    home = patient.home if patient.home.is_dir() else patient.home.parent
    machine = facts(str(home if os.access(home, os.W_OK) else tempfile.gettempdir()))
    config: Config | None = None
    try:
        config = read_config(patient.file)
        verdict = _valid(config)
    except InvalidConfig as error:
        verdict = fail("file", error.summary, "`procman check` shows every mistake in its place")
    count = len(config.enabled_apps()) if config is not None else 0
    yield from _installation()
    yield from _limits(machine, count)
    yield from _features(patient.host, machine)
    yield verdict
    yield from check_state(patient.home, config)
    if patient.manager is None:
        yield check_silent(patient.home, patient.socket, patient.silence)
    else:
        yield _manager(patient, patient.manager)
    if config is not None:
        for service in patient.services:
            wish = Wish(config, service.manager.system, patient.environment)
            yield from check_service(service, wish, patient.manager.pid if patient.manager else None)
    holdings, left = _look(patient)
    yield from left
    if config is None:
        return
    inherited = {name: value for name, value in patient.environment.items() if name != MARKER}
    for app in config.enabled_apps().values():
        yield from check_app(app, config.folder, inherited, holdings, ask_version)


def _valid(config: Config) -> Finding:
    enabled = len(config.enabled_apps())
    if not enabled:
        return warn("file", f"`{config.file}` enables no app", "set `enabled = true` in one")
    return ok("file", f"`{config.file}` is valid: {_counted(enabled, 'app')}")


def _installation() -> Iterator[Finding]:
    here = sys.version_info[:2]
    version = ".".join(map(str, sys.version_info[:3]))
    tested = f"{'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
    if OLDEST <= here <= NEWEST:
        yield ok("python", f"Python {version} at `{sys.executable}`")
    else:
        yield warn("python", f"Python {version} is not among those that procman is tested on, {tested}")
    kind = passing(sys.prefix)
    if kind is not None:
        yield warn(
            "procman",
            f"procman {__version__} is installed in `{sys.prefix}`, {kind} that may be cleaned "
            "while its manager runs",
            "install it to stay, for example with `pipx install` or `uv tool install`",
        )
        return
    first = shutil.which("procman")
    ours = beside()
    if first is not None and os.path.exists(ours) and not os.path.samefile(first, ours):
        yield warn(
            "procman",
            f"procman {__version__} runs from `{sys.prefix}`, but `procman` on PATH is `{first}`",
            f"`{ours}` is the one that was asked",
        )
    else:
        yield ok("procman", f"procman {__version__} in `{sys.prefix}`")


def _limits(machine: Facts, count: int) -> Iterator[Finding]:
    if machine.watches is not None:
        more = "`sudo sysctl fs.inotify.max_user_watches=524288`"
        few = machine.watches.allowed < FEW_WATCHES
        yield _use("inotify watches", machine.watches, more, "bundlers and procman do not see edits", few)
    if machine.instances is not None:
        more = "`sudo sysctl fs.inotify.max_user_instances=1024`"
        yield _use("inotify instances", machine.instances, more, "no further program can watch files", False)
    if machine.open_files is not None:
        needed = OPEN_FILES + OPEN_FILES_PER_APP * count
        allowed, apps = _allowed(machine.open_files), _counted(count, "app")
        text = f"{allowed} may be open at once; {needed} are needed for {apps}"
        if machine.open_files < 0 or machine.open_files >= needed:
            yield ok("open files", text)
        else:
            yield fail("open files", text, f"`ulimit -n {max(4096, needed)}` before `procman up`")


def _use(subject: str, limit: Limit, more: str, without: str, few: bool) -> Finding:
    text = f"{limit.used:,} of {limit.allowed:,} are in use by this user, as far as can be read"
    if limit.used >= limit.allowed:
        return fail(subject, f"{text}: {without}", more)
    if limit.used > CROWDED * limit.allowed or few:
        return warn(subject, f"{text}; at the limit {without}", more)
    return ok(subject, text)


def _allowed(count: int) -> str:
    return "any number" if count < 0 else f"{count:,}"


def _features(host: Host, machine: Facts) -> Iterator[Finding]:
    notices = host.watch_closed(lambda _port: None)
    if notices is not None:
        notices.cancel()
    without = [each for each in machine.features if not each.works]
    missing = [f"no {each.name}: {each.otherwise}" for each in without if each.is_usual]
    there = [each.name for each in machine.features if each.works]
    if notices is None:
        missing.append(f"no destroy notices: {CLOSED_UNSEEN}")
    else:
        there.append("destroy notices")
    if there:
        yield ok("kernel", f"it has {', '.join(there)}")
    for unusual in (each for each in without if not each.is_usual):
        yield ok("kernel", f"no {unusual.name}: {unusual.otherwise}")
    for each in missing:
        yield warn("kernel", each)


def _manager(patient: Patient, manager: Reached) -> Finding:
    again = "`procman down`, then `procman up -d`"
    if manager.version != __version__:
        text = f"pid {manager.pid} is procman {manager.version}, installed is {__version__}"
        return warn("manager", text, "`procman upgrade`")
    if os.path.realpath(manager.file) != os.path.realpath(patient.file):
        text = f"pid {manager.pid} runs `{manager.file}`, not `{patient.file}`"
        return warn("manager", text, f"{again}, or give each file a folder of its own with `PROCMAN_HOME`")
    return ok("manager", f"pid {manager.pid} runs, procman {manager.version} as installed")


def _look(patient: Patient) -> tuple[tuple[Holding, ...] | None, Sequence[Finding]]:
    """Return who listens where, and what is found about that and about orphans."""
    host, project = patient.host, project_mark(patient.home)
    runs = patient.manager.runs if patient.manager is not None else None
    if patient.manager is not None and runs is None:
        return None, ()
    left = orphans(host, host.marked(project), runs or ())
    if not left:
        findings = [ok("orphans", "no process of this project runs without a manager")]
    else:
        names = "; ".join(
            f"{name}: {', '.join(f'{each.name} {each.pid}' for each in members)}"
            for name, _run, members in left
        )
        hint = "`procman up` takes them back, `procman down` ends them"
        if runs is not None:
            hint = "`procman ports` shows their ports, `procman free PORT` ends them"
        findings = [warn("orphans", f"still run without a manager: {names}", hint)]
    sight = look(host, project)
    if sight is None:
        findings.append(warn("ports", "who listens can't be read here, so no verdict on a port is exact"))
        return None, findings
    return tell_apart(host, sight, runs, last_sign(patient.home)), findings


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
