"""How long things may take, by the configuration of the apps."""

from __future__ import annotations

from procman.core.config import AppConfig
from procman.core.machine import RECHECK
from procman.core.transitions import KILL_AGAIN
from procman.engine.context import AFTERMATH
from procman.engine.memory import LOOK_EVERY, LOOKS

SLACK = 1.0  # s: notices, two looks at a listener, a moment for each process to end
PREPARE = 1.0  # s that a `prepare` takes here, at most
MEMORY_BOUND = (LOOKS + 1) * LOOK_EVERY + SLACK  # s that a run may be over its limit


def own_bound(config: AppConfig) -> float:
    """Return the seconds within which one app is as it should be, once its dependencies are.

    notice + hold + end + delay + start, each at its longest:

    - notice: one steady interval, then as many checks as make it down, or well; or the looks at its memory;
    - hold: what is not judged after a suspend, and a renewed server that may be starting for `start_timeout`;
    - end: `stop_timeout`, then SIGKILL, and once more;
    - delay: the longest backoff;
    - start: a look at its port, its `prepare`, and `start_timeout`.
    """
    check = config.check
    tries = check.failures + check.successes
    notice = config.check_interval + tries * (check.retry_interval + check.timeout)
    notice += MEMORY_BOUND if config.max_memory is not None else 0.0
    hold = AFTERMATH + config.start_timeout
    start = RECHECK + PREPARE + config.start_timeout
    return notice + hold + end_budget(config) + config.backoff.max + start + SLACK


def end_budget(config: AppConfig) -> float:
    """Return the seconds that the end of one run may take: `stop_timeout`, then SIGKILL, and once more."""
    return config.stop_timeout + 2 * KILL_AGAIN + SLACK
