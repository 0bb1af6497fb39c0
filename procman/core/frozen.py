"""Values as `@dataclass(frozen=True, slots=True)` makes them, for kinds of which there are many.

A manager defines a hundred kinds of events, actions, notices and settings before it can start anything.
The standard decorator writes and compiles seven functions for each and makes the class a second time:
0.25 ms of CPU. Here the constructor alone is compiled, 0.04 ms, and the rest is shared. One is made as
fast as the standard's; to compare two takes twice as long, 0.2 us.

`replace`, `fields` and `asdict` of the standard library take them for data classes. There is no `field()`,
and no inheritance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, field, fields, make_dataclass
from operator import attrgetter
from typing import Any, dataclass_transform


class _Fields:
    """What `dataclasses` knows a data class by: made when something of it first asks."""

    def __get__(self, value: object, kind: type[Frozen]) -> dict[str, Field[Any]]:
        parts = [
            (name, Any, field(default=kind._defaults[name]) if name in kind._defaults else field())
            for name in kind.__match_args__
        ]
        same = make_dataclass(kind.__name__, parts, namespace={"__doc__": kind.__doc__})
        known = {each.name: each for each in fields(same)}
        type.__setattr__(kind, "__dataclass_fields__", known)
        return known


class _Kind(type):
    """Makes a class whose annotated names are its slots, and what it is made of and matched by."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _Kind:
        if not bases:  # `Frozen` itself
            return super().__new__(cls, name, bases, namespace)
        names = tuple(namespace.get("__annotations__", ()))
        defaults = {each: namespace.pop(each) for each in names if each in namespace}
        namespace |= {"__slots__": names, "__match_args__": names, "_defaults": defaults}
        namespace["_values"] = attrgetter(*(names or ["__class__"]))
        if names:
            namespace["__init__"] = _constructor(names, defaults)
        return super().__new__(cls, name, bases, namespace)


def _constructor(names: tuple[str, ...], defaults: dict[str, Any]) -> Callable[..., None]:
    """Return `def __init__(self, a, b=…)`, which sets what it is given; the names are of a class body."""
    arguments = ", ".join(f"{name}=_defaults[{name!r}]" if name in defaults else name for name in names)
    body = "; ".join(f"_set(self, {name!r}, {name})" for name in names)
    scope: dict[str, Any] = {"_set": object.__setattr__, "_defaults": defaults}
    exec(f"def __init__(self, {arguments}): {body}", scope)
    made: Callable[..., None] = scope["__init__"]
    return made


@dataclass_transform(frozen_default=True)
class Frozen(metaclass=_Kind):
    """Base of a kind of value: its annotated names are what it consists of, in this order."""

    __slots__ = ()
    __match_args__: tuple[str, ...]
    _defaults: dict[str, Any]
    _values: Callable[[Frozen], object]  # in C: what makes it equal to another
    __dataclass_fields__ = _Fields()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` can't be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` can't be deleted")

    def __eq__(self, other: object) -> bool:
        return self._values(self) == other._values(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._values(self))

    def __repr__(self) -> str:
        parts = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({', '.join(parts)})"

    def __reduce__(self) -> tuple[type[Frozen], tuple[object, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)
