"""Who users are, by number and by name; on Windows a service has no user of its own here."""

from __future__ import annotations

import os
import sys


def owner_of(path: str) -> tuple[int, str | None]:
    """Return whose a file is: the number, and the name if that user has one."""
    owner = os.stat(path).st_uid
    if sys.platform == "win32":
        return owner, None
    import pwd

    try:
        return owner, pwd.getpwuid(owner).pw_name
    except KeyError:
        return owner, None


def user_named(name: str) -> str | None:
    """Return the name of a user of this machine as it is spelt there, or None."""
    if sys.platform == "win32":
        return None
    import pwd

    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        return None
