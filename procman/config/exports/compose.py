"""The apps as a compose file for development: each in an image of its language, on the folder of here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from procman.config.exports.subject import Exported, Options, Subject
from procman.config.exports.yaml_text import yaml_text
from procman.core.config import CheckKind, Command, Condition, Restart
from procman.core.secrets import HIDDEN, hide
from procman.core.values import duration_text

_CARRIED = (
    "command", "shell", "cwd", "port", "env", "env_file", "restart", "check", "check_interval",
    "start_timeout", "stop_signal", "stop_timeout", "depends_on", "autostart", "user", "group",
    "limits", "tty", "max_memory", "logs", "schedule",
    "instances",
)  # fmt: skip
_MOUNTED = "/project"
_IMAGES = {
    "node:22": ("node", "npm", "npx", "pnpm", "pnpx", "yarn", "corepack", "next", "vite", "tsx"),
    "oven/bun:1": ("bun", "bunx"),
    "denoland/deno:latest": ("deno",),
    "python:3": ("python", "python3", "pip", "uvicorn", "gunicorn", "flask", "celery", "django-admin"),
    "ruby:3": ("ruby", "bundle", "rails", "rake"),
    "golang:1": ("go",),
    "rust:1": ("cargo",),
    "php:8": ("php",),
}
_OTHER = "debian:stable"
_CONDITIONS = {
    Condition.STARTED: "service_started",
    Condition.HEALTHY: "service_healthy",
    Condition.COMPLETED: "service_completed_successfully",
}


def export_compose(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a `compose.yaml`."""
    exported = Exported(losses=apps[0].losses if apps else [])
    services = {subject.app.name: _service(subject, options) for subject in apps}
    exported.files["compose.yaml"] = yaml_text({"services": services})
    return exported


def _service(subject: Subject, options: Options) -> dict[str, object]:
    app = subject.app
    image = options.image or _image(app.command)
    if options.image is None:
        subject.lose(
            "command", f"it runs in the image `{image}` with the project's folder; `--image` says another"
        )
    service: dict[str, object] = {
        "image": image,
        "init": True,
        "command": [each.replace("$", "$$") for each in _words(app.command)],
        "working_dir": os.path.normpath(os.path.join(_MOUNTED, subject.folder)),
        "volumes": [f".:{_MOUNTED}"],
    }
    if subject.folder.startswith(".."):
        subject.lose("cwd", "it lies outside of the project's folder, which is all that the container sees")
    if app.port is not None:
        service["ports"] = [f"{app.port}:{app.port}"]
    if variables := _environment(subject):
        service["environment"] = variables
    if app.env_file:
        service["env_file"] = [_relative(subject, path) for path in app.env_file]
    if health := _healthcheck(subject, image):
        service["healthcheck"] = health
    if app.depends_on:
        service["depends_on"] = {name: {"condition": _CONDITIONS[each]} for name, each in app.depends_on}
    service["restart"] = {Restart.ALWAYS: "unless-stopped", Restart.NEVER: "no"}.get(
        app.restart, "on-failure"
    )
    if app.stop_signal != "SIGTERM":
        service["stop_signal"] = app.stop_signal
    service["stop_grace_period"] = duration_text(app.stop_timeout)
    if "logs" in subject.places:
        budget = app.logs
        options_of_log = {"max-size": f"{budget.max_size}", "max-file": f"{budget.keep + 1}"}
        service["logging"] = {"driver": "json-file", "options": options_of_log}
    if app.schedule is not None:
        subject.lose("schedule", f"compose has none: let cron run `docker compose run --rm {app.name}`")
    if not app.autostart or app.schedule is not None:  # not with all the others
        service["profiles"] = ["manual" if app.schedule is None else "scheduled"]
    service |= _rights(subject)
    subject.lose_others(_CARRIED, "compose")
    return service


def _rights(subject: Subject) -> dict[str, object]:
    found: dict[str, object] = {}
    app = subject.app
    if app.user is not None:
        found["user"] = app.user if app.group is None else f"{app.user}:{app.group}"
    elif app.group is not None:
        subject.lose("group", "a container has a group only beside a `user`")
    if app.limits:
        found["ulimits"] = {name: -1 if most is None else most for name, most in app.limits}
    if subject.value("tty") is True:
        found["tty"] = True
    if subject.value("max_memory") is not None:
        found["mem_limit"] = f"{subject.value('max_memory')}b"
    return found


def _image(command: Command) -> str:
    program = os.path.basename(command.words[0].split()[0])
    return next((image for image, programs in _IMAGES.items() if program in programs), _OTHER)


def _words(command: Command) -> list[str]:
    return ["/bin/sh", "-c", command.words[0]] if command.shell else list(command.words)


def _relative(subject: Subject, path: str) -> str:
    relative = os.path.relpath(path, subject.project.folder)
    return relative if relative.startswith("..") else f"./{relative}"


def _environment(subject: Subject) -> dict[str, str]:
    found: dict[str, str] = {}
    if subject.app.port is not None:
        found["PORT"] = str(subject.app.port)
    for name, text in subject.app.env:
        if hide(name, text) == HIDDEN:
            found[name] = f"${{{name}:-}}"
            subject.lose(
                f"env.{name}", "it looks secret: compose takes it from its own environment or `.env`"
            )
        else:
            found[name] = _dollars(text)
    return found


def _dollars(text: str) -> str:
    """Return a value with `${VAR}` and `${VAR:-default}` for compose to fill in, and any other `$` twice."""
    form = re.compile(r"\$\$\{|(\$\{[A-Za-z_]\w*(?::-[^${}]*)?\})|\$")
    return form.sub(lambda match: match[1] or f"${match[0]}".replace("$$${", "$${"), text)


def _healthcheck(subject: Subject, image: str) -> dict[str, object]:
    app, check = subject.app, subject.app.check
    if check.kind is CheckKind.NONE:
        return {}
    test = _test(subject, image)
    if test is None:
        return {}
    return {
        "test": test,
        "interval": duration_text(app.check_interval),
        "timeout": duration_text(check.timeout),
        "retries": check.failures,
        "start_period": duration_text(app.start_timeout),
        "start_interval": duration_text(max(1.0, check.retry_interval)),
    }


def _test(subject: Subject, image: str) -> list[str] | None:
    app, check = subject.app, subject.app.check
    if check.kind is CheckKind.EXEC and check.command is not None:
        return ["CMD", *(each.replace("$", "$$") for each in _words(check.command))]
    script = None
    if check.kind is CheckKind.TCP:
        script = _PROGRAMS.get(image.partition(":")[0], {}).get("tcp")
    elif check.kind is CheckKind.HTTP:
        script = _PROGRAMS.get(image.partition(":")[0], {}).get("http")
        if check.headers or check.status != ((200, 399),):
            subject.lose(
                "check", "the check of the container takes any status from 200 to 399, without headers"
            )
    if script is None:
        subject.lose("check", "nothing in the image is known that could ask; write the `healthcheck` by hand")
        return None
    program, flag, text = script
    path = check.path.replace("'", "%27").replace("$", "$$")
    return ["CMD", program, flag, text.format(port=app.port, path=path)]


_PROGRAMS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "node": {
        "tcp": ("node", "-e", "require('net').connect({port}).on('connect', () => process.exit(0))"),
        "http": (
            "node",
            "-e",
            "fetch('http://localhost:{port}{path}').then(answer => process.exit(answer.ok ? 0 : 1))",
        ),
    },
    "python": {
        "tcp": ("python", "-c", "import socket; socket.create_connection(('localhost', {port}), 2)"),
        "http": (
            "python",
            "-c",
            "import urllib.request; urllib.request.urlopen('http://localhost:{port}{path}', timeout=2)",
        ),
    },
}
