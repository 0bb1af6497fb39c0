"""What an unknown key was meant to be: a typo, another tool's name, or a key of another table."""

from __future__ import annotations

from collections.abc import Iterable

from procman.core.fields import APP, BACKOFF, CHECK, GIVE_UP, LOGS, NOT_A_DEFAULT, Table
from procman.core.frozen import Frozen

# Other tools' names of what an app has, with ours; a name that several use stands with the best known.
_NAMES = {
    "supervisord's": {
        "directory": "cwd", "autorestart": "restart", "startsecs": "start_timeout", "startretries": "give_up",
        "stopsignal": "stop_signal", "stopwaitsecs": "stop_timeout", "environment": "env",
        "numprocs": "instances", "priority": "depends_on", "stdout_logfile": "logs", "stderr_logfile": "logs",
        "stdout_logfile_maxbytes": "logs.max_size", "stdout_logfile_backups": "logs.keep",
        "exitcodes": "restart",
    },
    "pm2's": {
        "script": "command", "args": "command", "interpreter": "command", "exec_mode": "instances",
        "max_restarts": "give_up.starts", "min_uptime": "backoff.reset_after", "kill_timeout": "stop_timeout",
        "restart_delay": "backoff.initial", "exp_backoff_restart_delay": "backoff",
        "max_memory_restart": "max_memory", "ignore_watch": "watch_ignore", "cron_restart": "schedule",
        "listen_timeout": "start_timeout", "wait_ready": "check", "env_vars": "env", "out_file": "logs",
        "error_file": "logs",
    },
    "Docker Compose's": {
        "working_dir": "cwd", "healthcheck": "check", "interval": "check_interval", "ports": "port",
        "stop_grace_period": "stop_timeout", "start_period": "start_timeout", "restart_policy": "restart",
        "mem_limit": "max_memory", "entrypoint": "command", "scale": "instances", "retries": "check.failures",
        "profiles": "tags", "logging": "logs",
    },
    "process-compose's": {
        "availability": "restart", "readiness_probe": "check", "liveness_probe": "check",
        "shutdown": "stop_signal", "disabled": "enabled", "is_tty": "tty",
        "replicas": "instances",
    },
    "pitchfork's": {
        "run": "command", "dir": "cwd", "depends": "depends_on", "retry": "give_up", "auto": "autostart",
        "ready_cmd": "check.exec", "ready_http": "check.http", "ready_port": "check.tcp",
        "ready_output": "check.log", "ready_delay": "start_timeout", "cron": "schedule",
    },
    "circus's": {
        "cmd": "command", "graceful_timeout": "stop_timeout", "copy_env": "inherit_env",
        "max_retry": "give_up.starts", "warmup_delay": "start_timeout", "uid": "user", "gid": "group",
    },
    "systemd's": {
        "execstart": "command", "execstartpre": "prepare", "workingdirectory": "cwd",
        "environmentfile": "env_file", "restartsec": "backoff.initial", "after": "depends_on",
        "requires": "depends_on", "wants": "depends_on", "killsignal": "stop_signal",
        "timeoutstopsec": "stop_timeout", "timeoutstartsec": "start_timeout", "memorymax": "max_memory",
        "startlimitburst": "give_up.starts",
    },
    "foreman's": {"formation": "instances"},
    "mprocs's": {"stop": "stop_signal", "add_path": "env"},
    "npm's": {"scripts": "command"},
    "another tool's": {
        "exec": "command", "environment_vars": "env", "workdir": "cwd", "working_directory": "cwd",
        "path": "cwd", "folder": "cwd", "health_check": "check",
        "env_files": "env_file", "dotenv": "env_file", "dependencies": "depends_on", "signal": "stop_signal",
        "setup": "prepare", "before": "prepare", "pre": "prepare", "install": "prepare", "url": "check.http",
        "health": "check", "labels": "tags", "grace_period": "start_timeout", "hostname": "host",
    },
}  # fmt: skip

_CHECK_NAMES = {
    "Docker Compose's": {"test": "exec", "interval": "check_interval", "retries": "failures"},
    "Kubernetes'": {
        "httpget": "http", "tcpsocket": "tcp", "failurethreshold": "failures",
        "failure_threshold": "failures",
        "successthreshold": "successes", "success_threshold": "successes", "periodseconds": "check_interval",
        "period_seconds": "check_interval", "timeoutseconds": "timeout", "timeout_seconds": "timeout",
        "initialdelayseconds": "start_timeout", "initial_delay_seconds": "start_timeout",
    },
    "another tool's": {
        "url": "http", "path": "http", "command": "exec", "cmd": "exec", "pattern": "log", "regex": "log",
        "codes": "status", "threshold": "failures",
    },
}  # fmt: skip

_INSIDE = {"check": CHECK, "backoff": BACKOFF, "give_up": GIVE_UP, "logs": LOGS}


class Unknown(Frozen):
    """What to say of a key that its table does not have."""

    message: str
    hint: str | None = None
    meant: str | None = None  # the key of this table that it stands for, if that can be told


def unknown_key(key: str, table: Table, name: str) -> Unknown:
    """Return what to say of a key that its table does not have.

    Args:
        key: as it was written.
        table: the keys that would be right.
        name: of the table: `app`, `defaults`, `manager`, or the key whose value it is, such as `check`.
    """
    ours = _normal(key)
    is_app = name in ("app", "defaults")
    if name == "defaults" and ours in NOT_A_DEFAULT:
        return Unknown("it cannot be a default", NOT_A_DEFAULT[ours])
    if is_app and ours == "name":
        return Unknown("unknown key", "the name of an app stands in its header: `[apps.NAME]`")
    slip = closest(ours, table)
    if slip and slip.replace("_", "") == ours.replace("_", ""):
        return Unknown("unknown key", f"it is written `{slip}`", slip)
    tools = _CHECK_NAMES if name == "check" else _NAMES if is_app else {}
    for tool, names in tools.items():
        target = names.get(key.lower()) or names.get(ours)
        if target:
            return Unknown("unknown key", _other_tool(key, tool, target, name), target.split(".")[0])
    hint = _other_table(ours, name)
    if hint:
        return Unknown("unknown key", hint)
    if slip:
        return Unknown("unknown key", f"did you mean `{slip}`?", slip)
    return Unknown("unknown key", f"known keys are {', '.join(f'`{known}`' for known in table)}")


def closest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that `name` is most likely a slip of."""
    import difflib  # only a file with an error pays for it

    known = list(names)
    swapped = [other for other in known if sorted(other) == sorted(name)]  # of short names unlike to difflib
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.6) or swapped), None)


def _normal(key: str) -> str:
    """Return `stopTimeout` and `stop-timeout` as `stop_timeout`."""
    snake = "".join(f"_{c.lower()}" if c.isupper() and i else c for i, c in enumerate(key))
    return snake.replace("-", "_").lower()


def _other_tool(key: str, tool: str, target: str, name: str) -> str:
    whose = " of the app" if name == "check" and target not in CHECK else ""
    return f"`{key}` is {tool} name; here it is `{target}`{whose}"


def _other_table(ours: str, name: str) -> str | None:
    """Return where the key belongs, if it is one of another table."""
    if name in ("app", "defaults", "manager"):
        for outer, table in _INSIDE.items():
            if ours in table and (name != "manager" or outer == "logs"):
                return f"it belongs in `{outer}`: `{outer} = {{ {ours} = … }}`"
    if name == "manager" and ours in APP:
        return "it is a key of an app; `[defaults]` sets it for all of them"
    if name in _INSIDE and ours in APP:
        return f"it is a key of the app, beside `{name}`"
    return None
