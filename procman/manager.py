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
import socket
import sys
from collections.abc import Mapping
from logging.handlers import MemoryHandler, RotatingFileHandler
from pathlib import Path
from typing import Any

from procman import __version__
from procman.config.diagnostics import InvalidConfig
from procman.config.read import parse_config, read_config
from procman.config.source import read_source
from procman.control.launch import MANAGER
from procman.control.server import Server
from procman.core.config import Config, ManagerConfig
from procman.engine.engine import Engine
from procman.engine.events import Notice, Problem, Receipt, Reloaded, Transition
from procman.engine.upgrade import Upgrade
from procman.host import make_host
from procman.host.base import Unsupported
from procman.host.claim import Claim, claim

DOWN_WITHIN = 5.0  # seconds for the command that started us to end something to say so
LOG_WITHIN = 0.05  # seconds from what happens to its line in the manager's log
BATCH = 1000  # lines
LOG_SIZE = 1_000_000  # bytes of the manager's own log, and as many of the one before
log = logging.getLogger("procman")


def main(arguments: list[str]) -> int:
    """Run a manager until everything it was asked to stop is stopped; return the exit code.

    Args:
        arguments: pairs of an option and its value. `--file`, `--home` and `--ready` are always there;
        `--then down` ends what a former manager left, and nothing else; `--lock` and `--socket` are
        descriptors of the manager that this one has replaced in place; `--trial yes` only finds out whether
        it could.
    """
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if "--trial" in options:
        return _trial(options["--file"])
    home, ready = options["--home"], int(options["--ready"])
    claimed = Claim(int(options["--lock"])) if "--lock" in options else claim(home)
    if claimed is None:
        _say(ready, {"busy": True})
        return 0
    try:
        config, digest = _config(options["--file"], only_to_end=options.get("--then") == "down")
        Path(home, "run").mkdir(mode=0o700, exist_ok=True)
        asyncio.run(_manage(config, digest, options, claimed))
    except InvalidConfig as error:
        _say(ready, {"error": error.render(), "exit": 2})
        return 2
    except (OSError, Unsupported) as error:
        log.exception("the manager ends")
        _say(ready, {"error": f"the manager could not start: {error}", "exit": 1})
        return 1
    return 0


def _config(file: str, *, only_to_end: bool) -> tuple[Config, str]:
    """Return what the file says, and its digest; to end what is left of its apps a broken one will do."""
    try:
        source = read_source(file)
        return parse_config(source), source.digest
    except InvalidConfig:
        if not only_to_end:
            raise
        return Config(file, os.path.dirname(file), ManagerConfig(), {}), ""


def _trial(file: str) -> int:
    """Return 0 if this version of procman could be the manager of `file`, as far as it can be told."""
    try:
        read_config(file)
    except InvalidConfig as error:
        print(error.render())
        return 2
    print(__version__)
    return 0


async def _manage(config: Config, digest: str, options: Mapping[str, str], claimed: Claim) -> None:
    loop = asyncio.get_running_loop()
    home, empty = options["--home"], asyncio.Event()
    _log_to(Path(home, "manager.log"), loop)
    host = make_host(loop)
    engine = Engine(host, config, digest, Path(home), os.environ, empty.set)
    engine.subscribe(_log)
    _take_signals(loop, engine)
    upgrade = Upgrade(
        engine, host, claimed, command=MANAGER, file=config.file, home=home, before=logging.shutdown
    )
    server = Server(engine, home, upgrade=upgrade.replace)
    await server.start(_listener(options))
    if options.get("--then") == "down":
        loop.call_later(DOWN_WITHIN, engine.shutdown)  # if nobody asks for it
    else:
        engine.begin()
    log.info("manager %d, version %s, is ready for %s", os.getpid(), __version__, config.file)
    _say(int(options["--ready"]), {"ready": True})
    await empty.wait()
    server.retire()
    claimed.release()  # before the last client hears of the end: it may start a new manager at once
    await server.close()
    host.close()
    log.info("manager %d ends", os.getpid())


def _listener(options: Mapping[str, str]) -> socket.socket | None:
    """Return the listening socket of the manager that this one has replaced, if it did."""
    if "--socket" not in options:
        return None
    listener = socket.socket(fileno=int(options["--socket"]))
    listener.set_inheritable(False)
    return listener


def _take_signals(loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
    """INT and TERM stop everything, a second one at once; HUP reads the file again."""

    def stop(name: str) -> None:
        log.info("%s: %s", name, "kills everything" if engine.closing else "stops everything")
        engine.shutdown(force=engine.closing)

    loop.add_signal_handler(signal.SIGINT, stop, "SIGINT")
    loop.add_signal_handler(signal.SIGTERM, stop, "SIGTERM")
    loop.add_signal_handler(signal.SIGHUP, engine.reload)


def _log(notice: Notice) -> None:
    match notice:
        case Transition(app, old=old, new=new, reason=reason):
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


class Batches(MemoryHandler):
    """Writes what was logged a moment later, all at once: the start of 100 apps is 300 lines in 0.1 s."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: logging.Handler) -> None:
        super().__init__(BATCH, flushLevel=logging.ERROR, target=target)
        self._loop = loop
        self._is_due = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record for a moment; what is urgent, or too much, is written now."""
        super().emit(record)
        if self.buffer and not self._is_due and not self._loop.is_closed():
            self._is_due = True
            self._loop.call_later(LOG_WITHIN, self.flush)

    def flush(self) -> None:
        """Write what is kept."""
        self._is_due = False
        super().flush()


def _log_to(path: Path, loop: asyncio.AbstractEventLoop) -> None:
    """Log to a file of bounded size, and in colour to a terminal if there is one."""
    file = RotatingFileHandler(path, maxBytes=LOG_SIZE, backupCount=1, encoding="utf-8")
    file.setFormatter(
        logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S")
    )
    log.addHandler(Batches(loop, file))
    log.setLevel(logging.INFO)
    logging.getLogger("watchdog").addHandler(logging.NullHandler())  # its troubles are met by looking
    if sys.stderr is not None and sys.stderr.isatty():
        import colorlog

        terminal = colorlog.StreamHandler()
        terminal.setFormatter(colorlog.ColoredFormatter("%(log_color)s%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(terminal)


def _say(ready: int, answer: dict[str, Any]) -> None:
    """Answer whoever started this manager, if it still listens."""
    if ready < 0:
        return
    with contextlib.suppress(OSError):
        os.write(ready, json.dumps(answer).encode() + b"\n")
        os.close(ready)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
