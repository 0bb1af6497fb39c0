"""Who comes after whom: pure functions over a mapping from each app to the apps it depends on.

A dependency that is no key of the mapping (a disabled app) is not there. All results keep the order of the
mapping, which is the order of the file, as far as the dependencies allow. No function recurses: a chain may
be longer than Python's stack.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

Dependencies = Mapping[str, Iterable[str]]


def start_order(dependencies: Dependencies) -> tuple[str, ...]:
    """Return every app, each after all of its dependencies; a stop goes through it backwards.

    Raises:
        ValueError: the dependencies have a cycle, so there is no order.
    """
    position = {name: index for index, name in enumerate(dependencies)}
    names = tuple(dependencies)
    missing = {name: len(_present(dependencies, name)) for name in names}
    dependents = _dependents(dependencies)
    ready = [position[name] for name in names if not missing[name]]  # sorted, so a heap already
    ordered: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        ordered.append(name)
        for dependent in dependents[name]:
            missing[dependent] -= 1
            if not missing[dependent]:
                heapq.heappush(ready, position[dependent])
    if len(ordered) < len(names):
        raise ValueError("the dependencies have a cycle")
    return tuple(ordered)


def find_cycle(dependencies: Dependencies) -> tuple[str, ...] | None:
    """Return a cycle as the path `(a, b, a)`, each depending on the next, or None if there is none."""
    finished: set[str] = set()
    for root in dependencies:
        path: dict[str, Iterable[str]] = {}  # the apps from the root to here, with what is left to try
        step: str | None = root
        while step is not None:
            if step in path:
                trail = (*path, step)
                return trail[trail.index(step) :]
            if step not in finished:
                path[step] = iter(_present(dependencies, step))
            step = _next_step(path, finished)
    return None


def with_dependencies(names: Iterable[str], dependencies: Dependencies) -> tuple[str, ...]:
    """Return `names` and all that they depend on, directly or through others."""
    ahead = [name for name in names if name in dependencies]
    seen = set(ahead)
    while ahead:
        for name in _present(dependencies, ahead.pop()):
            if name not in seen:
                seen.add(name)
                ahead.append(name)
    return tuple(name for name in dependencies if name in seen)


def _next_step(path: dict[str, Iterable[str]], finished: set[str]) -> str | None:
    """Return the next dependency to look at, after taking apps with none left off the path."""
    while path:
        name = next(reversed(path))
        for dependency in path[name]:
            return dependency
        finished.add(name)
        del path[name]
    return None


def _present(dependencies: Dependencies, name: str) -> list[str]:
    return list(dict.fromkeys(other for other in dependencies[name] if other in dependencies))


def _dependents(dependencies: Dependencies) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {name: [] for name in dependencies}
    for name in dependencies:
        for dependency in _present(dependencies, name):
            dependents[dependency].append(name)
    return dependents
