"""mprocs.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping

from procman.config.formats.draft import Draft, Imported, Rule, follow, to
from procman.config.formats.nodes import Node

_UNKNOWN = "procman has nothing like it"
_SIGNALS = {"SIGINT": "SIGINT", "SIGTERM": "SIGTERM", "SIGKILL": "SIGKILL", "hard-kill": "SIGKILL"}


def parse_mprocs(document: Node) -> Imported:
    """Return the procs of an mprocs.yaml.

    Raises:
        InvalidConfig: there are no procs in it.
    """
    imported = Imported()
    procs = document.child("procs")
    if procs is None or not procs.table:
        raise (procs or document).wrong("there are no `procs` in it")
    for name, proc in procs.table.items():
        draft = imported.draft(name, proc)
        _command(draft, proc)
        follow(_RULES if proc.table else {}, draft, proc, _UNKNOWN)
        if "restart" not in draft.values:
            draft.put("restart", "never", proc)  # mprocs leaves what has ended
        if "command" in draft.values:
            imported.apps.append(draft)
        else:
            imported.lose(proc, "not carried over: it has neither `shell` nor `cmd`")
    for key, node in document.table.items():
        if key != "procs":
            imported.lose(node, "it is about mprocs itself")
    return imported


def _command(draft: Draft, proc: Node) -> None:
    shell, words = proc.child("shell"), proc.child("cmd")
    if words is not None and words.items:
        draft.put_words([each.text for each in words.items], words)
    elif shell is not None and shell.is_scalar:
        draft.put_command(shell.text, shell)
    elif proc.is_scalar and proc.value is not None:
        draft.put_command(proc.text, proc)
    elif isinstance(proc.value, list) and proc.value:
        draft.put_words([each.text for each in proc.items], proc)


def _environment(draft: Draft, node: Node) -> None:
    for name, each in node.table.items():
        if each.value is None:
            draft.lose(each, "`env` takes no variable away")
        else:
            draft.put_variable(name, each.text.replace("${", "$${"), each)


def _folder(draft: Draft, node: Node) -> None:
    draft.put("cwd", re.sub(r"^<CONFIG_DIR>/?", "./", node.text), node)


def _autorestart(draft: Draft, node: Node) -> None:
    draft.put("restart", "always" if node.value is True else "never", node)


def _stop(draft: Draft, node: Node) -> None:
    if node.is_scalar and node.text in _SIGNALS:
        draft.put("stop_signal", _SIGNALS[node.text], node)
    else:
        draft.lose(node, "procman stops an app by a signal: `stop_signal`")


_RULES: Mapping[str, Rule | str] = {
    **dict.fromkeys(("shell", "cmd"), lambda draft, node: None),
    "cwd": _folder,
    "env": _environment,
    "autostart": to("autostart"),
    "autorestart": _autorestart,
    "stop": _stop,
    "add_path": "write the whole `PATH` into `env`",
}
