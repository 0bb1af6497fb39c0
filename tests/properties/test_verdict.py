"""Whose port it is, against a naive model of how the kernel picks the listener that answers.

The model knows nothing of inode sets or of the order of `judge`: it connects, as one client after the other
would, and looks at who answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_address

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from procman.core.verdict import Judgement, Listener, Verdict, judge

Judge = Callable[[Iterable[Listener] | None, Collection[int] | None, int, tuple[str, ...]], Judgement]

PORT = 5173
MINE = frozenset({1, 2, 3})
LISTENERS = st.lists(
    st.builds(
        Listener,
        address=st.sampled_from(["127.0.0.1", "::1", "0.0.0.0", "::", "192.168.1.7"]),
        port=st.sampled_from([PORT, PORT, PORT, 5174]),
        inode=st.integers(1, 6),
        queue=st.integers(0, 1),
        ipv6_only=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda each: (each.address, each.port, each.inode),
)
ADDRESSES = st.sampled_from([("127.0.0.1", "::1"), ("127.0.0.1",), ("::1",), ("192.168.1.7",)])


def score(listener: Listener, address: str) -> int:
    """Return how well a listener fits a connection to `address:PORT`, 0 for not at all.

    As `compute_score` of Linux's inet_hashtables.c: the very address first, then a wildcard of the same
    family, then the wildcard of IPv6 that serves IPv4 too.
    """
    bound, wanted = ip_address(listener.address), ip_address(address)
    if listener.port != PORT:
        return 0
    if bound == wanted:
        return 3
    if not bound.is_unspecified:
        return 0
    if bound.version == wanted.version:
        return 2
    return 1 if bound.version == 6 and not listener.ipv6_only else 0


def who_may_answer(listeners: Collection[Listener], address: str) -> set[int]:
    """Return the sockets among which the kernel picks one: those with the best score, if any has one."""
    scores = {each: score(each, address) for each in listeners}
    best = max(scores.values(), default=0)
    return {each.inode for each, fit in scores.items() if fit == best > 0}


def agrees_with_the_kernel(candidate: Judge, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(LISTENERS, ADDRESSES)
    def one(listeners: list[Listener], addresses: tuple[str, ...]) -> None:
        judgement = candidate(listeners, MINE, PORT, addresses)
        answers = {address: who_may_answer(listeners, address) for address in addresses}
        alone = {
            address: who_may_answer([each for each in listeners if each.inode in MINE], address)
            for address in addresses
        }
        strangers = set().union(*answers.values()) - MINE
        taken = any(alone[address] and answers[address] - MINE for address in addresses)
        own = tuple(address for address in addresses if answers[address] and answers[address] <= MINE)
        listens = any(each.inode in MINE for each in listeners)
        if taken:
            assert judgement.verdict is Verdict.STRANGER, "connections meant for the app go to somebody else"
        elif own:
            assert judgement.verdict is Verdict.OWN
            assert judgement.own_addresses == own
        elif listens:
            assert judgement.verdict is Verdict.MOVED
        else:
            assert judgement.verdict is (Verdict.STRANGER if strangers else Verdict.CLOSED)
        named = judgement.stranger
        assert named is None or named.inode in strangers, "who is named is one who answers"
        assert named is not None or judgement.verdict is not Verdict.STRANGER
        assert all(each.inode in MINE for each in judgement.listening), "only the app's own are listed"
        assert judgement.verdict is not Verdict.OWN or all(each.port == PORT for each in judgement.listening)
        again = candidate(listeners[::-1], MINE, PORT, addresses)
        assert again.verdict is judgement.verdict, "the order of the kernel's list means nothing"

    one()


def says_unknown_when_it_cannot_tell(candidate: Judge, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(LISTENERS, ADDRESSES)
    def one(listeners: list[Listener], addresses: tuple[str, ...]) -> None:
        assert candidate(None, MINE, PORT, addresses).verdict is Verdict.UNKNOWN
        blind = candidate(listeners, None, PORT, addresses)
        anybody = any(who_may_answer(listeners, address) for address in addresses)
        assert blind == Judgement(Verdict.UNKNOWN if anybody else Verdict.CLOSED)

    one()


def holds(candidate: Judge) -> None:
    agrees_with_the_kernel(candidate, 600)
    says_unknown_when_it_cannot_tell(candidate, 100)


def test_the_verdict_is_what_a_client_would_find() -> None:
    holds(judge)


# Planted bugs: `judge`, told something that is not so, as a plausible mistake would.


def believes_any_answer(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    everyone = None if listeners is None else list(listeners)
    return judge(everyone, None if own is None else {each.inode for each in everyone or ()}, port, addresses)


def forgets_that_ipv6_serves_ipv4(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    if listeners is not None and addresses == ("127.0.0.1",):
        listeners = [each for each in listeners if each.address != "::"]
    return judge(listeners, own, port, addresses)


def forgets_that_ipv4_does_not_serve_ipv6(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    if listeners is not None:
        listeners = [_anywhere(each) if each.address == "0.0.0.0" else each for each in listeners]
    return judge(listeners, own, port, addresses)


def asks_one_loopback_only(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    return judge(listeners, own, port, addresses[:1])


def sees_no_shadow(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    if listeners is not None and own is not None:
        listeners = list(listeners)
        mine = {each.address for each in listeners if each.port == port and each.inode in own}
        if "::" in mine:
            listeners = [each for each in listeners if each.inode in own or each.address != "127.0.0.1"]
    return judge(listeners, own, port, addresses)


def takes_the_first_that_fits(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    if listeners is not None and own is not None:
        by_address: dict[tuple[str, int], Listener] = {}
        for each in listeners:
            by_address.setdefault((each.address, each.port), each)
        listeners = by_address.values()
    return judge(listeners, own, port, addresses)


def looks_at_every_port(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    if listeners is not None:
        listeners = [Listener(each.address, port, each.inode, each.queue) for each in listeners]
    return judge(listeners, own, port, addresses)


def takes_what_it_cannot_tell_for_closed(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    return judge(listeners or (), own, port, addresses)


def takes_what_it_cannot_tell_for_a_stranger(
    listeners: Iterable[Listener] | None, own: Collection[int] | None, port: int, addresses: tuple[str, ...]
) -> Judgement:
    return judge(listeners, own or (), port, addresses)


def _anywhere(listener: Listener) -> Listener:
    return Listener("::", listener.port, listener.inode, listener.queue)


BUGS: list[Judge] = [
    believes_any_answer,
    forgets_that_ipv6_serves_ipv4,
    forgets_that_ipv4_does_not_serve_ipv6,
    asks_one_loopback_only,
    sees_no_shadow,
    takes_the_first_that_fits,
    looks_at_every_port,
    takes_what_it_cannot_tell_for_closed,
    takes_what_it_cannot_tell_for_a_stranger,
]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Judge) -> None:
    with pytest.raises(AssertionError):
        holds(bug)
