"""The formats that apps can be exported to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from procman.config.exports.compose import export_compose
from procman.config.exports.dockerfile import export_dockerfile
from procman.config.exports.kubernetes import export_kubernetes
from procman.config.exports.launchd import export_launchd
from procman.config.exports.procfile import export_procfile
from procman.config.exports.subject import Exported, Options, Subject
from procman.config.exports.systemd import export_systemd

EXPORTS: Mapping[str, Callable[[Sequence[Subject], Options], Exported]] = {
    "procfile": export_procfile,
    "systemd": export_systemd,
    "launchd": export_launchd,
    "compose": export_compose,
    "dockerfile": export_dockerfile,
    "kubernetes": export_kubernetes,
}
