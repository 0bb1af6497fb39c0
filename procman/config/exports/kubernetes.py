"""The apps as manifests of Kubernetes: a workload each, its service, and what it is configured by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from procman.config.exports.calendar import cron_job
from procman.config.exports.kubernetes_pod import (
    Variables,
    Workload,
    has_service,
    is_numbered,
    pod,
    variables,
)
from procman.config.exports.kubernetes_probes import MOST, Manifest
from procman.config.exports.subject import Exported, Options, Subject
from procman.config.exports.yaml_text import yaml_text
from procman.core.config import CheckKind, Restart

CARRIED = (
    "command", "shell", "cwd", "port", "env", "env_file", "restart", "check", "check_interval",
    "start_timeout", "stop_timeout", "depends_on", "autostart", "instances", "max_memory", "schedule",
    "user", "group",
)  # fmt: skip
# `prepare`, `backoff`… have reasons of their own here.
_REASONS = {
    "prepare": "it belongs in the build of the image: `procman export dockerfile` runs it there",
    "backoff": "Kubernetes waits 10 s after a failure, then twice as long each time, 5 minutes at most",
    "stop_signal": "a container is stopped with the `STOPSIGNAL` of its image, else with SIGTERM",
    "give_up": "Kubernetes never gives up on what is to run for ever",
    "host": "a kubelet asks on the pod's own address: listen on `0.0.0.0` or `::`",
    "watch": "an image does not change",
    "watch_ignore": "an image does not change",
    "prepare_inputs": "an image does not change",
    "port_policy": "a pod has all ports to itself",
    "logs": "the node keeps the output, and rotates it",
    "umask": "the command has to set it itself",
    "limits": "the node says what a container may open and use",
    "nice": "it shares processors by `resources.requests.cpu`",
}
_LONGEST = 52  # characters: a CronJob adds 11 to its name for that of a Job, whose limit is 63
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]):(\d+)")


def export_kubernetes(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a file for each table, and one more for what is secret in it, if that is to be written."""
    exported = Exported(losses=apps[0].losses if apps else [])
    if not apps:
        return exported
    names = object_names(apps[0].project.tables)
    together = {each.app.name: each for each in apps}
    for table in dict.fromkeys(each.app.table for each in apps):
        family = [each for each in apps if each.app.table == table]
        first = family[0]
        work = Workload(first, names[first.app.name], len(family), is_numbered(first), names, together)
        told = variables(work, options)
        documents, secrets = _manifests(work, options, told), _secrets(work, options, told)
        exported.files[f"{work.name}.yaml"] = _text(documents)
        if secrets:
            file = f"{work.name}.secret.yaml"  # no app's own: their names have no dot
            exported.files[file] = _text(secrets)
            exported.private.add(file)
        _lost(work, told, apps)
    return exported


def object_names(tables: Mapping[str, str]) -> dict[str, str]:
    """Return the name that the objects of each app have: a label of DNS, and no two tables the same.

    Args:
        tables: the table of each app of the project, by its name.
    """
    found: dict[str, str] = {}
    for table in dict.fromkeys(tables.values()):
        fit = re.sub(r"[^a-z0-9]+", "-", table.lower()).strip("-")
        fit = fit if fit[:1].isalpha() else f"app-{fit}"
        if len(fit) > _LONGEST or fit in found.values():
            fit = f"{fit[: _LONGEST - 7].rstrip('-')}-{hashlib.sha256(table.encode()).hexdigest()[:6]}"
        found[table] = fit
    return {app: found[table] for app, table in tables.items()}


def _text(documents: Iterable[Manifest]) -> str:
    return "---\n".join(map(yaml_text, documents))


def _manifests(work: Workload, options: Options, told: Variables) -> list[Manifest]:
    found: list[Manifest] = []
    if told.plain:
        found.append(_object("v1", "ConfigMap", work, options, {"data": told.plain}))
    found += _account(work, options)
    found.append(_workload(work, options, pod(work, options, told)))
    if has_service(work.subject):
        port = work.subject.app.port
        spec: Manifest = {"selector": {"app.kubernetes.io/name": work.name}}
        if work.numbered and not work.subject.ends:
            spec["clusterIP"] = "None"  # each pod has a name of its own below that of the Service
        spec["ports"] = [{"name": "main", "port": port, "targetPort": port}]
        found.append(_object("v1", "Service", work, options, {"spec": spec}))
    elif work.numbered and not work.subject.ends:
        spec = {"selector": {"app.kubernetes.io/name": work.name}, "clusterIP": "None"}
        found.append(_object("v1", "Service", work, options, {"spec": spec}))
    return found


def _account(work: Workload, options: Options) -> list[Manifest]:
    """Return the account of what waits for a Job: it may read that, and nothing else."""
    if not work.jobs:
        return []
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": work.jobs, "verbs": ["get"]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": work.name}
    where = options.namespace or "default"  # an API server refuses a binding that does not say it
    if options.namespace is None:
        why = f"the account that reads the Job `{work.jobs[0]}` is bound in the namespace `{where}`"
        work.subject.lose("depends_on", f"{why}; `--namespace` says another")
    subject = {"kind": "ServiceAccount", "name": work.name, "namespace": where}
    binding: Manifest = {"roleRef": reference, "subjects": [subject]}
    version = "rbac.authorization.k8s.io/v1"
    return [
        _object("v1", "ServiceAccount", work, options, {}),
        _object(version, "Role", work, options, {"rules": [rule]}),
        _object(version, "RoleBinding", work, options, binding),
    ]


def _workload(work: Workload, options: Options, pod: Manifest) -> Manifest:
    """Return the object that runs the app: what ends is a Job, what is numbered a StatefulSet."""
    subject, app = work.subject, work.subject.app
    if app.schedule is not None:
        return _cron_job(work, options, pod)
    if subject.ends:
        spec = _job(work, pod, stopped=not app.autostart)
        return _object("batch/v1", "Job", work, options, {"spec": spec})
    if app.restart is Restart.ON_FAILURE:
        subject.lose("restart", "a Deployment starts again whatever has ended, for whichever reason")
    spec = {
        "replicas": work.count if app.autostart else 0,
        "selector": {"matchLabels": {"app.kubernetes.io/name": work.name}},
    }
    if work.numbered:
        spec |= {"serviceName": work.name, "ordinals": {"start": 1}, "podManagementPolicy": "Parallel"}
    elif work.count == 1:
        spec["strategy"] = {"type": "Recreate"}  # no second copy before the first has ended
    spec["template"] = _template(work, pod)
    return _object("apps/v1", "StatefulSet" if work.numbered else "Deployment", work, options, {"spec": spec})


def _cron_job(work: Workload, options: Options, pod: Manifest) -> Manifest:
    subject, app = work.subject, work.subject.app
    schedule = cron_job(app.schedule or "")
    if schedule is None:
        why = f"Kubernetes has no `{app.schedule}`: the CronJob is suspended until you write its `schedule`"
        subject.lose("schedule", why)
    else:
        subject.lose("schedule", "its times are those of the cluster, mostly UTC; `timeZone` says another")
    spec: Manifest = {
        "schedule": schedule or "@yearly",
        "concurrencyPolicy": "Forbid",
        "suspend": schedule is None or not app.autostart,
        "jobTemplate": {"spec": _job(work, pod)},
    }
    return _object("batch/v1", "CronJob", work, options, {"spec": spec})


def _job(work: Workload, pod: Manifest, *, stopped: bool | None = None) -> Manifest:
    """Return a Job's specification; with several instances all of them run, each with its number."""
    app = work.subject.app
    never = app.restart is Restart.NEVER or app.schedule is not None
    # Without an end is the largest number there is. The first start is none of the retries.
    starts = 1 if never else app.give_up.starts or MOST
    spec: Manifest = {"backoffLimit": max(0, starts - 1)}
    if stopped:
        spec["suspend"] = True
    if work.count > 1:
        spec |= {"completions": work.count, "parallelism": work.count, "completionMode": "Indexed"}
    spec["template"] = _template(work, {**pod, "restartPolicy": "Never" if never else "OnFailure"})
    return spec


def _object(
    version: str, kind: str, work: Workload, options: Options, body: Mapping[str, object]
) -> Manifest:
    part_of = work.subject.project.name[:63].rstrip("-")
    meta: Manifest = {"name": work.name}
    if options.namespace is not None:
        meta["namespace"] = options.namespace
    meta["labels"] = {"app.kubernetes.io/name": work.name, "app.kubernetes.io/part-of": part_of}
    return {"apiVersion": version, "kind": kind, "metadata": meta, **body}


def _template(work: Workload, pod: Mapping[str, object]) -> Manifest:
    return {"metadata": {"labels": {"app.kubernetes.io/name": work.name}}, "spec": dict(pod)}


def _secrets(work: Workload, options: Options, told: Variables) -> list[Manifest]:
    """Return the Secrets of an app, if they are to be written: they overwrite those that are there."""
    if not options.secrets:
        return []
    named = {work.name: told.secret, **{name: data or {} for name, data in told.files.items()}}
    found = []
    for name, data in named.items():
        if data:
            secret = _object("v1", "Secret", work, options, {"type": "Opaque", "stringData": data})
            found.append({**secret, "metadata": {**_mapping(secret["metadata"]), "name": name}})
    return found


def _mapping(value: object) -> Manifest:
    assert isinstance(value, dict), "the metadata of an object is a table"
    return value


def _lost(work: Workload, told: Variables, apps: Sequence[Subject]) -> None:
    """Note what of the app is not in its manifests, beside what was noted where it would be."""
    subject, app = work.subject, work.subject.app
    if (
        app.port is not None
        and app.check.kind in (CheckKind.TCP, CheckKind.HTTP)
        and "host" not in subject.places
    ):
        subject.lose("port", _REASONS["host"])
    if work.count > 1 and not work.numbered:
        alike = "they are replicas that do not know which they are"
        subject.lose("instances", f"{alike}, all with port {app.port}" if app.port is not None else alike)
    ports = {str(each.app.port): each.app.name for each in apps if each.app.port not in (None, app.port)}
    for name, value in (*told.plain.items(), *told.numbered.items()):
        for port in _LOCAL.findall(value):
            if port in ports:
                there = f"{work.names[ports[port]]}:{port}"
                subject.lose(f"env.{name}", f"`{ports[port]}` is not on `localhost` there, but at `{there}`")
    if work.numbered and subject.ends:
        subject.lose("instances", "a Job counts its pods from 0, not from 1")
    for key in subject.places:
        if key in _REASONS and not (key == "give_up" and subject.ends):
            subject.lose(key, _REASONS[key])
    subject.lose_others((*CARRIED, *_REASONS), "Kubernetes")
