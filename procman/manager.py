"""The manager's process: puts the layers together, and turns signals into requests.

Started by `procman.control.launch` as `python -m procman.manager --file F --home H --ready FD`. It says once
on the descriptor whether it is ready, busy (another one runs here) or why it can't be, as a line of JSON.
`procman service run` becomes it with `--then up`: it starts the apps itself, tells the service manager how it
is (`engine/heartbeat.py`), and says on stderr, which is the journal, why it can't be.
"""

from __future__ import annotations

from procman import lean  # before all that it keeps small

# isort: split
import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from procman import __version__
from procman.config import schema
from procman.config.diagnostics import InvalidConfig
from procman.config.read import parse_config, read_config
from procman.config.source import read_source
from procman.control.beginning import MANAGER, await_word, receive_ready
from procman.control.endpoint import prepare_home
from procman.control.server import Server
from procman.core.config import Config, HistoryBudget, ManagerConfig
from procman.core.journal import Kind, Record
from procman.core.service import SERVICE_BUSY
from procman.core.view import spell_time
from procman.engine.engine import Engine
from procman.engine.events import Notice, Problem, Receipt, Reloaded, Transition
from procman.engine.heartbeat import Heartbeat
from procman.engine.journal_log import JournalHandler
from procman.engine.mistake import wait_until_valid
from procman.engine.succession import Terminals
from procman.engine.tenure import Tenure
from procman.engine.upgrade import Upgrade
from procman.history.store import History
from procman.host import enter_leaf, make_host
from procman.host.base import Unseen, Unsupported
from procman.host.claim import Claim, claim, holder_of
from procman.host.interrupts import take_signals
from procman.host.notify import Notifier, is_journal, watchdog
from procman.logs.read import last_lines, plain
from procman.own_log import OwnLog

DOWN_WITHIN = 5.0  # seconds for the command that started us to end something to say so
TIDY_AFTER = (3.0, 10.0, 60.0)  # seconds: most projects are up by the first, 1,000 apps by the last
CLAIM_WITHIN = 2.0  # seconds for a service to become the manager
EVIDENCE_LINES = 200  # of an app's output, kept with what is known of it before it is ended
LONGEST_LINE = 2000  # characters of each
ALL = HistoryBudget(1 << 62, float("inf"))
log = logging.getLogger("procman")


def main(arguments: list[str]) -> int:
    """Run a manager until everything it was asked to stop is stopped; return the exit code.

    Args:
        arguments: pairs of an option and its value. `--file`, `--home` and `--ready` are always there;
        `--then down` ends what a former manager left, and nothing else; `--then up` is a service, which
        starts the apps itself; `--lock`, `--socket` and `--terminals` are descriptors of the manager that
        this one has replaced in place; `--trial yes` only finds out whether it could.
    """
    lean.settle()
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if "--trial" in options:
        return _trial(options["--file"])
    home, ready = options["--home"], receive_ready(options["--ready"])
    is_service = options.get("--then") == "up"
    if is_service and "INVOCATION_ID" in os.environ:  # of systemd, which has delegated a cgroup to us
        enter_leaf()
    try:
        if is_service:
            wait_until_valid(options["--file"], Notifier(os.environ), _complain)
        config, digest = _config(options["--file"], only_to_end=options.get("--then") == "down")
        if ready >= 0 and not await_word():
            return 0
        claimed = Claim(home, int(options["--lock"])) if "--lock" in options else _claim(home, is_service)
        if claimed is None:
            _say(ready, {"busy": True})
            return SERVICE_BUSY if is_service else 0
        with contextlib.suppress(FileNotFoundError):  # it is being deleted, and will be made anew
            Path(home, "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        _leave_schema(Path(home))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the loop has it: asyncio's way loads `inspect`
        asyncio.run(_manage(config, digest, options, claimed, ready))
    except InvalidConfig as error:
        _say(ready, {"error": error.render(), "exit": 2})
        return 2
    except (OSError, Unsupported, Unseen) as error:
        if log.handlers or not is_service:  # it began; or stderr is its log
            log.exception("the manager ends")
        _say(ready, {"error": f"the manager could not start: {error}", "exit": 1})
        return 1
    return 0


def _claim(home: str, is_service: bool) -> Claim | None:
    """Return the claim on the state folder, or None if another manager has it.

    Whoever only asks who has it has it for an instant: a service asks again before it gives up for good.

    Raises:
        OSError: the folder can't be used.
    """
    deadline = time.monotonic() + (CLAIM_WITHIN if is_service else 0.0)
    if is_service:
        prepare_home(home)
    while (claimed := claim(home)) is None and time.monotonic() < deadline:
        time.sleep(CLAIM_WITHIN / 20)
    if claimed is None and is_service:
        who = f"manager {holder_of(home) or '?'}, which this service has not started,"
        _complain(f"{who} has `{home}`\nhint: `procman down` ends it; start the service then")
    return claimed


def _complain(text: str) -> None:
    """Say on stderr why there is no manager, in the journal as an error."""
    level = "<3>" if is_journal(os.environ, 2) else ""
    print("\n".join(f"{level}{line}" for line in text.splitlines()), file=sys.stderr)


def _config(file: str, *, only_to_end: bool) -> tuple[Config, str]:
    """Return what the file says, and its digest; to end what is left of its apps a broken one will do."""
    try:
        source = read_source(file)
        return parse_config(source), source.version
    except InvalidConfig:
        if not only_to_end:
            raise
        # How much of the history its user wants to keep is not known, so nothing of it is deleted.
        return Config(file, os.path.dirname(file), ManagerConfig(history=ALL), {}), ""


def _trial(file: str) -> int:
    """Return 0 if this version of procman could be the manager of `file`, as far as it can be told."""
    try:
        read_config(file)
    except InvalidConfig as error:
        print(error.render())
        return 2
    print(__version__)
    return 0


def _leave_schema(home: Path) -> None:
    """Put the file's schema into the state folder; an editor does without, if need be."""
    with contextlib.suppress(OSError):
        schema.leave(home)


async def _manage(
    config: Config, digest: str, options: Mapping[str, str], claimed: Claim, ready: int
) -> None:
    loop = asyncio.get_running_loop()
    home, over = options["--home"], asyncio.Event()
    reopen_log = _log_to(Path(home, "manager.log"), loop)
    host = make_host(loop)
    tenure = Tenure(host, claimed, Path(home), partial(prepare_home, home))
    history = _begin_history(Path(home), config.manager.history, loop)
    engine = Engine(
        host,
        config,
        digest,
        Path(home),
        dict(os.environ),  # which decodes each variable at each look
        on_empty=over.set,
        keep=history.add,
        history_problem=lambda: history.problem,
        obstacle=tenure.obstacle,
        terminals=_terminals(options),
    )
    engine.subscribe(_log)
    engine.subscribe(lambda _notice: history.set_budget(engine.config.manager.history))
    heartbeat = Heartbeat(
        host,
        Notifier(os.environ),
        watchdog(os.environ),
        lambda: engine.apps,
        lambda: engine.configs,
        lambda: engine.closing,
    )
    engine.subscribe(heartbeat.on_notice)
    _take_signals(loop, engine, heartbeat)

    def farewell() -> None:
        heartbeat.replaced()
        history.add(_milestone("replaced", "makes room for the version that is installed now"))
        history.close()
        logging.shutdown()

    upgrade = Upgrade(engine, host, claimed, command=MANAGER, file=config.file, home=home, before=farewell)
    server = Server(engine, home, upgrade=upgrade.replace)
    await server.start(_listener(options))

    def let_go() -> None:
        engine.let_go()
        host.close()
        over.set()

    for delay in TIDY_AFTER:
        loop.call_later(delay, lean.give_back)
    tenure.begin(partial(_restore, Path(home), server, engine, reopen_log), let_go, engine.report)
    match options.get("--then"):
        case "down":
            loop.call_later(DOWN_WITHIN, engine.shutdown)  # if nobody asks for it
        case "up":
            engine.begin_service()
        case _:
            engine.begin()
    log.info("manager %d, version %s, is ready for %s", os.getpid(), __version__, config.file)
    _say(ready, {"ready": True})
    heartbeat.begin()
    await over.wait()
    tenure.close()
    heartbeat.stopping()
    heartbeat.close()
    if tenure.is_lost:
        history.close()
        reopen_log()
        log.warning("manager %d ends: another one has `%s`, and every app", os.getpid(), home)
        return
    history.add(_milestone("ended", "ends"))
    history.close()  # as long as no other manager can begin, so that its records come after these
    server.retire()
    claimed.release()  # before the last client hears of the end: it may start a new manager at once
    await server.close()
    host.close()
    log.info("manager %d ends", os.getpid())


def _restore(home: Path, server: Server, engine: Engine, reopen_log: Callable[[], None]) -> None:
    """Put into a state folder that was made anew what this manager keeps there; what was kept there is gone.

    Raises:
        OSError: something could not be written.
    """
    _leave_schema(home)
    server.renew()
    reopen_log()
    engine.leave_records()


def _begin_history(home: Path, budget: HistoryBudget, loop: asyncio.AbstractEventLoop) -> History:
    """Return the history of this project, which tells of this manager already."""

    def tell(text: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(log.warning, "%s", text)

    try:
        history = History(home / "history.db", budget, partial(_with_lines, home / "logs"), tell)
    except RuntimeError as error:  # it is a thread
        raise OSError(errno.EAGAIN, f"{error}; see `ulimit -u`, and `pids.max` of its cgroup") from error
    history.add(_milestone("began", "begins"))
    return history


def _milestone(event: str, words: str) -> Record:
    """Return the record of something that this manager does as a whole."""
    text = f"manager {os.getpid()}, version {__version__}, {words}"
    data = {"event": event, "pid": os.getpid(), "version": __version__}
    return Record(time.time(), Kind.MANAGER, text, data=data)


def _with_lines(logs: Path, record: Record) -> Record:
    """Return a record of evidence with what the run has printed last; any other as it is."""
    if record.kind is not Kind.EVIDENCE or record.app is None:
        return record
    lines = [
        {
            "at": spell_time(line.at),
            "stream": line.stream.label,
            "text": plain(line.text[: 4 * LONGEST_LINE].decode(errors="replace"))[:LONGEST_LINE],
        }
        for line in last_lines(logs, record.app, EVIDENCE_LINES, record.run)
        if not line.continues  # a very long line comes in parts, and its beginning is what is kept
    ]
    return replace(record, data={**record.data, "lines": lines})


def _listener(options: Mapping[str, str]) -> socket.socket | None:
    """Return the listening socket of the manager that this one has replaced, if it did."""
    if "--socket" not in options:
        return None
    listener = socket.socket(fileno=int(options["--socket"]))
    listener.set_inheritable(False)
    return listener


def _terminals(options: Mapping[str, str]) -> Terminals:
    """Return the terminals of apps that the manager which this one has replaced has left open."""
    passed = json.loads(options.get("--terminals", "{}"))
    return {name: (generation, master, slave) for name, (generation, master, slave) in passed.items()}


def _take_signals(loop: asyncio.AbstractEventLoop, engine: Engine, heartbeat: Heartbeat) -> None:
    """INT and TERM stop everything, a second one at once; HUP reads the file again."""

    def stop(name: str) -> None:
        log.info("%s: %s", name, "kills everything" if engine.closing else "stops everything")
        heartbeat.stopping()
        engine.shutdown(force=engine.closing)

    take_signals(loop, stop, partial(heartbeat.reload, engine.reload))


def _log(notice: Notice) -> None:
    match notice:
        case Transition(app, old=old, new=new, reason=reason):
            level = logging.WARNING if new in ("unhealthy", "failed", "backoff") else logging.INFO
            log.log(level, "%s: %s -> %s: %s", app, old, new, reason)
        case Receipt():
            log.log(logging.ERROR if notice.survivors else logging.INFO, "%s", notice.text)
        case Reloaded(_, None, summary, applied=True):
            log.info("the file was applied: %s", summary)
        case Reloaded(_, None, summary):
            log.warning("the file was edited and is not applied: %s", summary)
        case Reloaded(_, error, summary):
            log.error("the file was %s\n%s", summary, error)
        case Problem(app, _, text):
            log.warning("%s%s", f"{app}: " if app else "", text)


def _log_to(path: Path, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Log to a file of bounded size, in colour to a terminal, and with levels to the journal if there is one.

    Returns:
        What is to be called when the file was deleted: the next line goes into a new one.
    """
    file = OwnLog(path, loop)
    log.addHandler(file)
    log.setLevel(logging.INFO)
    logging.getLogger("watchdog").addHandler(logging.NullHandler())  # where it watches; we look as well
    if sys.stderr is not None and sys.stderr.isatty():
        import colorlog

        terminal = colorlog.StreamHandler()
        terminal.setFormatter(colorlog.ColoredFormatter("%(log_color)s%(asctime)s %(message)s", "%H:%M:%S"))
        log.addHandler(terminal)
    elif is_journal(os.environ, 2):
        log.addHandler(JournalHandler())
    return file.reopen


def _say(ready: int, answer: dict[str, Any]) -> None:
    """Answer whoever started this manager, if it still listens."""
    if ready < 0:
        if "error" in answer:
            _complain(str(answer["error"]))
        return
    with contextlib.suppress(OSError):
        os.write(ready, json.dumps(answer).encode() + b"\n")
        os.close(ready)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
