"""compose.yaml: the services that can run without a container, and why the others cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping

from procman.config.formats import checks
from procman.config.formats.compose_native import put_command, put_folder, why_not_here
from procman.config.formats.draft import Draft, Imported, Rule, follow, nothing, settle_dependencies, to
from procman.config.formats.nodes import Node
from procman.config.formats.variables import fill, for_env, without_dollars
from procman.core.values import Bad

_CONTAINER = "it is about the container, and procman runs none"
_UNKNOWN = "procman has nothing like it"
_CONDITIONS = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}


def parse_compose(document: Node) -> Imported:
    """Return the services of a compose file that run on this machine.

    Raises:
        InvalidConfig: there are no services in it.
    """
    imported = Imported()
    services = document.child("services")
    if services is None or not services.table:
        raise (services or document).wrong("there are no `services` in it")
    for name, service in services.table.items():
        _service(name, service, imported)
    for key, node in document.table.items():
        if key != "services":
            imported.lose(node, _TOP.get(key, "procman reads no extensions" if key[:2] == "x-" else _UNKNOWN))
    settle_dependencies(imported)
    _tell_hosts(imported, services)
    return imported


def _tell_hosts(imported: Imported, services: Node) -> None:
    """Note each variable with a service as a host: that name means nothing outside of containers."""
    names = "|".join(map(re.escape, sorted(services.table, key=len, reverse=True)))
    host = re.compile(rf"(?:@|//|^)({names})(?=[:/]|$)")
    for app in imported.apps:
        for name, value in app.values.get("env", {}).items():
            if found := host.search(value):
                place = Node(None, app.origins["env"].line, f"{app.node.path}: {name}", app.node.file)
                app.lose(place, f"its host `{found[1]}` is one among containers; here it is `localhost`")


_TOP = {
    "version": "it is obsolete, and compose reads it no more either",
    "name": "a project is called by its folder",
    "networks": _CONTAINER,
    "volumes": _CONTAINER,
    "secrets": "a secret belongs in an `env_file` that is in no repository",
    "configs": _CONTAINER,
    "include": "each file is imported by itself",
}


def _service(name: str, service: Node, imported: Imported) -> None:
    if not service.table:
        imported.lose(service, "expected a table of the service")
        return
    reason = why_not_here(service)
    if reason:
        imported.lose(service, f"not carried over: {reason}")
        return
    draft = imported.draft(name, service)
    put_command(draft, service)
    put_folder(draft, service)
    follow(_RULES, draft, service, _UNKNOWN)
    if "restart" not in draft.values and service.child("deploy") is None:
        draft.put("restart", "never", service)  # compose restarts nothing that does not say so
    if "command" in draft.values:
        imported.apps.append(draft)
    else:
        imported.lose(service, "not carried over: it has no command that procman could run")


def _volumes(draft: Draft, node: Node) -> None:
    taken = draft.origins.get("cwd")
    for each in node.items:
        if each is not taken:
            draft.lose(each, "an app of procman sees the files of this machine as they are")


def _ports(draft: Draft, node: Node) -> None:
    for each in node.items:
        target, published = _port_of(each)
        if target is None:
            draft.lose(each, "expected one port; procman knows the one that the app listens on")
        elif "port" in draft.values:
            draft.lose(each, f"an app has one port, and {draft.values['port']} is it")
        elif draft.put("port", target, each) and published not in (None, target):
            draft.lose(each, f"the app listens on {target}; nothing publishes it as {published}")


def _port_of(node: Node) -> tuple[int | None, int | None]:
    """Return the port that the app listens on, and the one that the machine shows."""
    if node.table:
        texts = [each.text if (each := node.child(key)) else "" for key in ("target", "published")]
    else:
        written = (fill(node.text) or "").partition("/")[0]
        parts = re.sub(r"\[[^\]]*\]:", "", written).split(":")
        texts = [parts[-1], parts[-2] if len(parts) > 1 else ""]
    target, published = (int(text) if text.isdecimal() else None for text in texts)
    return target, published


def _expose(draft: Draft, node: Node) -> None:
    for each in node.items:
        if "port" in draft.values or not each.text.isdecimal() or not draft.put("port", int(each.text), each):
            draft.lose(each, "an app has one port, and this one is not it")


def _environment(draft: Draft, node: Node) -> None:
    if isinstance(node.value, list):
        for each in node.items:
            name, sign, value = each.text.partition("=")
            if sign and name:
                draft.put_variable(name, for_env(draft, value, each), each)
        return
    for name, each in node.table.items():  # one without a value comes from the environment, as with procman
        if each.is_scalar and each.value is not None:
            draft.put_variable(name, for_env(draft, each.text, each), each)
        elif not each.is_scalar:
            draft.lose(each, "a variable is one text")


def _env_file(draft: Draft, node: Node) -> None:
    paths = []
    for each in node.items:
        path = each.child("path") if each.table else each
        if path is not None and (text := fill(path.text)):
            paths.append(text)
        else:
            draft.lose(each, "it is no path")
        required = each.child("required")
        if required is not None and required.value is False:
            draft.lose(required, "procman needs an `env_file` that is declared")
    if paths:
        draft.put("env_file", paths, node)


def _healthcheck(draft: Draft, node: Node) -> None:
    test = node.child("test")
    if (disabled := node.child("disable")) is not None and disabled.value is True:
        return
    if test is not None:
        words = [each.text.replace("$$", "$") for each in test.items]
        if not isinstance(test.value, list):
            checks.put_test(draft, words[0], test)
        elif words[:1] == ["CMD-SHELL"] and len(words) == 2:
            checks.put_test(draft, words[1], test)
        elif words[:1] == ["CMD"] and len(words) > 1:
            checks.put_words(draft, words[1:], test)
        elif words[:1] != ["NONE"]:
            draft.lose(test, "expected `CMD`, `CMD-SHELL` or `NONE` and a command")
    follow(_HEALTH, draft, node, _UNKNOWN)


def _duration(value: object) -> object:
    """Return a duration of compose, which is one of ours but for `us` and `ns`."""
    if isinstance(value, str) and re.search(r"[un]s$", value):
        raise Bad("it is too short for procman")
    return value


def _restart(draft: Draft, node: Node) -> None:
    word, _, most = ("no" if node.value is False else node.text).partition(":")
    known = {"no": "never", "always": "always", "unless-stopped": "always", "on-failure": "on-failure"}
    known |= {"none": "never", "any": "always"}  # of `deploy.restart_policy.condition`
    if word not in known:
        draft.lose(node, "expected `no`, `always`, `on-failure` or `unless-stopped`")
        return
    draft.put("restart", known[word], node)
    if most.isdecimal():
        draft.put("give_up.starts", int(most) + 1, node)


def _depends(draft: Draft, node: Node) -> None:
    waits: dict[str, str] = {}
    for each in node.items if not node.table else []:
        waits[each.text] = "started"
    for name, each in node.table.items():
        condition = each.child("condition")
        waits[name] = _CONDITIONS.get(
            condition.text if condition is not None else "service_started", "started"
        )
        for key, inner in each.table.items():
            if key != "condition" and inner.value != (key == "required"):
                draft.lose(inner, _UNKNOWN)
    draft.put("depends_on", waits, node)


def _memory(value: object) -> object:
    text = str(value)
    match = re.fullmatch(r"([\d.]+)\s*([kmg]?)b?", text.lower())
    if not match:
        raise Bad(f"expected a size such as `512m`, got `{text}`")
    return f"{match[1]}{match[2].upper()}iB" if match[2] else int(float(match[1]))


def _deploy(draft: Draft, node: Node) -> None:
    follow(_DEPLOY, draft, node, "procman has no swarm")


def _restart_policy(draft: Draft, node: Node) -> None:
    follow(_POLICY, draft, node, _UNKNOWN)


def _resources(draft: Draft, node: Node) -> None:
    follow({"limits": _limits}, draft, node, _UNKNOWN)


def _limits(draft: Draft, node: Node) -> None:
    follow({"memory": to("max_memory", _memory)}, draft, node, _UNKNOWN)


def _profiles(draft: Draft, node: Node) -> None:
    if draft.put("tags", [each.text for each in node.items], node):
        draft.put("autostart", False, node)


def _instances(draft: Draft, node: Node) -> None:
    if node.value != 1:
        draft.put("instances", node.value, node)


def _ulimits(draft: Draft, node: Node) -> None:
    for name, each in node.table.items():
        limit = each.child("soft") if each.table else each
        if limit is not None:
            draft.put(f"limits.{name}", "unlimited" if limit.value == -1 else limit.value, limit)
        if (hard := each.child("hard")) is not None and (limit is None or hard.value != limit.value):
            draft.lose(hard, "procman sets one limit, the soft one")


def _attempts(draft: Draft, node: Node) -> None:
    draft.put("give_up.starts", node.value + 1 if isinstance(node.value, int) else node.value, node)


def _stop_signal(draft: Draft, node: Node) -> None:
    draft.put("stop_signal", without_dollars(node.text), node)


_HEALTH: Mapping[str, Rule | str] = {
    "test": lambda draft, node: None,
    "interval": to("check_interval", _duration),
    "timeout": to("check.timeout", _duration),
    "retries": to("check.failures"),
    "start_period": to("start_timeout", _duration),
    "start_interval": "procman checks quickly by itself while an app starts",
    "disable": nothing(False, True),
}
_POLICY: Mapping[str, Rule | str] = {
    "condition": _restart,
    "delay": to("backoff.initial", _duration),
    "max_attempts": _attempts,
    "window": to("give_up.within", _duration),
}
_DEPLOY: Mapping[str, Rule | str] = {
    "replicas": _instances,
    "restart_policy": _restart_policy,
    "resources": _resources,
}
_RULES: Mapping[str, Rule | str] = {
    **dict.fromkeys(("command", "entrypoint"), lambda draft, node: None),
    "working_dir": lambda draft, node: None,  # with what is mounted there
    "image": "the app runs with what is installed on this machine",
    "build": "the app runs with what is installed on this machine",
    "ports": _ports,
    "expose": _expose,
    "environment": _environment,
    "env_file": _env_file,
    "healthcheck": _healthcheck,
    "restart": _restart,
    "deploy": _deploy,
    "depends_on": _depends,
    "stop_signal": _stop_signal,
    "stop_grace_period": to("stop_timeout", _duration),
    "profiles": _profiles,
    "scale": _instances,
    "mem_limit": to("max_memory", _memory),
    "user": to("user"),
    "tty": to("tty"),
    "ulimits": _ulimits,
    "volumes": _volumes,
    "init": nothing(True, False),
    "extends": "only what stands here itself is carried over",
    "links": "a service is reached at `localhost` and its port",
    "logging": "procman keeps what an app prints by itself: `logs`",
    "stdin_open": nothing(False),
    "develop": "write `watch` for what is to restart the app",
    "container_name": "an app goes by the name of its service",
    "secrets": "a secret belongs in an `env_file` that is in no repository",
    "labels": "procman has `tags` to choose apps by",
    **dict.fromkeys(
        ("networks", "hostname", "network_mode", "extra_hosts", "dns", "cap_add", "cap_drop", "privileged",
         "security_opt", "platform", "devices", "tmpfs", "shm_size", "pull_policy", "read_only", "ipc", "pid",
         "cpus", "configs", "sysctls", "runtime", "gpus"),
        _CONTAINER,
    ),
}  # fmt: skip
