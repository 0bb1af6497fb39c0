"""As whom a process runs and what it may use: names to numbers, and what is to be done before it is executed.

A user and a group alone are left to `subprocess`. Limits, a priority and a terminal need code between fork
and exec (`preexec_fn`): set from outside, limits would come too late for what reads its limit of files first,
as node and Java do, and only the leader of a session can take its terminal. That code makes system calls and
nothing else, so no lock that another thread held at the fork is taken; and only an app that asks for it pays
for fork in the place of vfork.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import resource
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypedDict

from procman.core.frozen import Frozen
from procman.host.base import Rights, SpawnError, Stage
from procman.host.posix import pty

assert sys.platform != "win32"

_TERMINAL = "its terminal"  # what has failed, in a report


class Arguments(TypedDict, total=False):
    """What `subprocess.Popen` is given because of rights."""

    user: int
    group: int
    extra_groups: Sequence[int]
    umask: int
    preexec_fn: Callable[[], None]


class Account(Frozen):
    """A user, as numbers: only what differs from the manager is there to be changed."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] | None = None


class Preparation:
    """What `subprocess` is to do for some rights, and what has failed of it; closed after the spawn.

    Raises:
        SpawnError: there is no such user or group, or only root may do that.
    """

    def __init__(self, rights: Rights, *, terminal: bool = False) -> None:
        self.account = resolve(rights)
        self.arguments: Arguments = {}
        self._report: tuple[int, int] | None = None
        account = self.account
        if rights.umask is not None:
            self.arguments["umask"] = rights.umask
        if rights.nice is not None or rights.limits or terminal:
            try:
                self._report = os.pipe()
            except OSError as error:
                raise SpawnError(Stage.PIPES, error, "its rights") from error
            self.arguments["preexec_fn"] = self._before_exec(rights, terminal)
            return
        if account.uid is not None:
            self.arguments["user"] = account.uid
        if account.gid is not None:
            self.arguments["group"] = account.gid
        if account.groups is not None:
            self.arguments["extra_groups"] = account.groups

    def close(self) -> None:
        """Close what is open."""
        if self._report is not None:
            for descriptor in self._report:
                os.close(descriptor)
            self._report = None

    def failure(self) -> SpawnError:
        """Return why the code before the exec has failed."""
        assert self._report is not None, "only that code fails in this way"
        os.set_blocking(self._report[0], False)
        said = ""
        with suppress(BlockingIOError):
            said = os.read(self._report[0], 200).decode()
        what, _, number = said.partition("=")
        code = int(number) if number.isdecimal() else errno.EPERM
        stage = Stage.TERMINAL if what == _TERMINAL else Stage.RIGHTS
        return SpawnError(stage, OSError(code, os.strerror(code)), what or "its rights")

    def _before_exec(self, rights: Rights, terminal: bool) -> Callable[[], None]:
        """Return what the child does while it is still whom the manager is: limits may go up as root."""
        assert self._report is not None, "it is opened first"
        report, account = self._report[1], self.account
        # All names are looked up here: what runs in the child is to be calls of the system alone.
        limits = [
            (f"limits.{name}", getattr(resource, f"RLIMIT_{name.upper()}"), most)
            for name, most in rights.limits
        ]
        infinite, setrlimit = resource.RLIM_INFINITY, resource.setrlimit

        def before_exec() -> None:
            what = _TERMINAL
            try:
                if terminal:
                    pty.take_control()
                what = "nice"
                if rights.nice is not None:
                    os.setpriority(os.PRIO_PROCESS, 0, rights.nice)
                for what, kind, most in limits:  # noqa: B007 - it tells where it failed
                    number = infinite if most is None else most
                    setrlimit(kind, (number, number))
                what = "user"
                if account.groups is not None:
                    os.setgroups(account.groups)
                if account.gid is not None:
                    os.setregid(account.gid, account.gid)
                if account.uid is not None:
                    os.setreuid(account.uid, account.uid)
            except (OSError, ValueError) as error:  # `setrlimit` makes a ValueError of EPERM
                os.write(report, f"{what}={getattr(error, 'errno', errno.EPERM)}".encode())
                raise

        return before_exec


def hand_over(account: Account, descriptors: Sequence[int]) -> None:
    """Give another user's process its pipes or terminal: `/dev/stdout` opens them anew, by their owner."""
    if account.uid is None and account.gid is None:
        return
    for descriptor in descriptors:
        if descriptor >= 0 and (stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor)):
            with suppress(OSError):
                os.fchown(
                    descriptor,
                    -1 if account.uid is None else account.uid,
                    -1 if account.gid is None else account.gid,
                )


def variables(user: str) -> dict[str, str]:
    """Return what the environment says of a user: none that it is not known by the password database."""
    entry = _entry(user)
    if entry is None:
        return {}
    names = {"USER": entry.pw_name, "LOGNAME": entry.pw_name}
    return names | {"HOME": entry.pw_dir, "SHELL": entry.pw_shell or "/bin/sh"}


def resolve(rights: Rights) -> Account:
    """Return the numbers of a user and a group, None for what is that of the manager already.

    Raises:
        SpawnError: there is no such user or group, or only root may become them.
    """
    uid, gid, groups = None, None, None
    if rights.group is not None:
        gid = _group(rights.group)
    if rights.user is not None:
        entry = _entry(rights.user)
        if entry is None and not rights.user.isdecimal():
            raise _refused(errno.ENOENT, "there is no such user", rights.user)
        uid = int(rights.user) if entry is None else entry.pw_uid
        if gid is None and entry is None:
            raise _refused(errno.EINVAL, "it has no entry that tells its group: set `group` too", rights.user)
        gid = entry.pw_gid if gid is None and entry is not None else gid
        assert gid is not None, "it was given, or is that of the entry"
        groups = (gid,) if entry is None else tuple(os.getgrouplist(entry.pw_name, gid))
    if os.geteuid() == 0:
        return Account(uid, gid, groups)
    if uid not in (None, os.geteuid()):
        raise _refused(errno.EPERM, "only root may start a process of another user", rights.user or "")
    if gid not in (None, os.getegid()):
        raise _refused(errno.EPERM, "only root may start a process of another group", rights.group or "")
    return Account()


def _entry(user: str) -> pwd.struct_passwd | None:
    with suppress(KeyError):
        return pwd.getpwnam(user)
    with suppress(KeyError, OverflowError):
        return pwd.getpwuid(int(user)) if user.isdecimal() else None
    return None


def _group(group: str) -> int:
    with suppress(KeyError):
        return grp.getgrnam(group).gr_gid
    if group.isdecimal():
        return int(group)
    raise _refused(errno.ENOENT, "there is no such group", group)


def _refused(code: int, text: str, subject: str) -> SpawnError:
    return SpawnError(Stage.RIGHTS, OSError(code, text), subject)
