"""One look at the listeners of a machine, for all that ask within an instant."""

from __future__ import annotations

from procman.core.verdict import Listener
from procman.engine.listening import SHARED, Listening, Seen
from tests.fakes.host import FakeHost
from tests.fakes.programs import Listen, Program

WEB = Listener("127.0.0.1", 3000, 11, 0)
WEB6 = Listener("::1", 3000, 12, 1)
API = Listener("127.0.0.1", 4000, 13, 0)


def test_a_look_is_asked_by_port_and_by_inode() -> None:
    seen = Seen(0.0, (WEB, WEB6, API))
    assert seen.on(3000) == [WEB, WEB6]
    assert seen.on(5000) == []
    assert seen.among({13, 11, 99}) == [WEB, API]
    assert seen.concerning(3000, {11, 13}) == [WEB, WEB6, API]
    assert seen.concerning(3000, None) == [WEB, WEB6], "whose the others are can't be told"


def test_a_look_serves_others_for_an_instant() -> None:
    host = FakeHost()
    listening = Listening(host)
    first = listening.look()
    host.machine.start(Program(listens=(Listen(3000),)), "node server.js")
    host.advance(SHARED / 2)
    assert listening.recent() is first
    host.advance(SHARED)
    again = listening.recent()
    assert again is not first
    assert again is not None
    assert [each.port for each in again.on(3000)] == [3000]


def test_a_look_is_forgotten_when_something_has_changed() -> None:
    host = FakeHost()
    listening = Listening(host)
    first = listening.look()
    listening.forget()
    assert listening.recent() is not first


def test_a_port_is_taken_only_if_it_still_is() -> None:
    host = FakeHost()
    holder = host.machine.start(Program(listens=(Listen(3000),)), "node server.js")
    host.advance(SHARED)
    listening = Listening(host)
    found = listening.in_the_way(3000)
    assert found is not None
    assert found.port == 3000
    for socket in [each for each in host.machine.sockets if each.owner is holder]:
        host.machine.close(socket)
    assert listening.in_the_way(3000) is None, "the look before is of no use for that"


def test_what_cannot_be_read_is_no_empty_list() -> None:
    host = FakeHost()
    host.machine.readable = False
    assert Listening(host).recent() is None
