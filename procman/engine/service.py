"""Has a manager start with the machine: writes the file of its service, and asks the service manager.

Everything can be done twice: what is as it should be stays as it is, and is said to be.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procman.config.services import launchd, systemd, windows
from procman.config.services.service import Service, usual_name
from procman.core.config import Config
from procman.core.service import stop_budget
from procman.engine.installation import passing, stable_path
from procman.host.accounts import owner_of, user_named
from procman.host.service_manager import NotDone, ServiceManager, ServiceState

STAY = "install it to stay, for example with `pipx install` or `uv tool install`"
OLD = "it takes effect at the next start of the service"


@dataclass(slots=True)
class Told:
    """What was done, and what its user may want to do."""

    lines: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a service is to be made of."""

    config: Config
    system: bool
    environment: Mapping[str, str]
    user: str | None = None  # that was named
    home: str | None = None  # the state folder of the project
    script: str | None = None  # of the installation; tests have another


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a service manager has a service written down."""

    write: Callable[[Service], str]
    file_of: Callable[[str], str | None]
    differences: Callable[[str, str], list[str]]
    programs: Callable[[str], list[str]]
    user_of: Callable[[str], str | None]


DIALECTS = {
    "systemd": Dialect(systemd.unit, systemd.file_of, systemd.differences, systemd.programs, systemd.user_of),
    "launchd": Dialect(
        lambda service: launchd.property_list(service, _logs(service)),
        launchd.file_of,
        launchd.differences,
        launchd.programs,
        launchd.user_of,
    ),
    "windows": Dialect(
        windows.description, windows.file_of, windows.differences, windows.programs, lambda text: None
    ),
}


def _logs(service: Service) -> str:
    return "/Library/Logs" if service.system else os.path.expanduser("~/Library/Logs")


def describe(wish: Wish, name: str, kind: str = "", installed: str = "") -> Service:
    """Return the service of a project, for a kind of service manager.

    What an installed one has that is as good as what would be chosen now stays: a user that was named, and a
    path that leads to this procman. Else root and its user, who have another PATH, would never agree.

    Raises:
        NotDone: procman can't be started as it is here, or not as that user.
    """
    dialect = DIALECTS.get(kind)
    before = [] if dialect is None else dialect.programs(installed)
    program = stable_path(wish.environment, wish.script, before)
    if program is None:
        raise NotDone("procman runs here without its script: nothing could start it with the machine", STAY)
    has_user = wish.system and kind != "windows"
    return Service(
        name=name,
        file=wish.config.file,
        program=(program,),
        stop_within=float(round(stop_budget(wish.config.enabled_apps()))),
        system=wish.system,
        user=_user(wish, None if dialect is None else dialect.user_of(installed)) if has_user else None,
        state=wish.environment.get("PROCMAN_HOME") or None,
    )


def _user(wish: Wish, before: str | None) -> str:
    """Return as whom a service of the machine runs: as the owner of the file, unless somebody was named."""
    named = wish.user or before
    if named is not None:
        user, missing = user_named(named), f"there is no user `{named}` on this machine"
    else:
        _, user = owner_of(wish.config.file)
        missing = f"`{wish.config.file}` belongs to a user without a name"
    if user is None:
        raise NotDone(missing, "`--as USER` names one")
    others = {app.user for app in wish.config.enabled_apps().values() if app.user is not None} - {user}
    if user != "root" and others:
        text = f"an app runs as `{min(others)}`, which only a manager of root can do"
        raise NotDone(text, "`--as root` makes it one")
    return user


def _demand_sound(service: Service, home: str | None) -> None:
    """Return if what is about to be installed will stay, can work, and gives nobody root's rights.

    Raises:
        NotDone: procman is where it may be cleaned away, the state folder is somebody else's, or root would
            run what others can change.
    """
    program = service.program[0]
    kind = passing(program)
    if kind is not None:
        raise NotDone(f"`{program}` is in {kind} that may be cleaned", STAY)
    if service.user is not None and home is not None and os.path.exists(home):
        owner, name = owner_of(home)
        if name != service.user:
            text = f"`{home}` belongs to `{name or owner}`, and the service runs as `{service.user}`"
            raise NotDone(text, f"`procman down`, then `chown -R {service.user}: {home}`")
    if service.user == "root":
        _demand_roots_own(program, service.file)


def _demand_roots_own(*paths: str) -> None:
    """Return if nobody but root can change what root would run.

    Raises:
        NotDone: somebody can.
    """
    for path in paths:
        owner, _ = owner_of(path)
        if owner != 0:
            hint = "`--as USER` runs the manager as that user"
            raise NotDone(f"root would run what user {owner} can change: `{path}`", hint)


class Installation:
    """The service of one project, of this user or of the machine."""

    def __init__(self, manager: ServiceManager, file: str) -> None:
        self.manager = manager
        self.file = file
        self.dialect = DIALECTS[manager.kind]
        self.folder = Path(manager.folder())
        self.name = self._find() or self._free_name()

    @property
    def path(self) -> Path:
        """The file of the service."""
        return self.folder / self.manager.file_name(self.name)

    @property
    def is_there(self) -> bool:
        """Whether the service is installed."""
        return self.dialect.file_of(_read(self.path)) == self.file

    def left(self) -> list[tuple[Path, str]]:
        """Return the files of our services, any project's, whose file of a project is gone; and that file."""
        found = ((path, self.dialect.file_of(_read(path))) for path in self._ours())
        return [(path, file) for path, file in found if file is not None and not os.path.exists(file)]

    def programs(self) -> list[str]:
        """Return the programs that the installed file runs."""
        return self.dialect.programs(_read(self.path))

    def text(self, wish: Wish) -> str:
        """Return what the file of the service is to be; raises `NotDone`."""
        return self.dialect.write(self._describe(wish))

    def _describe(self, wish: Wish) -> Service:
        return describe(wish, self.name, self.manager.kind, _read(self.path))

    def unfit(self, wish: Wish) -> list[str]:
        """Return in what the file that is installed differs from what it would be now."""
        return self.dialect.differences(self.text(wish), _read(self.path))

    def install(self, wish: Wish, *, linger: bool, other: int | None) -> Told:
        """Have the project's manager start with the machine, and now.

        Args:
            wish: what it is made of.
            linger: whether a service of a user is to run from the start of the machine on.
            other: pid of a manager that runs already, and is not of this service.

        Raises:
            NotDone: at which step it ended; those before are done.
        """
        told, manager = Told(), self.manager
        service = self._describe(wish)
        _demand_sound(service, wish.home)
        text, before = self.dialect.write(service), _read(self.path)
        if linger and manager.lingers() is False:  # first, for it starts the systemd of a user
            manager.linger()
            told.lines.append("your services run from the start of the machine on: lingering is enabled")
        manager.demand()
        was = manager.state(self.name)
        if text == before:
            told.lines.append(f"`{self.path}` is as it should be")
        else:
            self._write(text)
            verb = "wrote" if not before else "renewed"
            is_late = f"; {OLD}" if before and was.pid is not None else ""
            told.lines.append(f"{verb} `{self.path}`{is_late}")
        manager.enable(self.name)
        told.lines.append(f"`{self.name}` starts {_when(manager)}")
        self._start(told, was, other)
        if manager.lingers() is False:
            told.hints.append(
                "without lingering it starts when you log in and ends when you have logged out; "
                "`procman service install --linger` changes that"
            )
        return told

    def _start(self, told: Told, was: ServiceState, other: int | None) -> None:
        if was.pid is not None:
            told.lines.append(f"it runs already: manager {was.pid}")
        elif other is not None:
            told.lines.append(f"manager {other} runs, which was not started by the service, and goes on")
            start = self.manager.spell("start", self.name)
            told.hints.append(f"`procman down && {start}` makes it the service's now; so does a reboot")
        else:
            self.manager.start(self.name)
            now = self.manager.state(self.name)
            told.lines.append(f"started it: manager {now.pid}" if now.pid is not None else "started it")

    def uninstall(self) -> Told:
        """Stop the service, and its apps, and have it start no more; raises `NotDone`."""
        told = Told()
        if not self.is_there:
            told.lines.append(f"no service is installed for `{self.file}`")
            return told
        was = self.manager.state(self.name)
        if was.is_known:
            self.manager.remove(self.name)
        if was.pid is not None:
            told.lines.append("stopped the manager and every app")
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise NotDone(f"`{self.path}` can't be removed: {error.strerror}") from error
        self.manager.forget(self.name)
        told.lines.append(f"removed `{self.path}`: `{self.name}` starts no more")
        if self.manager.lingers():
            told.hints.append("lingering stays enabled; `loginctl disable-linger` ends it")
        return told

    def _write(self, text: str) -> None:
        fresh = self.path.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o644)
            os.replace(fresh, self.path)
        except OSError as error:
            hint = "a service of the machine is installed by root" if self.manager.system else None
            raise NotDone(f"`{self.path}` can't be written: {error.strerror}", hint) from error

    def _find(self) -> str | None:
        """Return the name of the service that was installed for this file, or None."""
        for path in self._ours():
            if self.dialect.file_of(_read(path)) == self.file:
                return self.manager.name_of(path.name)
        return None

    def _ours(self) -> list[Path]:
        return sorted(self.folder.glob(self.manager.file_name("procman-*")))

    def _free_name(self) -> str:
        """Return a name that no other project has."""
        name = usual_name(self.file)
        other = self.dialect.file_of(_read(self.folder / self.manager.file_name(name)))
        return usual_name(self.file, taken=True) if other is not None and other != self.file else name


def _when(manager: ServiceManager) -> str:
    if manager.system or manager.lingers():
        return "with the machine"
    return "when you log in"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
