"""pm2's `ecosystem.config.json`, and what a `.js` one evaluates to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from procman.config.commands import split
from procman.config.formats.draft import Draft, Imported, Rule, follow, milliseconds, nothing, to
from procman.config.formats.nodes import Node, join
from procman.core.values import Bad

_INTERPRETERS = {
    ".js": "node", ".cjs": "node", ".mjs": "node", ".ts": "bun", ".tsx": "bun", ".py": "python3",
    ".sh": "bash", ".rb": "ruby", ".php": "php", ".pl": "perl", ".coffee": "coffee", ".ls": "lsc",
}  # fmt: skip
_LOGS = "procman keeps what an app prints by itself: `procman logs`"
_PM2 = "it is about pm2's own way to run an app"
_CLUSTER = "procman has no cluster mode: Node's own `cluster` module shares a port among workers"
_UNKNOWN = "pm2 has no such key, or procman nothing like it"


def parse_pm2(document: Node) -> Imported:
    """Return the apps of an ecosystem file.

    Raises:
        InvalidConfig: there are no apps in it.
    """
    imported = Imported()
    apps = document.child("apps") or document.child("pm2") or (document if _is_app(document) else None)
    if apps is None:
        raise document.wrong("there are no `apps` in it", "an ecosystem file exports `{ apps: [ … ] }`")
    for app in apps.items:
        _app(app, imported)
    for key, node in document.table.items():
        if apps is not document and key not in ("apps", "pm2"):
            why = "procman deploys nothing" if key == "deploy" else _UNKNOWN
            imported.lose(node, why)
    return imported


def _is_app(document: Node) -> bool:
    return isinstance(document.value, list) or "script" in document.table


def _app(app: Node, imported: Imported) -> None:
    script = app.child("script") or app.child("cmd") or app.child("command")
    if script is None or not script.is_scalar:
        imported.lose(app, "it has no `script`")
        return
    name = app.child("name")
    base = re.split(r"[/\\]", script.text.split(" ")[0])[-1]
    shown = name.text if name is not None else re.sub(r"\.\w+$", "", base)
    draft = imported.draft(shown, app)
    _command(draft, app, script)
    follow({**_RULES, **_environments(app), **_cron(app)}, draft, app, _UNKNOWN)
    if "command" in draft.values:
        imported.apps.append(draft)
    else:
        imported.lose(app, "it has no command that procman could run")


def _command(draft: Draft, app: Node, script: Node) -> None:
    arguments = _words(draft, app.child("args"))
    options = [*_words(draft, app.child("node_args")), *_words(draft, app.child("interpreter_args"))]
    interpreter = app.child("interpreter") or app.child("exec_interpreter")
    written = script.text.strip()
    suffix = re.search(r"\.\w+$", written)
    usual = _INTERPRETERS.get(suffix[0]) if suffix else None
    if interpreter is None and (" " in written and not suffix):  # pm2 gives such a script to a shell
        draft.put_command(" ".join([written, *arguments]), script)
        for key in ("node_args", "interpreter_args"):
            if (unused := app.child(key)) is not None:
                draft.lose(unused, "the script is not run by node")
        return
    program = interpreter.text if interpreter is not None else usual
    if program == "none" or program is None or not written:
        run = [written]
    else:
        run = [program, *options, written]
        options = []
    if options:
        draft.lose(app.child("node_args") or app, "the script is not run by node")
    draft.put_words([*run, *arguments], script)


def _words(draft: Draft, node: Node | None) -> list[str]:
    """Return arguments that are written as a list, or as one text."""
    if node is None:
        return []
    if isinstance(node.value, list):
        return [each.text for each in node.items]
    try:
        return list(split(node.text)) if node.text.strip() else []
    except Bad as bad:
        draft.lose(node, bad.message)
        return node.text.split()


def _environment(draft: Draft, node: Node) -> None:
    for name, each in node.table.items():
        if each.is_scalar:
            draft.put_variable(name, each.text.replace("${", "$${"), each)
        else:
            draft.lose(each, "a variable is one text")


def _environments(app: Node) -> dict[str, str]:
    """Return why each environment for `pm2 --env` is lost."""
    reason = "only `env` is carried over; `pm2 --env` chose this one"
    return {key: reason for key in app.table if key.startswith("env_") and key != "env_file"}


def _cron(app: Node) -> dict[str, Rule]:
    """Return the rule of `cron_restart`: without `autorestart` it is how pm2 runs something by the clock."""
    again = app.child("autorestart")
    is_job = again is not None and again.value is False
    return {"cron_restart": to("schedule")} if is_job else {}


def _instances(draft: Draft, node: Node) -> None:
    if not node.text.isdecimal() or node.text == "0":
        draft.lose(node, "procman counts no processors: write how many")
    elif node.text != "1":
        draft.put("instances", int(node.text), node)


def _mode(draft: Draft, node: Node) -> None:
    if node.text not in ("fork", "fork_mode"):
        draft.lose(node, _CLUSTER)


def _restarts(draft: Draft, node: Node) -> None:
    draft.put("give_up.starts", node.value + 1 if isinstance(node.value, int) else node.value, node)


def _autorestart(draft: Draft, node: Node) -> None:
    if node.value in (True, False):
        draft.put("restart", "always" if node.value else "never", node)
    else:
        draft.lose(node, "expected true or false")


def _watch(draft: Draft, node: Node) -> None:
    if node.value is True:
        draft.put("watch", ["**"], node)
    elif node.value is not False:
        draft.put("watch", [each.text for each in node.items], node)


def _memory(value: object) -> object:
    text = str(value)
    match = re.fullmatch(r"(\d+)([KMG]?)B?", text, re.IGNORECASE)
    if not match:
        raise Bad(f"expected a size such as `300M`, got `{text}`")
    return f"{match[1]}{match[2].upper()}iB" if match[2] else int(match[1])


def _time(key: str) -> Rule:
    """Return the rule of a time in milliseconds, or with a unit."""

    def rule(draft: Draft, node: Node) -> None:
        if isinstance(node.value, str) and not node.value.isdecimal():
            draft.put(key, node.value, node)
        else:
            to(key, milliseconds)(draft, node)

    return rule


def _listed(node: Node) -> list[str]:
    return [each.text for each in node.items]


_RULES: Mapping[str, Rule | str] = {
    **dict.fromkeys(
        ("name", "script", "cmd", "command", "args", "node_args", "interpreter", "exec_interpreter",
         "interpreter_args"),
        lambda draft, node: None,
    ),
    "cwd": to("cwd"),
    "env": _environment,
    "env_file": to("env_file"),
    "instances": _instances,
    "exec_mode": _mode,
    "watch": _watch,
    "ignore_watch": lambda draft, node: draft.put("watch_ignore", _listed(node), node),
    "max_memory_restart": to("max_memory", _memory),
    "autostart": to("autostart"),
    "autorestart": _autorestart,
    "max_restarts": _restarts,
    "min_uptime": _time("backoff.reset_after"),
    "restart_delay": _time("backoff.initial"),
    "exp_backoff_restart_delay": _time("backoff.initial"),
    "kill_timeout": _time("stop_timeout"),
    "listen_timeout": _time("start_timeout"),
    "cron_restart": "procman restarts nothing by the clock; `schedule` is for what runs and ends",
    "stop_exit_codes": "an app is restarted or not whatever its code, by `restart`",
    "wait_ready": "procman asks the app itself: `check`",
    "uid": to("user"),
    "gid": to("group"),
    "user": to("user"),
    "namespace": to("tags"),
    "increment_var": "procman counts up `port` alone",
    "merge_logs": nothing(True, False),
    "treekill": nothing(True),
    "shutdown_with_message": nothing(False),
    "time": nothing(True, False),  # every line has its time
    **dict.fromkeys(
        ("out_file", "error_file", "log_file", "pid_file", "log_date_format", "log_type", "combine_logs",
         "output", "error", "disable_logs", "filter_env"),
        _LOGS,
    ),
    **dict.fromkeys(("source_map_support", "instance_var", "force", "vizion", "pmx", "automation", "trace",
                     "post_update", "append_env_to_name", "watch_delay", "watch_options"), _PM2),
    "version": "procman reads no version of an app",
}  # fmt: skip


def place_in_script(document: Node, text: str) -> Node:
    """Return the tree of an evaluated file with the lines at which its text seems to have the keys.

    A key is looked for below the name of its app; a value that the script computes has the line of its app.
    """
    lines = text.split("\n")

    def line_of(key: str, start: int) -> int:
        pattern = re.compile(rf"""(?:^|[\s{{,])(["']?){re.escape(key)}\1\s*[:,(]""")
        places = [number for number, line in enumerate(lines, 1) if pattern.search(line)]
        return min(places, key=lambda number: abs(number - start), default=start)

    def placed(node: Node, line: int) -> Node:
        value = node.value
        if isinstance(value, dict):
            named = value.get("name")
            if named is not None and named.is_scalar:
                written = re.compile(rf"""["'`]{re.escape(named.text)}["'`]""")
                line = next((at for at, each in enumerate(lines, 1) if written.search(each)), line)
            value = {
                key: _moved(placed(each, line_of(key, line)), node.path, key) for key, each in value.items()
            }
        elif isinstance(value, list):
            value = [placed(each, line) for each in value]
        return Node(value, line, node.path, node.file)

    return placed(document, 1)


def _moved(node: Node, path: str, key: str) -> Node:
    return Node(node.value, node.line, join(path, key), node.file)
