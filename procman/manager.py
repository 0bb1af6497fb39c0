"""The manager's process: puts the layers together, and turns signals into requests.

Started by `procman.control.launch` as `python -m procman.manager --file F --home H --ready FD`. It says once
on the descriptor whether it is ready, busy (another one runs here) or why it can't be, as a line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from procman.config.diagnostics import InvalidConfig
from procman.config.read import read_config
from procman.control.server import Server
from procman.core.config import Config
from procman.engine.engine import Engine
from procman.engine.events import Notice, Problem, Receipt, Reloaded, Transition
from procman.host import make_host
from procman.host.base import MARKER
from procman.host.claim import Claim, claim

LOG_SIZE = 1_000_000  # bytes of the manager's own log, and as many of the one before
log = logging.getLogger("procman")


def main(arguments: list[str]) -> int:
    """Run a manager until everything it was asked to stop is stopped; return the exit code."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    home, ready = Path(options["--home"]), int(options["--ready"])
    claimed = claim(str(home))
    if claimed is None:
        _say(ready, {"busy": True})
        return 0
    try:
        config = read_config(options["--file"])
        _log_to(home / "manager.log")
        (home / "run").mkdir(mode=0o700, exist_ok=True)
        asyncio.run(_manage(config, home, ready, claimed))
    except InvalidConfig as error:
        _say(ready, {"error": error.render(), "exit": 2})
        return 2
    except OSError as error:
        log.exception("the manager ends")
        _say(ready, {"error": f"the manager could not start: {error}", "exit": 1})
        return 1
    return 0


async def _manage(config: Config, home: Path, ready: int, claimed: Claim) -> None:
    loop = asyncio.get_running_loop()
    empty = asyncio.Event()
    engine = Engine(make_host(loop), config, home, _environment(os.environ), empty.set)
    engine.subscribe(_log)
    _take_signals(loop, engine)
    server = Server(engine, str(home))
    await server.start()
    log.info("manager %d is ready for %s", os.getpid(), config.file)
    _say(ready, {"ready": True})
    await empty.wait()
    server.retire()
    claimed.release()  # before the last client hears of the end: it may start a new manager at once
    await server.close()
    log.info("manager %d ends", os.getpid())


def _take_signals(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    """INT and TERM stop everything, a second one at once; HUP reads the file again."""

    def stop(name: str) -> None:
        log.info("%s: %s", name, "kills everything" if engine.closing else "stops everything")
        engine.shutdown(force=engine.closing)

    loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
    loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
    loop.add_signal_handler(signal.SIGHUP, engine.reload)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what apps inherit of the manager's environment: all but the mark of a run it may be part of."""
    return {name: value for name, value in environment.items() if name != MARKER}


def _log(notice: Notice) -> None:
    match notice:
        case Transition(app, _, old, new, reason):
            level = logging.WARNING if new in ("unhealthy", "failed", "backoff") else logging.INFO
            log.log(level, "%s: %s -> %s: %s", app, old, new, reason)
        case Receipt():
            log.log(logging.ERROR if notice.survivors else logging.INFO, "%s", notice.text)
        case Reloaded(_, None, summary):
            log.info("the file was applied: %s", summary)
        case Reloaded(_, error, summary):
            log.error("the file was %s\n%s", summary, error)
        case Problem(app, _, text):
            log.warning("%s%s", f"{app}: " if app else "", text)


def _log_to(path: Path) -> None:
    """Log to a file of bounded size, and in colour to a terminal if there is one."""
    handler: logging.Handler = RotatingFileHandler(path, maxBytes=LOG_SIZE, backupCount=1, encoding="utf-8")
    handler.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    if sys.stderr is not None and sys.stderr.isatty():
        import colorlog

        terminal = colorlog.StreamHandler()
        terminal.setFormatter(colorlog.ColoredFormatter("%(log_color)s%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(terminal)


def _say(ready: int, answer: dict[str, Any]) -> None:
    """Answer whoever started this manager, if it still listens."""
    with contextlib.suppress(OSError):
        os.write(ready, json.dumps(answer).encode() + b"\n")
        os.close(ready)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
