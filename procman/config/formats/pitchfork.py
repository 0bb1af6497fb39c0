"""pitchfork.toml."""

from __future__ import annotations

import re
from collections.abc import Mapping

from procman.config.formats import checks
from procman.config.formats.draft import (
    Draft,
    Imported,
    Rule,
    follow,
    plain,
    seconds,
    settle_dependencies,
    shell_words,
    to,
)
from procman.config.formats.nodes import Node

_UNKNOWN = "pitchfork has no such key, or procman nothing like it"
_OWN = "it is about pitchfork itself"


def parse_pitchfork(document: Node) -> Imported:
    """Return the daemons of a pitchfork.toml.

    Raises:
        InvalidConfig: there are no daemons in it.
    """
    imported = Imported()
    daemons = document.child("daemons")
    if daemons is None or not daemons.table:
        raise (daemons or document).wrong(
            "there are no `daemons` in it", "a daemon is `[daemons.web]` with `run`"
        )
    for name, daemon in daemons.table.items():
        _daemon(name, daemon, imported)
    for key, node in document.table.items():
        if key != "daemons":
            imported.lose(node, _OWN)
    settle_dependencies(imported)
    return imported


def _daemon(name: str, daemon: Node, imported: Imported) -> None:
    run = daemon.child("run")
    draft = imported.draft(name, daemon)
    if run is not None and isinstance(run.value, list):
        draft.put_words([each.text for each in run.items], run)
    elif run is not None and run.is_scalar:
        draft.put_command(run.text.removeprefix("exec "), run)
    follow(_RULES, draft, daemon, _UNKNOWN)
    if "restart" not in draft.values:
        draft.put("restart", "never", daemon)  # it retries nothing that does not say so
    if "command" in draft.values:
        imported.apps.append(draft)
    else:
        imported.lose(daemon, "not carried over: it has no `run` that procman could run")


def _retry(draft: Draft, node: Node) -> None:
    count = node.value
    if type(count) is int and count > 0:
        draft.put("restart", "on-failure", node)
        draft.put("give_up.starts", count + 1, node)
    elif count is True:
        draft.put("restart", "on-failure", node)
        draft.put("give_up.starts", 0, node)
    elif count not in (0, False):
        draft.lose(node, "expected a number, true or false")


def _environment(draft: Draft, node: Node) -> None:
    for name, each in node.table.items():
        if each.is_scalar:
            draft.put_variable(name, each.text.replace("${", "$${"), each)
        else:
            draft.lose(each, "a variable is one text")


def _port(draft: Draft, node: Node) -> None:
    expected = node.child("expect")
    ports = (expected if expected is not None else node).items if expected or not node.table else []
    for each in ports:
        if "port" in draft.values:
            draft.lose(each, f"an app has one port, and {draft.values['port']} is it")
        else:
            draft.put("port", each.value, each)
    for key, each in node.table.items():
        if key != "expect":
            draft.lose(each, "what becomes of a port that somebody holds is said by `port_policy`")


def _ready_port(draft: Draft, node: Node) -> None:
    if draft.values.get("port", node.value) != node.value:
        draft.lose(node, f"a check asks the app's own port, {draft.values['port']}")
    elif _free(draft, node) and draft.put("port", node.value, node):
        draft.put("check.tcp", True, node)


def _ready_http(draft: Draft, node: Node) -> None:
    url = node.child("url") if node.table else node
    if url is not None and _free(draft, node):
        checks.put_url(draft, url.text, url)
    for key, each in node.table.items():
        if key == "status":
            draft.put("check.status", plain(each), each)
        elif key != "url":
            draft.lose(each, "a check of procman has nothing like it")


def _ready_command(draft: Draft, node: Node) -> None:
    if _free(draft, node):
        draft.put("check.exec", shell_words(node.text), node)


def _ready_output(draft: Draft, node: Node) -> None:
    if _free(draft, node):
        draft.put("check.log", node.text, node)


def _free(draft: Draft, node: Node) -> bool:
    """Return whether the app has no check yet, or note that there is no place for another."""
    if "check" in draft.values:
        draft.lose(node, "an app has one check, and it has another")
    return "check" not in draft.values


def _auto(draft: Draft, node: Node) -> None:
    draft.lose(node, "apps start with `procman up`, not when somebody enters the folder")


def _cron(draft: Draft, node: Node) -> None:
    schedule = node.child("schedule") if node.table else node
    if schedule is not None:
        fields = schedule.text.split()
        # pitchfork's expressions begin with seconds; ours, as those of cron, with minutes.
        five = fields[1:] if len(fields) == 6 and fields[0] == "0" else fields
        draft.put("schedule", " ".join(five), schedule)
    for key, each in node.table.items():
        if key != "schedule":
            draft.lose(each, "procman starts no second run while one runs")


def _memory(draft: Draft, node: Node) -> None:
    match = re.fullmatch(r"(\d+)\s*([KMGkmg]i?)?[bB]?", node.text)
    draft.put("max_memory", f"{match[1]}{match[2] or ''}B" if match else node.text, node)


def _stop(draft: Draft, node: Node) -> None:
    for key, each in node.table.items():
        if key == "signal":
            draft.put("stop_signal", each.value, each)
        elif key == "timeout":
            draft.put("stop_timeout", each.value, each)
        else:
            draft.lose(each, _UNKNOWN)
    if not node.table:
        draft.put("stop_signal", node.value, node)


_RULES: Mapping[str, Rule | str] = {
    "run": lambda draft, node: None,
    "dir": to("cwd"),
    "env": _environment,
    "port": _port,
    "expected_port": _port,
    "depends": lambda draft, node: draft.put("depends_on", [each.text for each in node.items], node),
    "retry": _retry,
    "ready_port": _ready_port,
    "ready_http": _ready_http,
    "ready_cmd": _ready_command,
    "ready_output": _ready_output,
    "ready_delay": "procman takes an app without a check as healthy while it lives",
    "ready_timeout": to("start_timeout", lambda value: value if isinstance(value, str) else seconds(value)),
    "cron": _cron,
    "auto": _auto,
    "boot_start": "`procman up` starts the apps; nothing starts them at boot",
    "watch": to("watch"),
    "memory_limit": _memory,
    "user": to("user"),
    "stop_signal": _stop,
    "pty": to("tty"),
    "cpu_limit": "procman limits no processors",
    "hooks": "procman runs nothing when an app changes; `procman events -f --json` prints what happens",
    "mise": "write `mise exec --` before the command",
}
