"""A manager's process around the fake engine, for tests of commands: real socket, real end, no apps.

It is started as the real one is. `FAKE_ENGINE` holds JSON that says how its apps behave.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from procman.control.beginning import await_word
from procman.control.server import Server
from procman.core.fields import Change
from procman.core.plan import AppChange, FieldChange, Plan, Verb
from procman.host.claim import claim
from tests.fakes.engine import FakeEngine

PLAN = Plan(
    (
        AppChange("db", Verb.ADD),
        AppChange(
            "web",
            Verb.RESTART,
            (
                FieldChange("command", '"npm run dev"', '"npm start"', Change.RESTART),
                FieldChange("check.timeout", '"2s"', '"3s"', Change.LIVE),
            ),
        ),
        AppChange("worker", Verb.REMOVE),
    )
)


def script(engine: FakeEngine, behaviour: dict[str, Any]) -> None:
    """Tell an engine how its apps behave; the keys are the names of its fields."""
    engine.never_up = set(behaviour.get("never_up", ()))
    engine.broken = behaviour.get("broken", {})
    engine.survivors = {app: tuple(left) for app, left in behaviour.get("survivors", {}).items()}
    engine.rejection = behaviour.get("rejection")
    engine.waiting = behaviour.get("waiting")
    engine.stuck = set(behaviour.get("stuck", ()))
    if behaviour.get("plan"):
        engine.next_plan = PLAN
    for name in behaviour.get("running", ()):
        engine.run(name)
    for name, reason in behaviour.get("failed", {}).items():
        engine.fail(name, reason)


async def manage(file: str, home: Path, ready: int) -> None:
    """Serve a fake engine until a shutdown has stopped its apps."""
    empty = asyncio.Event()
    engine = FakeEngine(file=file)
    engine.on_empty = empty.set
    script(engine, json.loads(os.environ.get("FAKE_ENGINE", "{}")))
    server = Server(engine, str(home), clock=lambda: engine.now)
    await server.start()
    os.write(ready, b'{"ready": true}\n')
    os.close(ready)
    await empty.wait()
    await server.close()


def main(arguments: list[str]) -> int:
    """Run a manager, as `procman.manager` does."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    home, ready = Path(options["--home"]), int(options["--ready"])
    if not await_word():
        return 0
    claimed = claim(str(home))
    if claimed is None:
        os.write(ready, b'{"busy": true}\n')
        return 0
    if "FAKE_ERROR" in os.environ:
        os.write(ready, json.dumps({"error": os.environ["FAKE_ERROR"], "exit": 2}).encode() + b"\n")
        return 2
    if "FAKE_CRASH" in os.environ:
        print("boom: it can't be", file=sys.stderr)
        return 3
    asyncio.run(manage(options["--file"], home, ready))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
