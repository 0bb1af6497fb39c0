"""What the manager does without, so that it stays small: imported before all else by `procman.manager`.

Measured with CPython 3.11 on a manager that has nothing to do: asyncio without TLS and hashlib without
OpenSSL's digests take 1.3 MB less (libssl and libcrypto are not loaded), modules that others import and do
not use 1.0 MB or more, one arena of malloc for all threads 0.3 MB, and what the imports have left unused,
given back to the system, 0.7 MB.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3  # malloc.h of glibc
# Bytes. What is larger glibc takes from the system and gives back to it, but by itself only until the first
# such piece is freed: from then on what is no larger than that lies in the heap, with small ones behind it.
# CPython's table of interned names (0.9 MB) is such a piece, whenever it is made anew: 2 MB for nothing.
LARGE = 128 << 10
DIGESTS = "_sha2" if sys.version_info >= (3, 12) else "_sha256"  # CPython's own
# Imported by dataclasses, asyncio, urllib, subprocess and linecache: for what is seldom done. `textwrap` is
# not among them: a traceback has to be written also where no descriptor is left to load it with.
SELDOM: tuple[str, ...] = ("ipaddress", "locale", "tokenize")
SELDOM += ("asyncio.sslproto", "asyncio.staggered", "base64")  # TLS, names with several addresses, `attach`
SELDOM += ("bz2", "lzma", "zlib")  # of shutil, which is there to look for node
if sys.version_info < (3, 12):  # from then on each data class asks it for its annotations
    SELDOM += ("inspect",)


class _Seldom(ModuleType):
    """A module that is loaded when something of it is used.

    `importlib.util.LazyLoader` is for that, but up to Python 3.11 the next `import` of the module loads it.
    """

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        found: object = getattr(importlib.import_module(self.__name__), name)
        return found


@contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Let these modules not be there for a while; whoever needs one later on can still import it."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _malloc(function: str, *arguments: int) -> None:
    """Tell glibc's malloc something; another one is not told."""
    told = getattr(ctypes.CDLL(None), function, None) if sys.platform == "linux" else None
    if told is not None:
        told(*arguments)


def _no_source(_function: object) -> None:
    """Return that it is not known where a callback was written; the traceback tells.

    When a callback fails asyncio asks `inspect`, which is loaded then: without a descriptor left that fails
    too, and ends the loop.
    """


def settle() -> None:
    """Look no more at what the imports have made when garbage is looked for: it stays."""
    gc.freeze()
    gc.enable()


def give_back() -> None:
    """Give memory that is not used any more back to the system, the garbage of the imports included.

    That was not looked for before, when the first app waited for it: 5 ms.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    _malloc("malloc_trim", 0)


gc.disable()  # until `settle`: what the imports make stays, and to look at it again and again took them 6 ms
_malloc("mallopt", M_ARENA_MAX, 1)
_malloc("mallopt", M_MMAP_THRESHOLD, LARGE)
for seldom in SELDOM:
    sys.modules.setdefault(seldom, _Seldom(seldom))
with _absent("ssl"):
    import asyncio.format_helpers
asyncio.format_helpers._get_function_source = _no_source  # type: ignore[assignment]
if importlib.util.find_spec(DIGESTS) is not None:  # some distributions have OpenSSL's alone
    with _absent("_hashlib"):
        import hashlib  # noqa: F401
