"""What a stop tells afterwards: who ended, how, how long it took, and whether the port is free."""

from __future__ import annotations

from procman.core.frozen import Frozen
from procman.core.units import spell_duration


class Ended(Frozen):
    """One process of a run that was ended."""

    name: str
    pid: int
    forced: bool = False  # it lived until SIGKILL

    def __str__(self) -> str:
        """`npm 4711`: node programs call themselves `npm run dev --p` or `next-server (v1`."""
        return f"{self.name.split(' ')[0]} {self.pid}"


class Receipt(Frozen):
    """The end of one run, proven: every process that was seen and none that is left.

    `survivors` is empty unless something outlived SIGKILL; then the run is not over.
    """

    app: str
    at: float  # seconds since the epoch
    ended: tuple[Ended, ...]
    took_s: float
    forced_after_s: float | None = None  # when SIGKILL was sent, since the first signal
    port: int | None = None
    port_holder: str | None = None  # who holds the port although nothing of the app is left
    survivors: tuple[str, ...] = ()
    run: int | None = None  # of the app; None for what belonged to no present run of it

    @property
    def text(self) -> str:
        """`stopped web: npm 4711, sh 4718, node 4733 (SIGKILL after 10s); port 5173 free after 0.3s`."""
        if self.survivors:
            left = ", ".join(self.survivors)
            since = spell_duration(self.took_s - (self.forced_after_s or 0.0))
            return f"could not stop {self.app}: {left} survived SIGKILL for {since}"
        names = ", ".join(self._spell(each) for each in self.ended) or "nothing was left to end"
        return f"stopped {self.app}: {names}{self._then()}"

    def _then(self) -> str:
        if self.port_holder is not None:
            return f"; port {self.port} is held by {self.port_holder}"
        took = f" after {spell_duration(self.took_s)}" if self.ended else ""
        if self.port is not None:
            return f"; port {self.port} free{took}"
        return f"; gone{took}" if took else ""

    def _spell(self, each: Ended) -> str:
        if not each.forced:
            return str(each)
        if not self.forced_after_s:  # `stop_timeout = 0`, or a second Ctrl-C before the first signal
            return f"{each} (SIGKILL at once)"
        return f"{each} (SIGKILL after {spell_duration(self.forced_after_s)})"
