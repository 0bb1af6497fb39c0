"""One app as the engine holds it: its state, its configuration, and what belongs to its present run."""

from __future__ import annotations

from dataclasses import dataclass, field

from procman.core.config import AppConfig
from procman.core.machine import App
from procman.engine.mending import Mending
from procman.host.base import Cancellable, Run
from procman.logs.capture import Capture


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
    exited: bool = True  # whether the run's first process was reaped
    log_matched: bool = False  # `check = { log = … }`: the line came
    leaving: bool = False  # its table has left the file: dropped once it is gone
    timer: Cancellable | None = None
    timer_at: float | None = None
    probe: Cancellable | None = None
    readers: list[Cancellable] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The app's name."""
        return self.config.name
