"""What each verb does: calls the engine, and waits where its client does.

A verb returns the frame that ends its answer. A client that leaves in the middle ends its answer and
nothing else: what it has asked of the engine goes on.
"""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Awaitable, Callable, Mapping, Sequence

from procman import __version__
from procman.control.attaching import attach
from procman.control.contract import Rejection
from procman.control.protocol import STOPPING, Code, Frame, done, error
from procman.control.selection import UnknownApp, explain
from procman.control.watching import Answers, Call, Watch, frame_of
from procman.core.goal import Goal
from procman.core.plan import plan_data
from procman.engine.events import Reloaded


async def answer(call: Call) -> Frame:
    """Carry out a request, and return the frame that ends its answer."""
    verb = call.request.verb
    if (call.engine.closing or call.ended.done()) and verb in _REFUSED_WHILE_STOPPING:
        return error(Code.FAILED, STOPPING, "the manager is stopping")
    try:
        return await _VERBS[verb](call)
    except UnknownApp as unknown:
        return error(Code.UNKNOWN_APP, "unknown app", *explain(unknown, call.engine.apps))
    except Exception as mistake:
        if isinstance(mistake, Rejection):
            return error(Code.USAGE, "invalid file", mistake.render())
        raise


async def _ping(call: Call) -> Frame:
    return done(pid=os.getpid(), version=__version__, file=call.engine.config.file)


async def _up(call: Call) -> Frame:
    call.engine.reload()  # the file's newest apps; a broken one leaves the last good one in force
    chosen = call.engine.select(call.request.apps)
    return await _reach(call, lambda: call.engine.up(chosen, explicit=bool(call.request.apps)), Goal.UP)


async def _start(call: Call) -> Frame:
    call.engine.reload()
    chosen = call.engine.select(call.request.apps)
    return await _reach(call, lambda: call.engine.start(chosen), Goal.UP)


async def _stop(call: Call) -> Frame:
    chosen = call.engine.select(call.request.apps)

    def stop() -> Sequence[str]:
        call.engine.stop(chosen, force=call.request.force)
        return chosen

    return await _reach(call, stop, Goal.STOPPED)


async def _restart(call: Call) -> Frame:
    reloaded = call.engine.reload()
    if reloaded.error is not None:
        return _not_applied(reloaded)
    chosen = call.engine.select(call.request.apps)

    def restart() -> Sequence[str]:
        call.engine.restart(chosen)
        return chosen

    return await _reach(call, restart, Goal.UP)


async def _wait(call: Call) -> Frame:
    chosen = call.engine.select(call.request.apps)
    return await _reach(call, lambda: chosen, Goal(call.request.goal))


async def _down(call: Call) -> Frame:
    names = tuple(call.engine.apps)
    with Watch(call) as watch:
        call.engine.shutdown(force=call.request.force)
        watch.aim(names, everything=True)
        answers = await watch.until(names, Goal.STOPPED)
        if not watch.survivors and None not in answers.values():
            await call.until_ended()  # an app that has left the file may still be stopping
        return _outcome(answers, watch, ended=call.ended.done())


async def _reload(call: Call) -> Frame:
    reloaded = call.engine.reload()
    if reloaded.error is not None:
        return _not_applied(reloaded)
    call.send(frame_of(reloaded))
    return done()


async def _plan(call: Call) -> Frame:
    plan = call.engine.plan(call.request.file)
    return done(**plan_data(plan))


async def _signal(call: Call) -> Frame:
    name = _signal_name(call.request.signal)
    if name is None:
        unknown = f"there is no signal `{call.request.signal}`"
        return error(Code.USAGE, "bad request", unknown, "`HUP`, `USR1` and `TERM` are some")
    reached = call.engine.signal(call.engine.select(call.request.apps), name)
    code = Code.DONE if all(reached.values()) else Code.FAILED
    return done(code, signal=name, reached={app: list(whom) for app, whom in reached.items()})


async def _runs(call: Call) -> Frame:
    runs = call.engine.runs()
    return done(runs=[{"app": each.app, "marker": each.marker, "pids": list(each.pids)} for each in runs])


async def _environment(call: Call) -> Frame:
    return done(environment=dict(call.engine.environment))


async def _follow(call: Call) -> Frame:
    names = call.engine.select(call.request.apps)
    with Watch(call) as watch:
        watch.aim(names, everything=not call.request.apps)
        await call.until_ended()
    return done()


async def _reach(call: Call, act: Callable[[], Sequence[str]], goal: Goal) -> Frame:
    """Do something to apps, and answer when they are what they are to be."""
    with Watch(call) as watch:
        names = act()
        watch.aim(names)
        if not call.request.wait:
            return done(apps=dict.fromkeys(names))
        answers = await watch.until(names, goal)
        return _outcome(answers, watch, ended=call.ended.done())


def _outcome(answers: Answers, watch: Watch, *, ended: bool) -> Frame:
    if watch.survivors.keys() & answers.keys():
        code = Code.SURVIVED
    elif None in answers.values():
        code = Code.FAILED if ended else Code.TIMED_OUT
    else:
        code = Code.FAILED if False in answers.values() else Code.DONE
    return done(code, apps=answers)


def _not_applied(reloaded: Reloaded) -> Frame:
    return error(Code.USAGE, "invalid file", f"{reloaded.error}\n\nnothing is changed: {_IN_FORCE}")


def _signal_name(text: str) -> str | None:
    """Return the full name of a signal given as `HUP`, `SIGHUP`, `hup` or `1`, or None."""
    try:
        if text.isdecimal():
            return signals.Signals(int(text)).name
        name = text.upper()
        return signals.Signals[name if name.startswith("SIG") else f"SIG{name}"].name
    except (ValueError, KeyError):
        return None


_VERBS: Mapping[str, Callable[[Call], Awaitable[Frame]]] = {
    "ping": _ping,
    "up": _up,
    "down": _down,
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "reload": _reload,
    "plan": _plan,
    "wait": _wait,
    "signal": _signal,
    "runs": _runs,
    "environment": _environment,
    "follow": _follow,
    "attach": attach,
}
_IN_FORCE = "the last good file stays in force"
_REFUSED_WHILE_STOPPING = frozenset({"up", "start", "stop", "restart", "reload", "attach"})
