"""An app's check as probes of Kubernetes, which say the same as procman does of the same app.

procman goes on at `check_interval` while all is well, and at `retry_interval` once a check has failed; a
kubelet has one rhythm, and counts failures in it. What can be the same is when an outage counts:

- one that procman forgives, of up to `failures` x `retry_interval`, must not kill a container;
- one that lasts must have done so when procman would restart the app, `check_interval` later.

So period and count are chosen between these two. A start that procman waits for is never cut short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from procman.config.exports.subject import Subject
from procman.core.config import AppConfig, Check, CheckKind, Restart
from procman.core.secrets import HIDDEN, hide

Manifest = dict[str, object]

MOST = 2**31 - 1  # a count is an int32
LOOPBACKS = ("localhost", "127.0.0.1", "::1")
_ACCEPTED = set(range(200, 400))  # what a kubelet takes for an answer of a healthy app


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a kubelet asks, in whole seconds, and how many failures in a row it takes."""

    period: int
    failures: int

    @property
    def manifest(self) -> Manifest:
        """The two keys of a probe."""
        return {"periodSeconds": self.period, "failureThreshold": self.failures}


def start_rhythm(app: AppConfig) -> Rhythm:
    """Return the rhythm of the start: the last failure that it takes comes after `start_timeout`, and soon.

    The first probe comes at once, so the last of n comes after n - 1 periods. A kubelet makes one probe after
    the other: where each of them hangs, the period is as long as `timeout`, so no shorter one is asked for.
    """
    period = max(1, round(app.check.retry_interval), math.ceil(app.check.timeout))
    return Rhythm(period, min(MOST, math.ceil(app.start_timeout / period) + 1))


def steady_rhythm(app: AppConfig) -> tuple[Rhythm, bool]:
    """Return the rhythm of a healthy app, and whether it says the same as procman.

    It does not where procman is quicker than a kubelet, which knows whole seconds only: then what procman
    forgives is still forgiven, and an outage is noticed later.
    """
    check = app.check
    forgiven = 0.0 if check.failures == 1 else check.failures * check.retry_interval
    latest = app.check_interval + forgiven
    for period in range(min(MOST, math.floor(latest / check.failures)), 0, -1):  # the rarest that will do
        failures = max(check.failures, math.ceil(forgiven / period) + 1 if forgiven else 1)
        if failures * period <= latest:
            return Rhythm(period, failures), True
    return Rhythm(1, min(MOST, max(check.failures, math.ceil(forgiven) + 1))), False


def probes(subject: Subject, *, secrets: bool) -> Manifest:
    """Return the probes of an app: for its start, for readiness and for life, all of them its check.

    Traffic is kept away when procman would call the app down, and no sooner: before that procman keeps none
    away either. An app that is never restarted is not killed for its checks.

    Args:
        subject: the app.
        secrets: whether a header that looks secret may be written.
    """
    app, check = subject.app, subject.app.check
    handler = _handler(subject, check, secrets=secrets)
    if handler is None:
        return {}
    handler = {**handler, "timeoutSeconds": max(1, math.ceil(check.timeout))}
    steady, is_same = steady_rhythm(app)
    if not is_same:
        key = "check_interval" if "check_interval" in subject.places else "check"
        longest = steady.period * steady.failures
        subject.lose(key, f"Kubernetes counts whole seconds: an outage is noticed within {longest}s")
    ready = {**handler, **steady.manifest, "successThreshold": check.successes}
    if app.restart is Restart.NEVER or app.schedule is not None:
        return {"readinessProbe": ready}
    if check.successes > 1:
        subject.lose("check.successes", "it holds for readiness alone")
    return {
        "startupProbe": {**handler, **start_rhythm(app).manifest},
        "readinessProbe": ready,
        "livenessProbe": {**handler, **steady.manifest},
    }


def _handler(subject: Subject, check: Check, *, secrets: bool) -> Manifest | None:
    """Return what a probe does, or None where there is nothing that a kubelet could do."""
    match check.kind:
        case CheckKind.TCP:
            return {"tcpSocket": {"port": subject.app.port}}
        case CheckKind.HTTP:
            return _request(subject, check, secrets=secrets)
        case CheckKind.EXEC if check.command is not None:  # without `$(…)`: nothing is filled in here
            words = check.command.words
            return {"exec": {"command": ["/bin/sh", "-c", *words] if check.command.shell else list(words)}}
        case CheckKind.LOG:
            subject.lose("check.log", "Kubernetes reads no output: the app counts as healthy while it lives")
    return None


def _request(subject: Subject, check: Check, *, secrets: bool) -> Manifest:
    """Return a request by HTTP, or a connection where a request would mean something else."""
    passing = {code for low, high in check.status for code in range(low, high + 1)}
    connection: Manifest = {"tcpSocket": {"port": subject.app.port}}
    if not passing <= _ACCEPTED:
        subject.lose("check.status", "Kubernetes takes 200 to 399 alone, so it asks for a connection only")
        return connection
    if passing != _ACCEPTED:
        subject.lose("check.status", "Kubernetes takes any status from 200 to 399")
    hidden = [name for name, value in check.headers if hide(name, value) == HIDDEN]
    if hidden and not secrets:
        why = f"`{hidden[0]}` looks secret, so a connection is asked for only; `--secrets` writes it"
        subject.lose("check.headers", why)
        return connection
    headers = dict(check.headers)
    if not any(name.lower() == "host" for name in headers):
        host = "localhost" if subject.app.host in LOOPBACKS else subject.app.host  # as procman asks
        headers = {"Host": f"{host}:{subject.app.port}", **headers}
    fields = [{"name": name, "value": value} for name, value in headers.items()]
    return {"httpGet": {"path": check.path, "port": subject.app.port, "httpHeaders": fields}}
