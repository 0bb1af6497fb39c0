"""What `procman doctor` checks of a service: that it is what `procman service install` would make now."""

from __future__ import annotations

import os
from collections.abc import Iterator

from procman.engine.findings import Finding, ok, warn
from procman.engine.service import Installation, Wish
from procman.host.service_manager import NotDone

RENEW = "`procman service install`"


def check_service(service: Installation, wish: Wish, manager: int | None) -> Iterator[Finding]:
    """Yield what is found about the service of a project; nothing where none is installed, and none was left.

    Args:
        service: of this user, or of the machine.
        wish: what it would be made of now.
        manager: pid of the project's manager, whoever started it.
    """
    for path, file in service.left():
        gone = f"`{path}` starts the apps of `{file}`, which is gone"
        name = service.manager.name_of(path.name)
        yield warn(
            "service", gone, f"{RENEW} where it is now, and `{service.manager.spell('disable', name)}`"
        )
    if not service.is_there:
        return
    doubts = [*_unfit(service, wish), *_state(service, manager)]
    yield from doubts
    if not doubts:
        yield ok("service", f"`{service.path}` is as it should be, and starts with the machine")


def _unfit(service: Installation, wish: Wish) -> Iterator[Finding]:
    try:
        unfit = service.unfit(wish)
    except NotDone as error:
        yield warn("service", f"`{service.path}` can't be judged: {error.message}", error.hint)
        return
    if unfit:
        yield warn(
            "service", f"`{service.path}` does not fit any more: {'; '.join(unfit)}", f"{RENEW} renews it"
        )
    for program in service.programs():
        if not os.access(program, os.X_OK):
            yield warn(
                "service", f"`{service.path}` runs `{program}`, which is not there", f"{RENEW} renews it"
            )


def _state(service: Installation, manager: int | None) -> Iterator[Finding]:
    state = service.manager.state(service.name)
    if not state.is_known:
        why = f": {state.error}" if state.error else ""
        yield warn("service", f"{service.manager.kind} does not know `{service.name}`{why}", RENEW)
        return
    if not state.is_enabled:
        yield warn("service", f"`{service.name}` is not enabled: it does not start with the machine", RENEW)
    if service.manager.lingers() is False:
        text = f"`{service.name}` ends when you have logged out: lingering is not enabled"
        yield warn("service", text, "`procman service install --linger`")
    if manager is not None and state.pid != manager:
        start = service.manager.spell("start", service.name)
        text = f"manager {manager} was not started by `{service.name}`, which is {state.word}"
        yield warn("service", text, f"`procman down && {start}`")
    elif manager is None and state.error:
        yield warn(
            "service",
            f"`{service.name}` has ended: {state.error}",
            service.manager.spell("status", service.name),
        )
