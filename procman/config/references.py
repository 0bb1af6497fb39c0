"""`${apps.api.port}`: what the file says of one app, in the commands and the environment of another.

It is filled in when the file is read, so a new port of `api` is a new value wherever it is referred to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from procman.config.declared import Declared
from procman.config.names import closest
from procman.config.tables import WRONG
from procman.core.frozen import Frozen
from procman.core.values import Bad, alternatives

KEYS = ("port", "host", "cwd", "name")
_REFERENCE = re.compile(r"(?<!\$)\$\{apps\.([^{}]*)\}")


class References(Frozen):
    """What can be referred to: the apps of one file."""

    apps: Mapping[str, Declared]
    folder: str  # of the file

    def fill(self, text: str) -> str:
        """Return `text` with every reference filled in; `$${apps.…}` stays as it is.

        Raises:
            Bad: there is no such app, or it has no such thing; only of the first one.
        """
        return _REFERENCE.sub(self._value, text) if "${apps." in text else text

    def _value(self, reference: re.Match[str]) -> str:
        name, _, key = reference[1].rpartition(".")
        if key not in KEYS and (reference[1] in self.apps or name not in self.apps):
            name, key = reference[1], ""  # no key at all: `${apps.api}`
        app, part = self.apps.get(name), reference.span()
        if app is None:
            raise Bad(f"there is no app `{name}`", self._meant(name, key), part=part)
        if key not in KEYS:
            expected = f"expected {alternatives(f'`{each}`' for each in KEYS)} of `{name}`"
            near = closest(key, KEYS)
            hint = f"did you mean `${{apps.{name}.{near}}}`?" if near else f"write `${{apps.{name}.port}}`"
            raise Bad(f"{expected}, got {f'`{key}`' if key else 'nothing'}", hint, part=part)
        if key == "cwd":
            return _folder(app, self.folder)
        value = name if key == "name" else app.get(key, "localhost" if key == "host" else None)
        if value is None:
            raise Bad(f"`{name}` has no port", f"add `port = …` to `{name}`", part=part)
        return reference[0] if value is WRONG else str(value)

    def _meant(self, name: str, key: str) -> str | None:
        """Return what may have been meant by an app that is not there."""
        family = next((each for each in self.apps.values() if each.family == name), None)
        near = family.name if family is not None else closest(name, tuple(self.apps))
        if near is None:
            return None
        hint = f"`${{apps.{near}.{key or 'port'}}}`"
        return (
            f"it has several instances; name one: {hint}" if family is not None else f"did you mean {hint}?"
        )


def _folder(app: Declared, folder: str) -> str:
    cwd = app.get("cwd", ".")
    return folder if cwd is WRONG else os.path.normpath(os.path.join(folder, os.path.expanduser(cwd)))
