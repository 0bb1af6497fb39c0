"""Whether root may do what a file says: not where anybody could have written it.

Root runs the commands of the file, and gives apps the variables of an env file. An ordinary user who does the
same risks only what is theirs, and their editors, containers and shared drives make such files all the time.
"""

from __future__ import annotations

import os
import stat
import sys

from procman.config.diagnostics import Diagnostic, InvalidConfig

ALLOW = "PROCMAN_ALLOW_WRITABLE"  # for file systems that have no modes: `1` in it, and nothing is asked
_EVERYBODY = stat.S_IWOTH


def demand_trusted(descriptor: int, path: str, shown: str) -> None:
    """Raise `InvalidConfig` if this is root, and anybody may change or replace the file that is open.

    Args:
        descriptor: of the file.
        path: where it was opened.
        shown: how to name it to its user.
    """
    if sys.platform == "win32" or os.geteuid() != 0 or os.environ.get(ALLOW) == "1":
        return
    if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:  # a ConfigMap is mode 0777, and nobody can write to it
        return
    status = os.fstat(descriptor)
    if status.st_mode & _EVERYBODY:
        _refuse(shown, "everybody may write to it", "chmod", "o-w", shown)
    for place in dict.fromkeys((path, os.path.realpath(path))):
        folder = os.path.dirname(place)
        _demand_folder(folder, os.lstat(place), shown)


def _demand_folder(folder: str, entry: os.stat_result, shown: str) -> None:
    """Raise `InvalidConfig` if anybody may put something else in the place of an entry of the folder.

    Where the folder is sticky, as `/tmp` is, only the entry's owner may.
    """
    mode = os.stat(folder).st_mode
    if not mode & _EVERYBODY:
        return
    if not mode & stat.S_ISVTX:
        why = f"everybody may replace it, for everybody may write to `{folder}`"
        _refuse(shown, why, "chmod", "o-w", folder)
    if entry.st_uid != 0:
        who = f"a user who is not root has put it into `{folder}`, where everybody may"
        _refuse(shown, who, "mv", shown, "/root/")


def _refuse(shown: str, why: str, *mend: str) -> None:
    import shlex  # nobody else pays for it

    message = f"{why}, and root would run what it says"
    hint = f"`{shlex.join(mend)}`; or {ALLOW}=1 in the environment, if nobody else uses this machine"
    raise InvalidConfig([Diagnostic(shown, message, hint=hint)])
