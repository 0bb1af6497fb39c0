"""The unit of a manager for systemd, version 250 or newer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from procman.config.exports.systemd import percent, quoted
from procman.config.services.service import (
    ABORT_WITHIN,
    FORMAT,
    RESTART_AFTER,
    WATCHDOG,
    Service,
    differing,
)
from procman.core.service import SERVICE_BUSY

# Needs no namespace, so a unit of a user may have it too. Not here, because npm's world breaks with it:
# MemoryDenyWriteExecute (V8 compiles), ProtectHome (projects are there), RestrictNamespaces and a filter of
# system calls (Chromium's sandbox), RestrictSUIDSGID (tar and git set them), PrivateTmp (it is emptied by a
# restart of the manager, under apps that live on).
_ALWAYS = (
    "NoNewPrivileges=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
)
_SYSTEM = (
    "ProtectSystem=full",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
)
_READ_ONLY = re.compile(r"/(usr|boot|efi|etc)(/|$)")  # with ProtectSystem=full
_KEY = re.compile(r"^([A-Za-z]+)=(.*)$", re.MULTILINE)
_SECTION = "X-Procman"  # systemd leaves sections with such a name alone
NO_FILE = 2  # the exit code: the file of the project is gone


def unit(service: Service) -> str:
    """Return the text of the `.service` file."""
    sections = {
        "Unit": _unit(service),
        "Service": _service(service),
        "Install": [f"WantedBy={'multi-user' if service.system else 'default'}.target"],
        _SECTION: [f"Format={FORMAT}", f"File={percent(service.file)}"],
    }
    edit = f"systemctl {'' if service.system else '--user '}edit {service.name}"
    head = f"# By `procman service install`, which writes it anew: your own changes go into `{edit}`.\n\n"
    return head + "\n".join("\n".join([f"[{name}]", *lines]) + "\n" for name, lines in sections.items())


def _unit(service: Service) -> Iterator[str]:
    yield f"Description=procman: the apps of {percent(service.file)}"
    if service.system:
        yield "Wants=network-online.target"
        yield "After=network-online.target"
        yield f"RequiresMountsFor={quoted(service.folder, variables=False)}"
    yield "StartLimitIntervalSec=0"  # apps without their manager are worse than one that is tried for ever


def _service(service: Service) -> Iterator[str]:
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield f"ExecStart={_command(service, 'service', 'run')}"
    yield f"ExecReload={_command(service, 'reload')}"
    yield f"WorkingDirectory={percent(service.folder)}"
    if service.user is not None:
        yield f"User={percent(service.user)}"
    for name, value in service.environment.items():
        yield f"Environment={quoted(f'{name}={value}', variables=False)}"
    yield "Restart=on-failure"
    yield f"RestartSec={RESTART_AFTER:g}s"
    yield f"RestartPreventExitStatus={NO_FILE} {SERVICE_BUSY}"
    yield f"WatchdogSec={WATCHDOG:g}s"
    yield f"TimeoutAbortSec={ABORT_WITHIN:g}s"
    yield f"TimeoutStopSec={service.stop_within:g}s"
    yield "KillMode=process"  # the manager ends the apps; and after its own death they live on
    yield "Delegate=yes"
    yield "OOMPolicy=continue"  # an app that takes too much memory is restarted, alone
    yield from _ALWAYS
    if service.system:
        yield from _SYSTEM
        if service.user != "root":  # and a drop-in with AmbientCapabilities= lets an app have port 80
            yield "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"
        if _READ_ONLY.match(service.folder):
            yield f"ReadWritePaths={quoted(service.folder, variables=False)}"


def _command(service: Service, *words: str) -> str:
    return " ".join(map(quoted, service.command(*words)))


def file_of(text: str) -> str | None:
    """Return the project's file that a unit of ours was written for, or None if it is not of ours."""
    ours = text.partition(f"[{_SECTION}]")[2]
    found = dict(_KEY.findall(ours)).get("File")
    return None if found is None else found.replace("%%", "%")


def programs(text: str) -> list[str]:
    """Return the program that a unit runs, if its path needs no quotes."""
    words = [value.split()[0] for key, value in _KEY.findall(text) if key == "ExecStart" and value]
    return [word.replace("%%", "%") for word in words if not word.startswith('"')]


def user_of(text: str) -> str | None:
    """Return as whom a unit runs, if it says so."""
    found = dict(_KEY.findall(text)).get("User")
    return None if found is None else found.replace("%%", "%")


def differences(wanted: str, found: str) -> list[str]:
    """Return what differs between two units, by key, in the order of the wanted one."""
    return differing(_values(wanted), _values(found))


def _values(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in _KEY.findall(text):
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
