"""One app as the engine holds it: its state, its configuration, and what belongs to its present run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from procman.core.app import App
from procman.core.config import AppConfig
from procman.engine.events import PastCheck
from procman.engine.mending import Mending
from procman.host.base import Cancellable, Run
from procman.logs.capture import Capture

T = TypeVar("T")


@dataclass(slots=True)
class Supervised:
    """The engine's record of one app; only the engine's own modules write to it."""

    config: AppConfig
    capture: Capture
    mending: Mending
    app: App = field(default_factory=App)
    run: Run | None = None  # the newest run, until it is proven gone
    port: int | None = None  # of that run: the configuration may have another one by now
    started_with: str = ""  # fingerprint of the keys that run was started with
    env_files: tuple[tuple[str, str], ...] = ()  # that run was started with: paths, and digests of then
    exited: bool = True  # whether the run's first process was reaped
    log_matched: bool = False  # `check = { log = … }`: the line came
    leaving: bool = False  # its table has left the file: dropped once it is gone
    timer: Cancellable | None = None
    timer_at: float | None = None
    probe: Cancellable | None = None
    checked_with: AppConfig | None = None  # at the newest check that was made
    connected_at: float = -math.inf  # monotonic, of that check
    # The newest of its newest run, oldest first. A `deque` takes 0.7 KB also where nothing is checked.
    checks: tuple[PastCheck, ...] = ()
    readers: tuple[Cancellable, ...] = ()

    @property
    def name(self) -> str:
        """The app's name."""
        return self.config.name


@dataclass(frozen=True, slots=True)
class Part(Mapping[str, T], Generic[T]):
    """One attribute of every supervised app, by name, as it is when it is looked at."""

    supervised: dict[str, Supervised]
    take: Callable[[Supervised], T]

    def __getitem__(self, name: str) -> T:
        return self.take(self.supervised[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.supervised)

    def __len__(self) -> int:
        return len(self.supervised)
