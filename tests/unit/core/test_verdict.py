"""Whose port it is, by the cases that were seen on real machines."""

from __future__ import annotations

import pytest

from procman.core.verdict import Judgement, Listener, Verdict, in_the_way, judge

LOCALHOST = ("127.0.0.1", "::1")
PORT = 5173
MINE, SSHD, OTHER = 1, 8, 9  # inodes


def at(address: str, inode: int = MINE, port: int = PORT) -> Listener:
    return Listener(address, port, inode, 0)


def judged(*listeners: Listener, addresses: tuple[str, ...] = LOCALHOST) -> Judgement:
    return judge(listeners, {MINE}, PORT, addresses)


@pytest.mark.parametrize(
    ("address", "answers"),
    [
        ("127.0.0.1", ("127.0.0.1",)),  # Vite on Ubuntu
        ("::1", ("::1",)),  # Vite on Debian
        ("0.0.0.0", ("127.0.0.1",)),  # Create React App
        ("::", LOCALHOST),  # Express
    ],
)
def test_an_app_that_answers_on_either_loopback_is_its_own(address: str, answers: tuple[str, ...]) -> None:
    listener = at(address)
    assert judged(listener) == Judgement(Verdict.OWN, (listener,), own_addresses=answers)


def test_two_sockets_of_one_app_are_both_named() -> None:
    both = (at("127.0.0.1"), at("::1"))
    assert judged(*both) == Judgement(Verdict.OWN, both, own_addresses=LOCALHOST)


def test_nobody_on_the_port_is_closed() -> None:
    assert judged() == Judgement(Verdict.CLOSED)
    assert judged(at("::", OTHER, port=80)) == Judgement(Verdict.CLOSED)


def test_somebody_elses_port_is_a_strangers() -> None:
    stranger = at("::", OTHER)
    assert judged(stranger) == Judgement(Verdict.STRANGER, (), stranger)


def test_a_stranger_on_the_other_loopback_takes_nothing_away() -> None:
    mine = at("::1")  # `vite --strictPort` beside a program on 127.0.0.1
    assert judged(mine, at("127.0.0.1", OTHER)) == Judgement(Verdict.OWN, (mine,), own_addresses=("::1",))


def test_a_listener_on_the_very_address_shadows_a_wildcard() -> None:
    mine, forward = at("::"), at("127.0.0.1", SSHD)  # an ssh port-forward over a server on every address
    assert judged(mine, forward) == Judgement(Verdict.STRANGER, (mine,), forward)
    assert judged(at("::", OTHER), at("127.0.0.1")).verdict is Verdict.OWN


@pytest.mark.parametrize("turned", [False, True])
def test_a_stranger_that_shares_the_very_address_is_named_in_whatever_order_the_kernel_lists(
    turned: bool,
) -> None:
    mine, orphan = at("::"), at("::", OTHER)  # SO_REUSEPORT: each gets some of the connections
    listeners = (orphan, mine) if turned else (mine, orphan)
    assert judged(*listeners) == Judgement(Verdict.STRANGER, (mine,), orphan)


def test_an_app_on_another_port_has_moved_and_who_has_its_port_is_named() -> None:
    elsewhere, stranger = at("::1", port=5174), at("::1", OTHER)
    assert judged(elsewhere) == Judgement(Verdict.MOVED, (elsewhere,))
    assert judged(elsewhere, stranger) == Judgement(Verdict.MOVED, (elsewhere,), stranger)


def test_an_app_on_an_address_that_is_not_checked_has_moved() -> None:
    listener = at("192.168.1.7")
    assert judged(listener) == Judgement(Verdict.MOVED, (listener,))


def test_another_port_beside_its_own_is_no_move() -> None:
    mine, debugger = at("::1"), at("127.0.0.1", port=9229)
    assert judged(mine, debugger) == Judgement(Verdict.OWN, (mine,), own_addresses=("::1",))


def test_ipv6_is_not_answered_by_a_wildcard_of_ipv4() -> None:
    assert judged(at("0.0.0.0", OTHER), addresses=("::1",)).verdict is Verdict.CLOSED


def test_what_cannot_be_read_is_unknown_unless_nobody_answers_at_all() -> None:
    assert judge(None, {MINE}, PORT, LOCALHOST) == Judgement(Verdict.UNKNOWN)
    assert judge([at("::")], None, PORT, LOCALHOST) == Judgement(Verdict.UNKNOWN)
    assert judge([], None, PORT, LOCALHOST) == Judgement(Verdict.CLOSED)


def test_a_port_is_in_use_on_any_address() -> None:
    far = at("10.0.0.1", OTHER)
    assert in_the_way([at("::1", port=80), far], PORT) is far
    assert in_the_way([at("::1", port=80)], PORT) is None
    assert in_the_way(None, PORT) is None


def test_a_listener_is_written_as_one_would_type_it() -> None:
    assert [str(at("::1")), str(at("127.0.0.1"))] == ["[::1]:5173", "127.0.0.1:5173"]
