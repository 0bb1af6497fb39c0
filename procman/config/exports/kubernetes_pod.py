"""The pod of an app: one container, what it is configured by, and what it waits for."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from procman.config.environment import merge_environment, read_env_files
from procman.config.exports.kubernetes_probes import MOST, Manifest, probes
from procman.config.exports.subject import Options, Subject
from procman.core.config import CheckKind, Condition, Restart
from procman.core.secrets import HIDDEN, hide, show_command

PLACEHOLDER = "REGISTRY/NAME:TAG"
ROOT = "/app"  # where the image has the project's folder, as that of `procman export dockerfile`
WAITS_IN = "busybox:1"  # the image of what waits for another app: a shell and `nc`
ASKS_IN = "curlimages/curl:8.11.1"  # and of what asks the API server about a Job: a shell and `curl`
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
NUMBER = "PROCMAN_INSTANCE"
ARGUMENT = "ARGUMENT_"  # of the command that looks secret: Kubernetes fills it in
_INDEX = "apps.kubernetes.io/pod-index"  # of a pod of a StatefulSet
_COMPLETION = "batch.kubernetes.io/job-completion-index"  # of a pod of a Job
_HERE = "\0"  # stands for the number of the instance, until it is known how that is spelled
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


@dataclass(frozen=True, slots=True)
class Workload:
    """A table of the file, as Kubernetes is to run it: its instances are copies of one pod."""

    subject: Subject  # the first instance
    name: str  # of every object of it
    count: int  # of copies
    numbered: bool  # each knows which one it is
    names: Mapping[str, str]  # of the objects of every app of the project, by app
    apps: Mapping[str, Subject]  # that are exported along with it, by name

    @property
    def jobs(self) -> list[str]:
        """The names of the Jobs that have to be complete before it starts."""
        waits = self.subject.app.depends_on
        found = [app for app, condition in waits if condition is Condition.COMPLETED and self.has_job(app)]
        return list(dict.fromkeys(self.names[app] for app in found))

    def has_job(self, app: str) -> bool:
        """Return whether another app is a Job of this export."""
        return app in self.apps and self.apps[app].app.schedule is None


@dataclass(slots=True)
class Variables:
    """What a container is told: by a ConfigMap, by Secrets, and one by one."""

    plain: dict[str, str] = field(default_factory=dict)
    secret: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, str] | None] = field(default_factory=dict)  # by Secret; None: not written
    numbered: dict[str, str] = field(default_factory=dict)  # with the number of the instance in them


def is_numbered(subject: Subject) -> bool:
    """Return whether an app is one of several instances, and says somewhere which."""
    app = subject.app
    if app.instance is None:
        return False
    commands = [app.command, app.prepare, app.check.command]
    words = [word for command in commands if command is not None for word in command.words]
    texts = [*words, *(value for _, value in app.env)]
    return any(NUMBER in text or _own_name(app.name).search(text) for text in texts)


def _own_name(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")


def variables(work: Workload, options: Options) -> Variables:
    """Return the variables of an app, each where it belongs; what has no place is lost."""
    subject, app, found = work.subject, work.subject.app, Variables()
    for name, value in subject.environment(given={NUMBER: _HERE} if work.numbered else None).items():
        if not _VARIABLE.fullmatch(name):
            subject.lose(f"env.{name}", "Kubernetes takes letters, digits, `-`, `_` and `.` for a name")
        elif name == NUMBER:
            continue
        elif _HERE in value:
            found.numbered[name] = _spelled(value)
        else:
            (found.secret if hide(name, value) == HIDDEN else found.plain)[name] = value
    found.secret |= _secret_words([word.replace(_HERE, str(app.instance)) for word in _command(work)])
    if found.secret and not options.secrets:
        given = " ".join(f"--from-literal={name}=…" for name in found.secret)
        make = f"`kubectl create secret generic {work.name} {given}`"
        subject.lose("env", f"what looks secret is expected in a Secret: {make}, or `--secrets` writes it")
    for number, path in enumerate(app.env_file, 1):
        name = f"{work.name}.env" if number == 1 else f"{work.name}.env-{number}"  # no app's own
        found.files[name] = _of_file(subject, path) if options.secrets else None
        if not options.secrets:
            shown = os.path.relpath(path, subject.project.folder)
            make = f"`kubectl create secret generic {name} --from-env-file={shown}`"
            why = f"its variables are expected in a Secret: {make} takes quotes as they stand, "
            subject.lose("env_file", f"{why}`--secrets` writes what procman reads")
    return found


def _of_file(subject: Subject, path: str) -> dict[str, str]:
    """Return the variables of an env file; raises `InvalidConfig` where it does not read."""
    app = replace(subject.app, env=(), env_file=(path,), instance=None, tty=False)
    known = merge_environment(app, {}, read_env_files(app), port=app.port)
    return {name: value for name, value in known.items() if name != "PORT" and _VARIABLE.fullmatch(name)}


def pod(work: Workload, options: Options, told: Variables) -> Manifest:
    """Return the specification of an app's pod."""
    subject, app = work.subject, work.subject.app
    if options.image is None:
        holds = f"with the project's folder in `{ROOT}`"
        subject.lose("command", f"the image is `{PLACEHOLDER}` until `--image` says yours, {holds}")
    container: Manifest = {
        "name": work.name,
        "image": options.image or PLACEHOLDER,
        "command": [
            f"$({ARGUMENT}{index})" if f"{ARGUMENT}{index}" in told.secret else _spelled(word)
            for index, word in enumerate(_command(work))
        ],
    }
    if subject.folder.startswith(".."):
        subject.lose("cwd", "it lies outside of the project's folder, so the image says where it runs")
    else:
        container["workingDir"] = os.path.normpath(os.path.join(ROOT, subject.folder))
    container |= _told(work, told)
    if app.port is not None:
        container["ports"] = [{"name": "main", "containerPort": app.port}]
    container |= probes(subject, secrets=options.secrets)
    container |= _resources(subject)
    spec: Manifest = {
        "containers": [container],
        "enableServiceLinks": False,  # else a Service `db` gives every app a `DB_PORT` that procman does not
        "shareProcessNamespace": True,  # else the command is PID 1: no TERM ends it, and nobody reaps
        "terminationGracePeriodSeconds": math.ceil(app.stop_timeout),
    }
    if waiting := _waiting(work):
        spec["initContainers"] = waiting
    if work.jobs:
        spec["serviceAccountName"] = work.name
    return spec | _rights(subject)


def _command(work: Workload) -> list[str]:
    """Return the words of the command, the number of the instance left open where its name is."""
    command = work.subject.app.command
    words = ["/bin/sh", "-c", command.words[0]] if command.shell else list(command.words)
    if not work.numbered:
        return words
    name = _own_name(work.subject.app.name)
    return [name.sub(lambda _: f"{work.subject.app.table}.{_HERE}", word) for word in words]


def _secret_words(words: Sequence[str]) -> dict[str, str]:
    """Return the words of a command that look secret by themselves, or by the flag before them."""
    pairs = zip(("", *words), words, strict=False)
    return {
        f"{ARGUMENT}{index}": word
        for index, (before, word) in enumerate(pairs)
        if show_command([word]) != " ".join(word.split())
        or (before.startswith("-") and show_command([before, word]).endswith(f" {HIDDEN}"))
    }


def _spelled(text: str) -> str:
    """Return a text in which Kubernetes fills in the number, and nothing else."""
    return text.replace("$(", "$$(").replace(_HERE, f"$({NUMBER})")


def _told(work: Workload, told: Variables) -> Manifest:
    """Return where the container takes its variables from: one by one wins, then what comes last."""
    found: Manifest = {}
    sources: list[Manifest] = [{"secretRef": {"name": name}} for name in told.files]
    sources += [{"configMapRef": {"name": work.name}}] if told.plain else []
    if sources:
        found["envFrom"] = sources
    single: list[Manifest] = []
    if work.numbered:
        path = f"metadata.labels['{_COMPLETION if work.subject.ends else _INDEX}']"
        single.append({"name": NUMBER, "valueFrom": {"fieldRef": {"fieldPath": path}}})
    single += [{"name": name, "value": value} for name, value in told.numbered.items()]
    for name in told.secret:  # by its key, so that a pod without the Secret does not start
        reference = {"secretKeyRef": {"name": work.name, "key": name}}
        single.append({"name": name, "valueFrom": reference})
    return found | ({"env": single} if single else {})


def _resources(subject: Subject) -> Manifest:
    memory = subject.app.max_memory
    if memory is None:
        return {}
    if subject.app.restart is Restart.NEVER:
        subject.lose(
            "max_memory", "it is what the app asks for, and no limit: procman would not end it either"
        )
        return {"resources": {"requests": {"memory": str(memory)}}}
    return {"resources": {"requests": {"memory": str(memory)}, "limits": {"memory": str(memory)}}}


def _rights(subject: Subject) -> Manifest:
    ids = {"runAsUser": ("user", subject.app.user), "runAsGroup": ("group", subject.app.group)}
    numbers: Manifest = {}
    for name, (key, value) in ids.items():
        if value is not None and value.isdecimal() and int(value) <= MOST:
            numbers[name] = int(value)
        elif value is not None:
            subject.lose(key, f"a container knows numbers up to {MOST}, and no names")
    return {"securityContext": numbers} if numbers else {}


def _waiting(work: Workload) -> list[Manifest]:
    """Return what runs before the app: a wait for each dependency that has to be healthy, or completed.

    A Service leads to pods that are ready, and to none else: that it connects is the dependency's own check.
    """
    subject = work.subject
    found: dict[str, Manifest] = {}  # by name: instances are one
    for app, condition in subject.app.depends_on:
        name, other = work.names[app], work.apps.get(app)
        if condition is Condition.STARTED:
            subject.lose("depends_on", f"Kubernetes starts everything at once, also what waits for `{app}`")
        elif condition is Condition.COMPLETED and work.has_job(app):
            found[name] = _wait(name, ASKS_IN, _until_complete(name))
        elif condition is Condition.HEALTHY and other is not None and has_check(other):
            found[name] = _wait(name, WAITS_IN, f"nc -z -w 2 {name} {other.app.port}")
        else:
            why = "has no Service" if condition is Condition.HEALTHY else "is no Job"
            subject.lose("depends_on", f"`{app}` {why} here, so nothing waits for it")
    return list(found.values())


def has_service(subject: Subject) -> bool:
    """Return whether an app can be reached by its name."""
    return subject.app.port is not None and subject.app.schedule is None


def has_check(subject: Subject) -> bool:
    """Return whether an app can be reached by its name once it is healthy."""
    return has_service(subject) and subject.app.check.kind not in (CheckKind.NONE, CheckKind.LOG)


def _wait(name: str, image: str, question: str) -> Manifest:
    script = f"until {question}; do sleep 1; done"
    return {"name": f"wait-for-{name}"[:63].rstrip("-"), "image": image, "command": ["sh", "-c", script]}


def _until_complete(job: str) -> str:
    """Return the question whether a Job is complete, as its account may ask it of the API server."""
    path = f"apis/batch/v1/namespaces/$(cat {_ACCOUNT}/namespace)/jobs/{job}"
    header = f'-H "Authorization: Bearer $(cat {_ACCOUNT}/token)"'
    asked = f"curl -sS --cacert {_ACCOUNT}/ca.crt {header} https://kubernetes.default.svc/{path}"
    return f"""{asked} | grep -q '"type": *"Complete"'"""
