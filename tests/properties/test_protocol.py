"""Whatever is sent to the control socket: it is answered or refused, and the manager lives.

A fuzzer of its own: it mutates requests, sends them in pieces to a real server over its Unix socket, and
leaves in the middle now and then. After each attack a `ping` has to be answered, and nothing may be left: no
task, no subscription, no descriptor. `PROCMAN_FUZZ=100000` makes it so many; `CORPUS` is what was found.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import random
from pathlib import Path

import pytest

from procman.control import protocol, server
from procman.control.protocol import BadRequest, Keys, Request, Resize, parse, parse_input, spell
from procman.control.watching import Watch
from tests.fakes.engine import FakeEngine
from tests.fakes.serving import serving, until

ATTACKS = int(os.environ.get("PROCMAN_FUZZ", "2000"))
PARALLEL = 16
DEEP = 50_000

CORPUS: tuple[bytes, ...] = (
    b"",
    b"\n",
    b"\0" * 1000 + b"\n",
    b"null\n",
    b"[]\n",
    b'"status"\n',
    b"NaN\n",
    b"{" * DEEP + b"\n",
    b"[" * DEEP + b"\n",
    b'{"v":' * 9000 + b"\n",
    b'{"v": 1, "verb": ' + b"[" * DEEP + b"]" * 10 + b"}\n",
    b'{"v": 1, "verb": ' + b"9" * DEEP + b"}\n",
    b'{"v": ' + b"9" * DEEP + b', "verb": "ping"}\n',
    b'{"v": 1e999, "verb": "ping"}\n',
    b'{"v": true, "verb": "ping"}\n',
    b'{"v": 2, "verb": ["ping"]}\n',
    b'{"v": 1, "verb": {"ping": 1}}\n',
    b'{"v": 1, "verb": "wait", "timeout": NaN}\n',
    b'{"v": 1, "verb": "wait", "timeout": -Infinity}\n',
    b'{"v": 1, "verb": "wait", "timeout": 1e400}\n',
    b'{"v": 1, "verb": "wait", "goal": []}\n',
    b'{"v": 1, "verb": "wait", "apps": null}\n',
    b'{"v": 1, "verb": "wait", "apps": [["web"]]}\n',
    b'{"v": 1, "verb": "wait", "apps": ["\\ud800"]}\n',
    b'{"v": 1, "verb": "wait", "apps": ["@"]}\n',
    b'{"v": 1, "verb": "wait", "apps": ["' + b"[" * 60_000 + b'"]}\n',
    b'{"v": 1, "verb": "wait", "apps": ["' + b"*a" * 30_000 + b'"]}\n',
    b'{"v": 1, "verb": "signal", "signal": "\xd9\xa3"}\n',
    b'{"v": 1, "verb": "signal", "signal": "' + b"9" * DEEP + b'"}\n',
    b'{"v": 1, "verb": "plan", "file": "/dev/zero"}\n',
    b'{"v": 1, "verb": "plan", "file": "/\\u0000"}\n',
    b'{"v": 1, "verb": "attach", "apps": ["web"], "columns": -1}\n',
    b'{"v": 1, "verb": "attach", "apps": ["web"]}\n{"type": "keys", "data": "!"}\n',
    b'{"v": 1, "verb": "attach", "apps": ["web"]}\n' + b"x" * 200_000,
    b'{"v": 1, "verb": "status", "v": 1, "verb": "ping", "verb": "status"}\n',
    b'{"v": 1, "verb": "ping", "__class__": 1, "verb ": 2}\n',
    b'\xff\xfe{\0"\0v\0\n',
    b"\xef\xbb\xbf{}\n",
    b"x" * 1_000_000,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, -0.0, float("nan"), float("inf"), "", "web", "*",
    "[", "@", "\ud800", "\x1b]0;x\x07", "\0", "/", "a" * 5000, [], {}, ["web"], ["*"] * 200, [[]], {"a": {}},
)  # fmt: skip
OPTIONS = (
    "v",
    "verb",
    "apps",
    "wait",
    "timeout",
    "force",
    "goal",
    "signal",
    "wide",
    "columns",
    "rows",
    "file",
    "new",
)


def request(chance: random.Random) -> bytes:
    """Return a request that is right, or nearly."""
    document: dict[str, object] = {"v": 1, "verb": chance.choice([v for v in protocol.VERBS if v != "down"])}
    for _ in range(chance.randrange(4)):
        document[chance.choice(OPTIONS)] = chance.choice(VALUES)
    document.setdefault("timeout", 0.01)
    return json.dumps(document).encode() + b"\n"


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with something done to them."""
    at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    match chance.randrange(7):
        case 0:
            return data
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[end:]
        case 3:
            return data[:at] + bytes(chance.randrange(256) for _ in range(8)) + data[at:]
        case 4:
            return data[:at] + data[at:end] * 50 + data[end:]
        case 5:
            return data + request(chance)
        case _:
            return data.rstrip(b"\n")


@pytest.mark.parametrize("line", CORPUS, ids=range(len(CORPUS)))
def test_no_line_is_more_than_a_bad_request(line: bytes) -> None:
    for read in (parse, parse_input):
        said = ""
        try:
            assert isinstance(read(line[: protocol.LONGEST_REQUEST]), Request | Keys | Resize)
        except BadRequest as mistake:
            said = str(mistake)
        assert len(said) < 300, "what is wrong is quoted, but not all of it"


def test_what_is_spelled_is_parsed_as_the_same() -> None:
    chance = random.Random(1)
    accepted = 0
    for _ in range(2000):
        try:
            found = parse(request(chance))
        except BadRequest:
            continue
        accepted += 1
        assert parse(spell(found)) == found
    assert accepted > 200, "most of them would be no test"


class Arena:
    """A server, and those who attack it."""

    def __init__(self, home: Path, seed: int) -> None:
        self._path = home / "control.sock"
        self._chance = random.Random(seed)

    async def attack(self, data: bytes) -> None:
        """Send bytes in pieces, read or do not read the answer, and leave."""
        chance = self._chance
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(4)))
            for begin, end in itertools.pairwise((0, *cuts, len(data))):
                writer.write(data[begin:end])
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            pass  # it does not want to hear more
        finally:
            writer.transport.abort()

    async def demand_alive(self) -> None:
        """Demand that somebody who behaves is answered."""
        reader, writer = await asyncio.open_unix_connection(self._path)
        writer.write(spell(Request("ping")))
        answer = json.loads(await asyncio.wait_for(reader.readline(), 20))
        assert answer["pid"] == os.getpid()
        writer.close()


def fuzz(home: Path, attacks: int, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Attack a server, and demand that nothing comes of it."""

    async def run() -> None:
        engine = FakeEngine()
        loop = asyncio.get_running_loop()
        escaped: list[object] = []
        loop.set_exception_handler(lambda _, context: escaped.append(context))
        chance = random.Random(seed)
        async with serving(home, engine, read_timeout=0.05):
            arena = Arena(home, seed)
            tasks = len(asyncio.all_tasks())
            for _ in range(attacks // PARALLEL):
                data = [
                    chance.choice(CORPUS) if chance.random() < 0.2 else mutated(request(chance), chance)
                    for _ in range(PARALLEL)
                ]
                await asyncio.gather(*map(arena.attack, data))
                await arena.demand_alive()
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            assert not engine.listeners, "a subscription is left"
        assert not escaped, escaped[0]

    with caplog.at_level(logging.ERROR, "procman.control"):
        asyncio.run(asyncio.wait_for(run(), 20 + attacks / 10))
    bugs = [record for record in caplog.records if record.exc_info]
    assert not bugs, bugs[0].exc_text


def test_whatever_is_sent_the_manager_lives(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fuzz(tmp_path, ATTACKS, random.randrange(1 << 30) if "PROCMAN_FUZZ" in os.environ else 7, caplog)


def endless(self: Watch, *_: object) -> None:
    """Leave the subscription."""


def trusting(line: bytes) -> Request:
    """Believe every line."""
    return Request(json.loads(line)["verb"])


def keyed(key: str, value: object) -> None:
    """Take every option."""


def broken(self: Watch, *_: object, **__: object) -> None:
    """Fail where nobody expects it."""
    raise ZeroDivisionError


PLANTED: dict[str, tuple[object, str, object]] = {
    "a subscription is left": (Watch, "__exit__", endless),
    "lines are believed": (server, "parse", trusting),
    "options are not looked at": (protocol, "_demand", keyed),
    "an error in the middle": (Watch, "aim", broken),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_bug_that_is_planted_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    monkeypatch.setattr(*PLANTED[bug])
    with pytest.raises((AssertionError, TimeoutError, json.JSONDecodeError)):
        fuzz(tmp_path, 160, 7, caplog)
