"""How an app is started on Windows: found, put into its job, and why it could not be."""

from __future__ import annotations

import errno
import os

from procman.host.base import Order, Rights, SpawnError, Stage
from procman.host.windows import spool, win32
from procman.host.windows.command import NoCommand, Unfit, command_line
from procman.host.windows.jobs import Jobs
from procman.host.windows.win32 import CallFailed, Handle, Win32

ERRNO = {
    win32.FILE_NOT_FOUND: errno.ENOENT,
    win32.PATH_NOT_FOUND: errno.ENOENT,
    win32.TOO_MANY_OPEN_FILES: errno.EMFILE,
    win32.ACCESS_DENIED: errno.EACCES,
    win32.ELEVATION_REQUIRED: errno.EACCES,
    win32.NOT_ENOUGH_MEMORY: errno.ENOMEM,
    win32.NO_SYSTEM_RESOURCES: errno.EAGAIN,
    win32.BAD_FORMAT: errno.ENOEXEC,
    win32.DIRECTORY: errno.ENOENT,
}


class Starter:
    """Starts processes, each in a job. Owned by the thread of the event loop."""

    def __init__(self, kernel: Win32, jobs: Jobs) -> None:
        self._kernel = kernel
        self._jobs = jobs

    def start(self, order: Order, marker: str) -> win32.Birth:
        """Start a process in a job of that marker's, which it is let go in.

        Raises:
            SpawnError: nothing was started.
        """
        _refuse(order)
        subject = order.arguments[0]
        try:
            line = command_line(
                order.arguments,
                shell=order.shell,
                folder=order.cwd,
                environment=order.environment,
                is_file=self._kernel.is_file,
            )
        except NoCommand as error:
            raise SpawnError(Stage.EXECUTE, _error(errno.ENOENT), subject) from error
        except Unfit as error:
            raise SpawnError(Stage.EXECUTE, OSError(errno.EINVAL, str(error)), subject) from error
        job = None
        try:
            job = self._jobs.make(marker)
            standard = (order.stdin, order.stdout, order.stderr)
            birth = self._kernel.create_process(
                line.program, line.text, order.environment, order.cwd, standard, job
            )
        except CallFailed as error:
            self._jobs.forget(marker)
            raise _spawn_error(error, order) from error
        self._jobs.share(job, birth.process)
        self._keep_input_open(order.stdin, birth.process)
        return birth

    def _keep_input_open(self, stdin: int, process: Handle) -> None:
        """Let a process hold the other end of its stdin, so that its input ends with itself."""
        writer = spool.take_writer(stdin)
        if writer is None:
            return
        try:
            self._kernel.lend(writer, process)
        except CallFailed:  # it has ended already
            return
        finally:
            os.close(writer)


def _refuse(order: Order) -> None:
    """Raise if an app is to have what only POSIX gives."""
    if order.rights != Rights():
        what = "`user`, `group`, `umask`, `nice` and `limits` are not there on Windows"
        raise SpawnError(Stage.RIGHTS, OSError(errno.ENOTSUP, what), order.arguments[0])
    if order.terminal:
        what = "`tty` is not there on Windows"
        raise SpawnError(Stage.TERMINAL, OSError(errno.ENOTSUP, what), order.arguments[0])


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _spawn_error(error: CallFailed, order: Order) -> SpawnError:
    """Return the stage that a failed call belongs to."""
    failed = _error(ERRNO.get(error.code, errno.EIO))
    if error.code not in ERRNO:
        failed.strerror = str(error)
    if error.code == win32.DIRECTORY:
        return SpawnError(Stage.CWD, failed, order.cwd)
    if error.code == win32.TOO_MANY_OPEN_FILES:
        return SpawnError(Stage.PIPES, failed, order.arguments[0])
    if error.code in (win32.NOT_ENOUGH_MEMORY, win32.NO_SYSTEM_RESOURCES):
        return SpawnError(Stage.FORK, failed, order.arguments[0])
    if error.code == win32.ELEVATION_REQUIRED:
        failed.strerror = "it wants an administrator's rights"
    return SpawnError(Stage.EXECUTE, failed, order.arguments[0])
