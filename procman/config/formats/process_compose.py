"""process-compose.yaml."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

from procman.config.formats import checks
from procman.config.formats.draft import Draft, Imported, Rule, follow, seconds, settle_dependencies, to
from procman.config.formats.nodes import Node
from procman.config.formats.variables import for_env
from procman.core.values import Bad

_UNKNOWN = "procman has nothing like it"
_OWN = "it is about process-compose itself"
_CONDITIONS = {
    "process_started": "started",
    "process_healthy": "healthy",
    "process_log_ready": "healthy",
    "process_completed": "completed",
    "process_completed_successfully": "completed",
}
_RESTARTS = {"always": "always", "on_failure": "on-failure", "exit_on_failure": "never", "no": "never"}


def parse_process_compose(document: Node) -> Imported:
    """Return the processes of a process-compose file.

    Raises:
        InvalidConfig: there are no processes in it.
    """
    imported = Imported()
    processes = document.child("processes")
    if processes is None or not processes.table:
        raise (processes or document).wrong("there are no `processes` in it")
    common = document.child("environment")
    for name, process in processes.table.items():
        _process(name, process, common, imported)
    for key, node in document.table.items():
        if key not in ("processes", "environment"):
            imported.lose(
                node, "a command of procman runs in `/bin/sh`, if at all" if key == "shell" else _OWN
            )
    settle_dependencies(imported)
    return imported


def _process(name: str, process: Node, common: Node | None, imported: Imported) -> None:
    draft = imported.draft(name, process)
    command, entrypoint = process.child("command"), process.child("entrypoint")
    if command is not None and command.is_scalar:
        draft.put_command(command.text, command)
    elif entrypoint is not None and entrypoint.items:
        draft.put_words([each.text for each in entrypoint.items], entrypoint)
    if common is not None:
        _environment(draft, common)
    follow(_RULES, draft, process, _UNKNOWN)
    if "restart" not in draft.values:
        draft.put("restart", "never", process)  # what process-compose does with one that does not say
    daemon = process.child("is_daemon")
    if daemon is not None and daemon.value is True:
        imported.lose(process, "not carried over: it goes to the background, and procman owns what it runs")
    elif "command" in draft.values:
        imported.apps.append(draft)
    else:
        imported.lose(process, "not carried over: it has no command")


def _environment(draft: Draft, node: Node) -> None:
    for each in node.items if not node.table else []:
        name, sign, value = each.text.partition("=")
        if sign and name:
            draft.put_variable(name, for_env(draft, value, each), each)
        else:
            draft.lose(each, "expected `NAME=value`")
    for name, each in node.table.items():
        draft.put_variable(name, for_env(draft, each.text, each), each)


def _depends(draft: Draft, node: Node) -> None:
    waits: dict[str, str] = {}
    for name, each in node.table.items():
        condition = each.child("condition")
        word = condition.text if condition is not None else "process_started"
        waits[name] = _CONDITIONS.get(word, "started")
        if condition is not None and word == "process_completed":
            draft.lose(condition, "procman waits for an end without an error")
    for each in node.items if not node.table else []:
        waits[each.text] = "started"
    draft.put("depends_on", waits, node)


def _availability(draft: Draft, node: Node) -> None:
    follow(_AVAILABILITY, draft, node, _UNKNOWN)


def _restart(value: object) -> str:
    word = "no" if value is False else str(value)
    if word not in _RESTARTS:
        raise Bad("expected `always`, `on_failure`, `exit_on_failure` or `no`")
    return _RESTARTS[word]


def _most(draft: Draft, node: Node) -> None:
    starts = node.value + 1 if type(node.value) is int and node.value else node.value
    draft.put("give_up.starts", starts, node)


def _readiness(draft: Draft, node: Node) -> None:
    command = node.child("exec")
    if (get := node.child("http_get")) is not None:
        checks.put_http_get(draft, get)
    elif command is not None and (text := command.child("command")) is not None:
        checks.put_test(draft, text.text, text)
        if (folder := command.child("working_dir")) is not None:
            draft.lose(folder, "a check runs in the app's own folder")
    follow(_PROBE, draft, node, _UNKNOWN)


def _liveness(draft: Draft, node: Node) -> None:
    if "check" in draft.values:
        draft.lose(node, "one check proves an app ready and alive, and it has the other")
    else:
        _readiness(draft, node)


def _ready_line(draft: Draft, node: Node) -> None:
    if "check" in draft.values:
        draft.lose(node, "an app has one check, and it has another")
    else:
        draft.put("check.log", re.sub(r"([][.^$*+?{}\\|()])", r"\\\1", node.text), node)


def _shutdown(draft: Draft, node: Node) -> None:
    follow(_SHUTDOWN, draft, node, "procman always signals the whole tree")


def _signal(value: object) -> str:
    return signal.Signals(int(str(value))).name


def _disabled(draft: Draft, node: Node) -> None:
    if node.value is True:
        draft.put("autostart", False, node)  # it can still be started by hand there
    elif node.value is not False:
        draft.lose(node, "expected true or false")


def _replicas(draft: Draft, node: Node) -> None:
    if node.value != 1:
        draft.put("instances", node.value, node)


_AVAILABILITY: Mapping[str, Rule | str] = {
    "restart": to("restart", _restart),
    "backoff_seconds": to("backoff.initial", seconds),
    "max_restarts": _most,
    "exit_on_end": "`procman up` goes on while any app runs",
    "exit_on_skipped": "`procman up` goes on while any app runs",
}
_PROBE: Mapping[str, Rule | str] = {
    "http_get": lambda draft, node: None,
    "exec": lambda draft, node: None,
    "initial_delay_seconds": "procman checks from the start on, and a failed check does not count then",
    "period_seconds": to("check_interval", seconds),
    "timeout_seconds": to("check.timeout", seconds),
    "success_threshold": to("check.successes"),
    "failure_threshold": to("check.failures"),
}
_SHUTDOWN: Mapping[str, Rule | str] = {
    "signal": to("stop_signal", _signal),
    "timeout_seconds": to("stop_timeout", seconds),
    "command": "procman stops an app by a signal: `stop_signal`",
}
_RULES: Mapping[str, Rule | str] = {
    **dict.fromkeys(("command", "entrypoint"), lambda draft, node: None),
    "working_dir": to("cwd"),
    "environment": _environment,
    "env_file": to("env_file"),
    "depends_on": _depends,
    "availability": _availability,
    "readiness_probe": _readiness,
    "liveness_probe": _liveness,
    "ready_log_line": _ready_line,
    "shutdown": _shutdown,
    "disabled": _disabled,
    "namespace": to("tags"),
    "replicas": _replicas,
    "is_tty": to("tty"),
    "schedule": to("schedule"),
    "is_daemon": lambda draft, node: None,
    "description": "an app is described by a comment",
    "log_location": "procman keeps what an app prints by itself: `procman logs`",
}
