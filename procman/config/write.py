"""The one way that procman writes a file of its user's: whole, or not at all."""

from __future__ import annotations

import codecs
import hashlib
import os
import sys
import tempfile
from errno import EACCES

from procman.config.source import Source


class ChangedMeanwhile(Exception):
    """The file is not any more what was read."""


def replace_text(source: Source, text: str) -> None:
    """Make `text` the content of the file that was read as `source`.

    A reader sees the old file or the new one. Its mode, its owner and a byte order mark are kept. Where the
    path is a symlink, the link stays, and the file that it leads to is replaced.

    Raises:
        ChangedMeanwhile: somebody else has edited it since it was read.
        OSError: it cannot be written, and is as it was.
    """
    target = os.path.realpath(source.path)
    with open(target, "rb") as file:
        before, status = file.read(), os.fstat(file.fileno())
    if hashlib.blake2b(before, digest_size=16).hexdigest() != source.digest:
        raise ChangedMeanwhile
    if not os.access(target, os.W_OK):  # a rename would not ask
        raise PermissionError(EACCES, os.strerror(EACCES), target)
    mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
    descriptor, fresh = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
    try:
        with open(descriptor, "wb") as file:
            file.write(mark + text.encode())
            file.flush()
            _make_alike(descriptor, status)
            os.fsync(descriptor)
        os.replace(fresh, target)
    except BaseException:
        os.unlink(fresh)
        raise


def create_text(path: str, text: str) -> None:
    """Make a new file with `text` in it.

    Raises:
        FileExistsError: something is at that path already, be it a link to nowhere; it is left alone.
        OSError: it cannot be written, and is not there.
    """
    with open(path, "x", encoding="utf-8", newline="") as file:
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(path)
            raise


def _make_alike(descriptor: int, status: os.stat_result) -> None:
    """Give a file the owner and the mode of another; in this order, because a new owner clears bits of it."""
    if sys.platform != "win32":
        made = os.fstat(descriptor)
        if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, status.st_mode & 0o7777)
