"""The text of a file, read and decoded, or a clear word on why not."""

from __future__ import annotations

import hashlib
import os
import stat
from errno import ENAMETOOLONG, ENOENT, ENOTDIR

from procman.config.diagnostics import Diagnostic, EmptyFile, InvalidConfig, Lines, MissingFile
from procman.config.trust import demand_trusted
from procman.core.frozen import Frozen

CONFIG_NAME = "portwatch.toml"
LARGEST = 4 * 1024 * 1024  # bytes; 1,000 apps with every key take 0.5 MB
_MARK = "\ufeff"  # byte order mark: Windows editors write it, and it means nothing in UTF-8
_BINARY = "is it a binary file?"


class Source(Frozen):
    """A file as it was at one moment, with the one that is laid over it."""

    path: str  # absolute; a symlink is not resolved, as its folder is the project's
    shown: str  # how to name it to its user
    text: str
    digest: str  # of its bytes: equal for equal content
    local: Source | None = None

    @property
    def folder(self) -> str:
        """The absolute path of the folder the file is in."""
        return os.path.dirname(self.path)

    @property
    def version(self) -> str:
        """Equal for equal content, that of the local file included."""
        return self.digest if self.local is None else f"{self.digest} {self.local.digest}"


def shown_path(path: str) -> str:
    """Return how to name a file to someone in the current folder: relative if it is inside."""
    try:
        current = os.getcwd()
    except FileNotFoundError:  # the folder was removed under us
        return path
    relative = os.path.relpath(path, current)
    return path if relative.split(os.sep)[0] == os.pardir else relative


def local_path(path: str) -> str | None:
    """Return where the file lies that is laid over the one at `path`; a Procfile has none."""
    stem, extension = os.path.splitext(path)
    return f"{stem}.local{extension}" if extension == ".toml" else None


def read_source(path: str, *, shown_as: str | None = None, place: str | None = None) -> Source:
    """Return the configuration file at `path`, with its local file if there is one.

    Args:
        path: of the file.
        shown_as: how to name it in errors.
        place: where it is to stand, if that is not where it is: relative paths begin there, and the local
            file is that of the place.

    Raises:
        MissingFile: there is none.
        EmptyFile: there is nothing in it but space.
        InvalidConfig: it cannot be read, or is no text.
    """
    absolute = os.path.abspath(path)
    shown = shown_as if shown_as is not None else shown_path(absolute)
    text, digest = read_text(absolute, shown)
    if not text.strip():
        hint = 'declare an app: `[apps.web]` with `command = "npm run dev"`'
        raise EmptyFile([Diagnostic(shown, "the file is empty", 1, 1, hint=hint)])
    standing = absolute if place is None else os.path.abspath(place)
    return Source(standing, shown, text, digest, _read_local(standing))


def _read_local(path: str) -> Source | None:
    """Return what is laid over the file at `path`; an empty file is nothing."""
    beside = local_path(path)
    if beside is None or not os.path.lexists(beside):
        return None
    shown = shown_path(beside)
    text, digest = read_text(beside, shown)
    return Source(beside, shown, text, digest) if text.strip() else None


def read_text(path: str, shown: str) -> tuple[str, str]:
    """Return the text of a file, without a byte order mark, and a digest of its bytes.

    Raises:
        MissingFile: there is no such file.
        InvalidConfig: it cannot be read, is larger than 4 MiB, or is no UTF-8 text; or this is root, and
            anybody may write to it.
    """
    try:
        content = _read_bytes(path, shown)
    except OSError as error:
        raise _unreadable(error, path, shown) from error
    if len(content) > LARGEST:
        message = f"the file is larger than {LARGEST // 1024**2} MiB, so it is hardly the one you mean"
        raise InvalidConfig([Diagnostic(shown, message)])
    return _decoded(content, shown), hashlib.blake2b(content, digest_size=16).hexdigest()


def _read_bytes(path: str, shown: str) -> bytes:
    """Return the content of a regular file, of which at most one byte too many.

    Opened without waiting, because the open of a FIFO would wait for ever for somebody to write.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        demand_trusted(descriptor, path, shown)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST + 1)
    finally:
        os.close(descriptor)


def _unreadable(error: OSError, path: str, shown: str) -> InvalidConfig:
    if error.errno in (ENOENT, ENOTDIR, ENAMETOOLONG):
        reason = "a link to a file that does not exist" if os.path.islink(path) else "no such file"
        return MissingFile([Diagnostic(shown, reason)])
    hint = None
    if os.path.isdir(path):
        reason = "expected a file, got a directory"
        name = os.path.join(shown, CONFIG_NAME)
        hint = (
            f"name the file in it: `-f {name}`" if os.path.isfile(os.path.join(path, CONFIG_NAME)) else None
        )
    elif isinstance(error, PermissionError):
        reason = "no permission to read it"
        hint = f"see who may with `ls -l {shown}`"
    else:
        reason = f"it cannot be read: {error.strerror or error}"
    return InvalidConfig([Diagnostic(shown, reason, hint=hint)])


def _decoded(content: bytes, shown: str) -> str:
    try:
        text = content.decode().removeprefix(_MARK)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode().removeprefix(_MARK)
        text = before + content[error.start :].decode(errors="replace")
        message = f"expected UTF-8 text, got the byte 0x{content[error.start]:02X}"
        hint = "save the file as UTF-8"
        if b"\0" in content:
            hint = (
                "save the file as UTF-8"
                if content[:2] in (b"\xff\xfe", b"\xfe\xff")
                else "is it a binary file?"
            )
        where = len(before)
    else:
        if "\0" not in text:
            return text
        message, hint, where = "expected text, got a NUL byte", _BINARY, text.index("\0")
    raise InvalidConfig([Lines(text).at(shown, where, where + 1, message, hint)])
