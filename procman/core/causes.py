"""Why a run ended or does not answer, as far as its own last lines tell."""

from __future__ import annotations

from enum import Enum

from procman.core.frozen import Frozen


class Cause(Frozen):
    """A recognised cause, with what mends it."""

    kind: str  # a word for programs, one of `Kind`: `port in use`, `missing module`…
    sentence: str  # what happened, for people
    remedy: str | None = None  # what to do about it; commands in backticks
    hopeless: bool = False  # a restart can't help before one of `files` has changed
    files: tuple[str, ...] = ()  # whose change may mend it; absolute paths, which need not exist

    @property
    def words(self) -> str:
        """The sentence with its remedy."""
        return self.sentence if self.remedy is None else f"{self.sentence}; {self.remedy}"


class Kind(Enum):
    """What can be recognised; the words are the public ones."""

    PORT_IN_USE = "port in use"
    OTHER_NEXT = "another next dev server"
    MISSING_SCRIPT = "missing script"
    NO_PACKAGE = "no package.json"
    BROKEN_PACKAGE = "broken package.json"
    STALE_LOCK = "lock file out of date"
    NOT_INSTALLED = "missing node_modules"
    MISSING_MODULE = "missing module"
    MISSING_FILE = "missing file"
    MISSING_FOLDER = "missing folder"
    NO_COMMAND = "command not found"
    WRONG_NODE = "unsupported engine"
    FOREIGN_ADDON = "addon of another node"
    OLD_OPENSSL = "openssl of another node"
    MODULE_SYSTEM = "module system mismatch"
    OUT_OF_HEAP = "out of heap"
    WATCH_LIMIT = "inotify limit"
    PERMISSION = "permission denied"


class Match(Frozen):
    """A kind of cause, with what the lines say about it."""

    kind: Kind
    subject: str | None = None  # what it is about: a script, a module, a command, an address, a tool
    file: str | None = None  # the file or the folder in which it came up
    port: int | None = None
    pid: int | None = None  # of the other server
    wanted: str | None = None  # a version or a range of them; what was to be done
    found: str | None = None  # what is there instead
    lacks: str | None = None  # what there is not: of this node, or of this machine
