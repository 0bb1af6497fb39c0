"""The export to Kubernetes: what each key becomes, what the schemas of versions say, and the table of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from procman.config.exports.every import EXPORTS
from procman.config.exports.kubernetes import object_names
from procman.config.exports.subject import Exported, Options, subjects
from procman.config.read import parse_config
from procman.config.source import Source, read_source
from procman.core import fields
from tests.unit.config.test_exports import export, read_yaml

REPOSITORY = Path(__file__).parents[3]
VERSIONS = ("1.31", "1.34", "1.37")
CONTEXT = "PROCMAN_TEST_KUBE_CONTEXT"  # of the cluster that may be asked, as in the file of kubectl

# Every key of an app, each with a value that is not its default.
SINK = r"""
[apps.sink]
command = "node sink.js > /dev/null"
shell = true
cwd = "sub"
port = 4000
host = "127.0.0.1"
check_interval = "30s"
check = { http = "/up", status = 204, headers = { X-A = "b" }, timeout = "3s", failures = 4, retry_interval = "2s", successes = 2 }
start_timeout = "90s"
restart = "on-failure"
backoff = { initial = "2s" }
give_up = { starts = 3 }
stop_signal = "SIGINT"
stop_timeout = "25s"
depends_on = { base = "healthy", once = "completed" }
env = { PLAIN = "x", API_KEY = "hush" }
env_file = ".env"
inherit_env = false
tty = true
prepare = "npm ci"
prepare_inputs = "package.json"
port_policy = "reclaim"
instances = 2
watch = "src"
watch_ignore = "*.tmp"
max_memory = "300MB"
user = 1000
group = 1000
umask = "027"
nice = 5
limits = { nofile = 4096 }
autostart = false
enabled = true
logs = { keep = 1 }
tags = "front"

[apps.base]
command = "node base.js"
port = 4100

[apps.once]
command = "node once.js"

[apps.night]
command = "node night.js"
schedule = "0 3 * * *"

[apps.shard]
command = "node shard.js {name}"
port = 4200
instances = 3
env.WHO = "shard ${PROCMAN_INSTANCE}"

[apps.ask]
command = "node ask.js"
check = { exec = "node -e 'process.exit(0)'" }

[apps.told]
command = "node told.js"
check = { log = "ready" }

[apps.last]
command = "node last.js"
port = 4300
restart = "never"
max_memory = "100MB"
"""  # noqa: E501


def objects(exported: Exported) -> dict[tuple[str, str], Any]:
    """Return every object of an export by its kind and name."""
    found = [each for text in exported.files.values() for each in read_yaml(text)]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


@cache
def plain_export() -> Exported:
    """Return the export of the file with every key."""
    return export("kubernetes", SINK)


@cache
def parsed() -> dict[tuple[str, str], Any]:
    """Return its objects, which nobody may change: to read YAML is slow."""
    return objects(plain_export())


def sink() -> dict[tuple[str, str], Any]:
    """Return its objects, for one test."""
    return deepcopy(parsed())


def container(workload: Any) -> Any:
    """Return the one container of a workload."""
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return only


def example(path: Path) -> Exported:
    """Return the export of a file of the repository."""
    source = read_source(str(path))
    config = parse_config(source)
    return EXPORTS["kubernetes"](subjects(config, source, list(config.enabled_apps())), Options())


EXAMPLES = [REPOSITORY / "portwatch.toml", *sorted(REPOSITORY.glob("examples/**/portwatch.toml"))]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_of_a_version_accept_every_manifest(version: str, tmp_path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".env").write_text("TOKEN=a\n")
    every = [example(path) for path in EXAMPLES]
    every += [export("kubernetes", SINK, str(tmp_path), secrets=True, namespace="shop", image="web:1")]
    kinds = set()
    for found in [sink(), *map(objects, every)]:
        for (kind, _), document in found.items():
            validate.validate(document, version, strict=True)
            kinds.add(kind)
    assert kinds == {
        *("ConfigMap", "CronJob", "Deployment", "Job", "Role", "RoleBinding", "Secret", "Service"),
        *("ServiceAccount", "StatefulSet"),
    }


LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(?:\.{LABEL.pattern})*")
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def pods(found: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the specification of each pod, and what kind of object has it."""
    for each in found:
        if "spec" in each and each["kind"] != "Service":
            spec = each["spec"].get("jobTemplate", each)["spec"]
            yield each["kind"], spec["template"]["spec"]


@pytest.mark.parametrize("secrets", [True, False])
def test_what_an_api_server_asks_for_beside_its_schemas(tmp_path: Path, secrets: bool) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".env").write_text("TOKEN=a\n")
    found = objects(export("kubernetes", SINK, str(tmp_path), secrets=secrets))
    for (kind, name), each in found.items():
        assert (SUBDOMAIN if kind == "Secret" else LABEL).fullmatch(name)
        assert len(name) <= (52 if kind == "CronJob" else 63)
        assert all(LABEL_VALUE.fullmatch(value) for value in each["metadata"]["labels"].values())
        for key in ("data", "stringData"):
            assert all(re.fullmatch(r"[-._A-Za-z0-9]+", name) for name in each.get(key, {}))
        if kind in ("Deployment", "StatefulSet"):
            labels = each["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
        if kind == "RoleBinding":
            assert all(subject.get("namespace") for subject in each["subjects"])
    for kind, pod in pods(found.values()):
        assert (pod.get("restartPolicy") in ("Never", "OnFailure")) is (kind in ("Job", "CronJob"))
        names = [each["name"] for each in (*pod["containers"], *pod.get("initContainers", ()))]
        assert len(set(names)) == len(names)
        assert all(map(LABEL.fullmatch, names))
        account = pod.get("serviceAccountName")
        assert account is None or ("ServiceAccount", account) in found
        for probe in ("startupProbe", "livenessProbe"):
            assert pod["containers"][0].get(probe, {}).get("successThreshold", 1) == 1
    references = set(re.findall(r"(configMapRef|secretRef|secretKeyRef): \{name: ([\w.-]+)", flow(found)))
    assert {reference for reference, _ in references} == {"configMapRef", "secretRef", "secretKeyRef"}
    for reference, name in references:
        assert not secrets or (("ConfigMap" if reference[0] == "c" else "Secret"), name) in found


def flow(found: Any) -> str:
    """Return objects on one line, keys without quotes."""
    return json.dumps(list(found.values())).replace('"', "")


def test_the_schemas_refuse_what_no_api_server_knows() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    document = sink()["Deployment", "base"]
    container(document)["startupProbe"]["failures"] = 3
    with pytest.raises(validate.ValidationError):
        validate.validate(document, VERSIONS[-1], strict=True)


def test_an_api_server_accepts_every_manifest(tmp_path: Path) -> None:
    context = os.environ.get(CONTEXT)
    if context is None:
        pytest.skip(f"{CONTEXT} names no cluster")
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    words = ["kubectl", "--context", context, "--request-timeout=20s"]
    if subprocess.run([*words, "get", "--raw=/readyz"], capture_output=True, check=False).returncode:
        pytest.skip(f"the cluster of the context `{context}` does not answer")
    for name, text in {**export("kubernetes", SINK).files, **export("kubernetes").files}.items():
        (tmp_path / name).write_text(text)
    applied = subprocess.run(
        [*words, "apply", "--dry-run=server", "--validate=strict", "-f", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert applied.returncode == 0, applied.stderr
    assert "Warning" not in applied.stderr


def test_a_check_becomes_a_probe_for_start_readiness_and_life() -> None:
    web = container(objects(export("kubernetes"))["Deployment", "web"])
    headers = [{"name": "Host", "value": "localhost:5173"}, {"name": "X-A", "value": "b"}]
    get = {"path": "/health?x='1'", "port": 5173, "httpHeaders": headers}
    assert web["startupProbe"] == {
        "httpGet": get, "timeoutSeconds": 2, "periodSeconds": 2, "failureThreshold": 61
    }  # fmt: skip
    assert web["livenessProbe"] == {
        "httpGet": get, "timeoutSeconds": 2, "periodSeconds": 6, "failureThreshold": 3
    }  # fmt: skip
    assert web["readinessProbe"] == {**web["livenessProbe"], "successThreshold": 2}


def test_an_app_that_is_never_restarted_is_not_killed_for_its_checks_nor_its_memory() -> None:
    last = container(sink()["Job", "last"])
    assert "readinessProbe" in last
    assert "livenessProbe" not in last
    assert "startupProbe" not in last
    assert last["resources"] == {"requests": {"memory": "100000000"}}


@pytest.mark.parametrize(
    ("check", "handler", "lost"),
    [
        ('{ http = "/", status = "200-499" }', "tcpSocket", "check.status"),
        ('{ http = "/", status = 200 }', "httpGet", "check.status"),
        ('{ http = "/", headers = { Authorization = "Bearer x" } }', "tcpSocket", "check.headers"),
        ('{ http = "/" }', "httpGet", None),
    ],
)
def test_a_check_that_no_probe_can_make_is_never_a_stricter_one(
    check: str, handler: str, lost: str | None
) -> None:
    exported = export("kubernetes", f'[apps.web]\ncommand = "node a"\nport = 80\ncheck = {check}\n')
    assert handler in container(objects(exported)["Deployment", "web"])["livenessProbe"]
    assert (f"web.{lost}" in {loss.what for loss in exported.losses}) is (lost is not None)


def test_what_looks_secret_is_not_written_unless_asked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".env").write_text('TOKEN="x y"\nPORT=1\nMORE=${TOKEN}!\n')

    quiet = export("kubernetes", SINK, str(tmp_path))
    assert not any("hush" in text or "x y" in text for text in quiet.files.values())
    assert quiet.private == set()
    sink = container(objects(quiet)["Deployment", "sink"])
    assert sink["envFrom"] == [{"secretRef": {"name": "sink.env"}}, {"configMapRef": {"name": "sink"}}]
    assert sink["env"] == [
        {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "sink", "key": "API_KEY"}}}
    ]
    told = " ".join(loss.why for loss in quiet.losses)
    assert "kubectl create secret generic sink --from-literal=API_KEY=…" in told
    assert "kubectl create secret generic sink.env --from-env-file=sub/.env" in told

    asked = export("kubernetes", SINK, str(tmp_path), secrets=True)
    assert asked.private == {"sink.secret.yaml"}
    assert objects(asked)["Secret", "sink"]["stringData"] == {"API_KEY": "hush"}
    assert objects(asked)["Secret", "sink.env"]["stringData"] == {"TOKEN": "x y", "MORE": "x y!"}
    assert "hush" not in asked.files["sink.yaml"]
    assert container(objects(asked)["Deployment", "sink"]) == sink


def test_instances_are_replicas_unless_they_say_which_they_are() -> None:
    exported, found = plain_export(), sink()
    shard = found["StatefulSet", "shard"]
    assert shard["spec"]["replicas"] == 3
    assert shard["spec"]["ordinals"] == {"start": 1}  # as `shard.1` is the first
    assert container(shard)["command"] == ["node", "shard.js", "shard.$(PROCMAN_INSTANCE)"]
    number, who = container(shard)["env"]
    assert number["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"
    assert who == {"name": "WHO", "value": "shard $(PROCMAN_INSTANCE)"}
    assert found["Service", "shard"]["spec"]["clusterIP"] == "None"
    assert found["Deployment", "sink"]["spec"]["replicas"] == 0  # `autostart = false`
    assert "strategy" not in found["Deployment", "sink"]["spec"]
    assert found["Deployment", "base"]["spec"]["strategy"] == {"type": "Recreate"}
    lost = {loss.what for loss in exported.losses}
    assert "sink.1.instances" in lost
    assert "shard.1.instances" not in lost


def test_a_dependency_that_must_be_healthy_is_waited_for_at_its_service() -> None:
    exported, found = plain_export(), sink()
    healthy, completed = found["Deployment", "sink"]["spec"]["template"]["spec"]["initContainers"]
    assert healthy["command"] == ["sh", "-c", "until nc -z -w 2 base 4100; do sleep 1; done"]
    assert completed["name"] == "wait-for-once"
    assert found["Deployment", "sink"]["spec"]["template"]["spec"]["serviceAccountName"] == "sink"
    assert found["Role", "sink"]["rules"] == [
        {"apiGroups": ["batch"], "resources": ["jobs"], "resourceNames": ["once"], "verbs": ["get"]}
    ]
    (subject,) = found["RoleBinding", "sink"]["subjects"]
    assert subject["namespace"] == "default"  # no schema asks for it, but every API server does
    (lost,) = (loss.why for loss in exported.losses if loss.what == "sink.1.depends_on")
    assert "`--namespace` says another" in lost
    chosen = export("kubernetes", SINK, namespace="shop")
    assert objects(chosen)["RoleBinding", "sink"]["subjects"][0]["namespace"] == "shop"
    assert "sink.1.depends_on" not in {loss.what for loss in chosen.losses}


JOB = {"status": {"conditions": [{"type": "SuccessCriteriaMet"}, {"type": "Complete", "status": "True"}]}}


@pytest.mark.parametrize(("document", "code"), [(JOB, 0), ({"status": {"active": 1}}, 1)])
def test_a_dependency_that_must_be_completed_is_asked_for_by_the_pods_account(
    document: dict[str, Any], code: int, tmp_path: Path
) -> None:
    spec = sink()["Deployment", "sink"]["spec"]["template"]["spec"]
    script = spec["initContainers"][1]["command"][2]
    script = script.replace("/var/run/secrets/kubernetes.io/serviceaccount", str(tmp_path / "account"))
    once = script.removeprefix("until ").removesuffix("; do sleep 1; done")
    (tmp_path / "account").mkdir()
    for name, text in (("namespace", "shop"), ("token", "t0")):
        (tmp_path / "account" / name).write_text(text)
    (tmp_path / "curl").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >"$0.asked"\ncat "$0.answer"\n')
    (tmp_path / "curl").chmod(0o755)
    (tmp_path / "curl.answer").write_text(json.dumps(document, indent=2))  # as the API server answers curl
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run(["/bin/sh", "-c", once], env=path, check=False).returncode == code
    asked = (tmp_path / "curl.asked").read_text().splitlines()
    assert "Authorization: Bearer t0" in asked
    assert asked[-1] == "https://kubernetes.default.svc/apis/batch/v1/namespaces/shop/jobs/once"


def test_what_cannot_be_waited_for_is_told() -> None:
    text = (
        '[apps.a]\ncommand = "node a"\ncheck = { exec = "true" }\n[apps.b]\ncommand = "node b"\n'
        '[apps.c]\ncommand = "node c"\ndepends_on = { a = "healthy", b = "started" }\n'
    )
    why = [loss.why for loss in export("kubernetes", text).losses if loss.what == "c.depends_on"]
    assert [each.split(",")[0] for each in why] == [
        "`a` has no Service here", "Kubernetes starts everything at once"
    ]  # fmt: skip


def test_what_ends_is_a_job_and_what_is_waited_for_is_tried_again() -> None:
    found = sink()
    once, last, night = found["Job", "once"], found["Job", "last"], found["CronJob", "night"]
    assert once["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert once["spec"]["backoffLimit"] == 9
    assert last["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert last["spec"]["backoffLimit"] == 0
    assert night["spec"]["concurrencyPolicy"] == "Forbid"
    assert night["spec"]["suspend"] is False
    text = SINK.replace("0 3 * * *", "0 3 L * *")
    assert objects(export("kubernetes", text))["CronJob", "night"]["spec"]["suspend"] is True


def test_only_the_number_is_filled_in_by_kubernetes() -> None:
    text = '[apps.web]\ncommand = ["node", "$(HOME)", "$HOME", "$$(x)"]\nenv.A = "$(HOME)"\n'
    web = container(objects(export("kubernetes", text))["Deployment", "web"])
    assert web["command"] == ["node", "$$(HOME)", "$HOME", "$$$(x)"]


def test_a_name_is_a_label_of_dns_and_no_two_are_the_same() -> None:
    tables = ["Web_1", "web-1", "web.1", "1st", "x" * 64, "x" * 63, "a.B-c"]
    names = object_names({table: table for table in tables})
    assert len(set(names.values())) == len(tables)
    assert names["Web_1"] == "web-1"
    assert names["1st"] == "app-1st"
    for name in names.values():
        assert re.fullmatch(r"[a-z](?:[a-z0-9-]{0,50}[a-z0-9])?", name)


def test_an_address_of_this_machine_is_pointed_out() -> None:
    text = (
        '[apps.api]\ncommand = "node api"\nport = 3000\n'
        '[apps.web]\ncommand = "node web"\nport = 3001\n'
        'env = { API = "http://localhost:3000/x", ME = "http://localhost:3001" }\n'
    )
    lost = {loss.what: loss.why for loss in export("kubernetes", text).losses}
    assert "api:3000" in lost["web.env.API"]
    assert "web.env.ME" not in lost


def test_a_secret_in_a_command_is_filled_in_by_kubernetes() -> None:
    text = (
        '[apps.a]\ncommand = ["node", "a", "--token=hush", "--password", "sesame", "--port", "1"]\n'
        '[apps.b]\ncommand = "API_KEY=hush node b | cat"\nshell = true\n'
    )
    exported = export("kubernetes", text)
    assert not any("hush" in each or "sesame" in each for each in exported.files.values())
    found = objects(exported)
    a, b = container(found["Deployment", "a"]), container(found["Deployment", "b"])
    assert a["command"] == ["node", "a", "$(ARGUMENT_2)", "--password", "$(ARGUMENT_4)", "--port", "1"]
    assert b["command"] == ["/bin/sh", "-c", "$(ARGUMENT_2)"]
    secret = objects(export("kubernetes", text, secrets=True))["Secret", "a"]
    assert secret["stringData"] == {"ARGUMENT_2": "--token=hush", "ARGUMENT_4": "sesame"}


def test_instances_that_end_are_one_job() -> None:
    text = '[apps.job]\ncommand = "node job.js {name}"\nrestart = "never"\ninstances = 3\n'
    exported = export("kubernetes", text)
    (job,) = objects(exported).values()
    assert (job["spec"]["completions"], job["spec"]["completionMode"]) == (3, "Indexed")
    path = container(job)["env"][0]["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.labels['batch.kubernetes.io/job-completion-index']"
    assert "job.1.instances" in {loss.what for loss in exported.losses}


def test_what_has_no_port_needs_a_service_only_to_be_numbered() -> None:
    text = '[apps.w]\ncommand = "node {name}"\ninstances = 2\n[apps.v]\ncommand = "node v"\n'
    services = {
        name: each for (kind, name), each in objects(export("kubernetes", text)).items() if kind == "Service"
    }
    assert {name: each["spec"].get("ports") for name, each in services.items()} == {"w": None}


def test_what_kubernetes_cannot_say_is_told() -> None:
    text = (
        '[apps.web]\ncommand = "node web"\ncwd = "../out"\nuser = "www"\nport = 80\n'
        'check_interval = "200ms"\n'
        'check = { timeout = "100ms" }\nenv = { "a b" = "1" }\nautostart = false\nrestart = "never"\n'
    )
    exported = export("kubernetes", text)
    assert {"web.cwd", "web.user", "web.check_interval", "web.env.a b"} <= {
        each.what for each in exported.losses
    }
    job = objects(exported)["Job", "web"]
    assert job["spec"]["suspend"] is True
    assert "workingDir" not in container(job)


def rows() -> dict[str, tuple[str, str]]:
    """Return what the table of the documentation says of each key: how far it goes, and what it becomes."""
    text = (REPOSITORY / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([\w.]+)` \| (yes|in part|no) \| (.+) \|$", text, re.MULTILINE)
    return {key: (verdict, becomes) for key, verdict, becomes in found}


def test_the_table_has_every_key_and_no_other() -> None:
    nested = {f"check.{key}" for key in fields.CHECK}
    assert set(rows()) == {*fields.APP, *nested}


def test_the_table_says_what_the_export_says() -> None:
    keys = {re.sub(r"^\w+(?:\.\d)?\.", "", loss.what) for loss in losses_of_sink()}
    for key, (verdict, _) in rows().items():
        if verdict == "no" and key not in ("inherit_env", "enabled"):
            assert key in keys, f"`{key}` is lost without a word"
        if verdict == "yes":
            assert key not in keys, f"`{key}` is called lost"


def losses_of_sink() -> list[Any]:
    """Return the losses of a file that has every key, with an image."""
    source = Source("/project/portwatch.toml", "portwatch.toml", SINK, "")
    config = parse_config(source)
    chosen = subjects(config, source, list(config.enabled_apps()))
    return EXPORTS["kubernetes"](chosen, Options(image="web:1")).losses


def test_the_file_of_every_key_has_every_key() -> None:
    written = set(re.findall(r"^(\w+) =", SINK, re.MULTILINE)) | {"schedule"}
    assert set(fields.APP) <= written
