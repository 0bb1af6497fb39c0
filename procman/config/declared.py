"""What the file says of one app, before it is put together: its own table, [defaults] and [manager]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procman.config.positions import Path
from procman.config.tables import Values, merged
from procman.core.frozen import Frozen


class Declared(Frozen):
    """What the file says about one app."""

    name: str
    own: Mapping[str, Any]  # parsed values of its own table
    inherited: Mapping[str, Any]  # of [defaults]
    manager: Mapping[str, Any]  # of [manager], under the keys of an app
    family: str | None = None  # the name of its table, where that declares several `instances`
    instance: int | None = None  # which of them it is, from 1

    @property
    def table(self) -> str:
        """The name of its table."""
        return self.family or self.name

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - of any field
        """Return the value in force of a key that is no table; `WRONG` if it has a problem."""
        for layer in (self.own, self.inherited, self.manager):
            if key in layer:
                return layer[key]
        return default

    def merged(self, key: str) -> Values:
        """Return the values of a key that is a table, of all layers."""
        return merged(*(layer.get(key, {}) for layer in (self.manager, self.inherited, self.own)))

    def path(self, *keys: str | int) -> Path:
        """Return where in the file a value comes from: the app's own table, or [defaults]."""
        own = ("apps", self.table, *keys)
        layer: Any = self.own
        for key in keys:
            if not isinstance(layer, Mapping) or key not in layer:
                return own if keys[0] not in self.inherited else ("defaults", *keys)
            layer = layer[key]
        return own
