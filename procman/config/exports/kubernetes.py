"""The apps as manifests of Kubernetes: a workload each, its service, and what it is configured by."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence

from procman.config.exports.subject import Exported, Options, Subject
from procman.config.exports.yaml_text import yaml_text
from procman.core.config import Check, CheckKind, Command, Condition, Restart
from procman.core.secrets import HIDDEN, hide

Manifest = dict[str, object]

PLACEHOLDER = "REGISTRY/NAME:TAG"
_CARRIED = (
    "command", "shell", "cwd", "port", "env", "env_file", "restart", "check", "check_interval",
    "start_timeout", "give_up", "stop_signal", "stop_timeout", "depends_on", "autostart", "instances",
    "max_memory", "schedule", "user", "group", "prepare",
)  # fmt: skip
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


def export_kubernetes(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a file for each app; instances of one app are its replicas."""
    exported = Exported(losses=apps[0].losses if apps else [])
    counts: dict[str, int] = {}
    for subject in apps:
        counts[subject.app.table] = counts.get(subject.app.table, 0) + 1
    for subject in apps:
        if counts.pop(subject.app.table, 0) == 0:
            continue  # another instance of one that is there
        count = sum(each.app.table == subject.app.table for each in apps)
        name = object_name(subject.app.table)
        documents = _manifests(subject, options, name, count)
        exported.files[f"{name}.yaml"] = "---\n".join(map(yaml_text, documents))
        subject.lose_others(_CARRIED, "Kubernetes")
    return exported


def object_name(app: str) -> str:
    """Return the name of an app as a label of DNS, which begins with a letter."""
    fit = re.sub(r"[^a-z0-9]+", "-", app.lower()).strip("-")
    return (fit if fit[:1].isalpha() else f"app-{fit}")[:63].rstrip("-")


def _manifests(subject: Subject, options: Options, name: str, count: int) -> list[Manifest]:
    app = subject.app
    found: list[Manifest] = []
    plain, secret = _variables(subject)
    if plain:
        found.append(_object("v1", "ConfigMap", name, subject, {"data": plain}))
    if secret:
        subject.lose(
            "env", f"what looks secret is in the Secret of `{name}.yaml`: keep it out of repositories"
        )
        found.append(_object("v1", "Secret", name, subject, {"type": "Opaque", "stringData": secret}))
    pod = _pod(subject, options, name, sources=_sources(subject, name, plain, secret))
    _lost(subject)
    schedule = subject.value("schedule")
    spec: Manifest
    if schedule:
        job = {"spec": {"template": _template(name, {**pod, "restartPolicy": "Never"})}}
        spec = {"schedule": str(schedule), "concurrencyPolicy": "Forbid", "jobTemplate": job}
        return [*found, _object("batch/v1", "CronJob", name, subject, {"spec": spec})]
    if subject.is_awaited or app.restart is Restart.NEVER:
        policy = "Never" if app.restart is Restart.NEVER else "OnFailure"
        retries = 0 if policy == "Never" else max(0, app.give_up.starts - 1)
        spec = {"backoffLimit": retries, "template": _template(name, {**pod, "restartPolicy": policy})}
        return [*found, _object("batch/v1", "Job", name, subject, {"spec": spec})]
    if app.restart is Restart.ON_FAILURE:
        subject.lose("restart", "a Deployment starts again whatever has ended, for whichever reason")
    spec = {
        "replicas": count if app.autostart else 0,
        "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        "template": _template(name, pod),
    }
    found.append(_object("apps/v1", "Deployment", name, subject, {"spec": spec}))
    if app.port is not None:
        ports = [{"name": "main", "port": app.port, "targetPort": app.port}]
        spec = {"selector": {"app.kubernetes.io/name": name}, "ports": ports}
        found.append(_object("v1", "Service", name, subject, {"spec": spec}))
    return found


def _object(version: str, kind: str, name: str, subject: Subject, body: Mapping[str, object]) -> Manifest:
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": subject.project.name[:63]}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels}, **body}


def _template(name: str, pod: Mapping[str, object]) -> Manifest:
    return {"metadata": {"labels": {"app.kubernetes.io/name": name}}, "spec": dict(pod)}


def _pod(subject: Subject, options: Options, name: str, sources: list[Manifest]) -> Manifest:
    app = subject.app
    if options.image is None:
        subject.lose("command", f"the image is `{PLACEHOLDER}` until you write yours; `--image` says which")
    container: Manifest = {
        "name": name,
        "image": options.image or PLACEHOLDER,
        "command": [each.replace("$(", "$$(") for each in _words(app.command)],
    }
    if subject.folder != ".":
        subject.lose("cwd", "the image says in which folder a command runs")
    if sources:
        container["envFrom"] = sources
    if app.port is not None:
        container["ports"] = [{"name": "main", "containerPort": app.port}]
    container |= _probes(subject)
    memory = subject.value("max_memory")
    if memory is not None:
        container["resources"] = {"requests": {"memory": str(memory)}, "limits": {"memory": str(memory)}}
    pod: Manifest = {"containers": [container], "terminationGracePeriodSeconds": math.ceil(app.stop_timeout)}
    ids = {"runAsUser": subject.value("user"), "runAsGroup": subject.value("group")}
    numbers = {
        key: int(str(value)) for key, value in ids.items() if value is not None and str(value).isdecimal()
    }
    for key, value in ids.items():
        if value is not None and key not in numbers:
            subject.lose("user" if key == "runAsUser" else "group", "a container knows numbers, not names")
    return {**pod, "securityContext": numbers} if numbers else pod


def _words(command: Command) -> list[str]:
    return ["/bin/sh", "-c", command.words[0]] if command.shell else list(command.words)


def _variables(subject: Subject) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables of the app: those that may be seen, and those that look secret."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, value in subject.environment().items():
        if not _VARIABLE.fullmatch(name):
            subject.lose(f"env.{name}", "Kubernetes takes letters, digits, `-`, `_` and `.` for a name")
        else:
            (secret if hide(name, value) == HIDDEN else plain)[name] = value
    return plain, secret


def _sources(
    subject: Subject, name: str, plain: Mapping[str, str], secret: Mapping[str, str]
) -> list[Manifest]:
    """Return where the container takes its variables from; a later one wins, as with procman."""
    found: list[Manifest] = []
    for number, path in enumerate(subject.app.env_file, 1):
        file = f"{name}-env" if number == 1 else f"{name}-env-{number}"
        shown = os.path.relpath(path, subject.project.folder)
        make = f"`kubectl create secret generic {file} --from-env-file={shown}`"
        subject.lose("env_file", f"its variables are expected in a Secret that you make: {make}")
        found.append({"secretRef": {"name": file}})
    found += [{"configMapRef": {"name": name}}] if plain else []
    return found + ([{"secretRef": {"name": name}}] if secret else [])


def _probes(subject: Subject) -> Manifest:
    """Return a probe each for the start, for readiness and for life, all of them the app's check."""
    app, check = subject.app, subject.app.check
    handler = _handler(subject, check)
    if handler is None:
        return {}
    period = max(1, round(check.retry_interval))
    timeout = max(1, math.ceil(check.timeout))
    start = {"periodSeconds": period, "failureThreshold": max(1, math.ceil(app.start_timeout / period))}
    steady = {"periodSeconds": max(1, round(app.check_interval)), "failureThreshold": check.failures}
    if check.successes > 1:
        subject.lose("check.successes", "it holds for readiness alone")
    return {
        "startupProbe": {**handler, "timeoutSeconds": timeout, **start},
        "readinessProbe": {
            **handler,
            "timeoutSeconds": timeout,
            **steady,
            "successThreshold": check.successes,
        },
        "livenessProbe": {**handler, "timeoutSeconds": timeout, **steady},
    }


def _handler(subject: Subject, check: Check) -> Manifest | None:
    match check.kind:
        case CheckKind.TCP:
            return {"tcpSocket": {"port": subject.app.port}}
        case CheckKind.HTTP:
            get: Manifest = {"path": check.path, "port": subject.app.port}
            if check.headers:
                get["httpHeaders"] = [{"name": name, "value": value} for name, value in check.headers]
            if check.status != ((200, 399),):
                subject.lose("check.status", "Kubernetes takes any status from 200 to 399")
            return {"httpGet": get}
        case CheckKind.EXEC if check.command is not None:
            return {"exec": {"command": _words(check.command)}}
        case CheckKind.LOG:
            subject.lose("check.log", "Kubernetes reads no output")
    return None


def _lost(subject: Subject) -> None:
    app = subject.app
    for name, condition in app.depends_on:
        if condition is Condition.COMPLETED:
            reason = f"nothing waits for the Job `{object_name(name)}`: apply it first, and wait for it"
        else:
            reason = (
                f"Kubernetes starts everything at once: the app has to bear that `{name}` is not there yet"
            )
        subject.lose("depends_on", reason)
    if app.prepare is not None:
        subject.lose("prepare", "it belongs in the build of the image")
    if app.stop_signal != "SIGTERM":
        subject.lose(
            "stop_signal", "a container is stopped with SIGTERM, or with the `STOPSIGNAL` of its image"
        )
