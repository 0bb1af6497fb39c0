"""Who listens and who is connected, by the kernel's own list, and the notice that a listener was closed.

All of it comes over NETLINK_SOCK_DIAG (sock_diag(7)): a dump of the LISTEN sockets takes 0.1 to 0.3 ms where
`/proc/net/tcp` takes 9, because the kernel walks its whole table of connections for that file.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping

from procman.core.verdict import Listener
from procman.host.base import ANY_PORT

assert sys.platform == "linux"

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP_INTERRUPTED, NLM_F_DUMP = 0x1, 0x10, 0x300
TCP_ESTABLISHED, TCP_LISTEN = 1, 10
CONNECTED = {  # the states of a connection that a process can still hold: net/tcp_states.h
    1: "established",
    2: "syn sent",
    4: "fin wait 1",
    5: "fin wait 2",
    8: "close wait",  # the peer has ended it, and the program has not yet
    9: "last ack",
    11: "closing",
}
MOST_CONNECTIONS = 1000  # of the machine, of one family, until they are not counted: some 3 ms
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
TCP_DESTROYED, TCP6_DESTROYED = 1, 3  # SKNLGRP_INET_TCP_DESTROY, SKNLGRP_INET6_TCP_DESTROY
SO_ATTACH_FILTER = 26

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
REQUEST = struct.Struct("=BBBxI48x")  # inet_diag_req_v2: family, protocol, extensions, states; any socket
MESSAGE = struct.Struct("=BBBB2s2s16s16s12xIIIII")  # inet_diag_msg: …, expires, rqueue, wqueue, uid, inode
ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
INET_DIAG_SKV6ONLY = 11  # of listeners of IPv6: whether they answer IPv6 alone
DUMP_ATTEMPTS = 3  # a dump that sockets changed under is marked, and asked for again

Watcher = Callable[[int], None]


class Diagnostics:
    """The lists of listeners and connections. Owned by the thread of the event loop."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._parsed: dict[bytes, Listener] = {}  # of the newest list: most of it is the same the next time

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def listeners(self) -> tuple[Listener, ...] | None:
        """Return every TCP socket in LISTEN, of both families, or None where they can't be read."""
        with contextlib.suppress(OSError):
            known = self._parsed
            self._parsed = {body: known.get(body) or _listener(body) for body in self._dump(1 << TCP_LISTEN)}
            return tuple(self._parsed.values())
        with contextlib.suppress(OSError):
            return _read_proc()
        return None

    def connections(self, inodes: Collection[int]) -> Mapping[str, int] | None:
        """Return how many of these sockets are connections, by state; None where it takes too long.

        The kernel walks its table of connections for it, 0.5 ms a family for the 262,144 places of 24 GB of
        memory, and can't be asked for sockets by inode.
        """
        mask = sum(1 << state for state in CONNECTED)
        try:
            bodies = self._dump(mask, MOST_CONNECTIONS)
        except OSError:
            return None
        wanted = frozenset(inodes)
        return Counter(CONNECTED[body[1]] for body in bodies if _inode(body) in wanted)

    def connected_to(self, ports: Collection[int]) -> int | None:
        """Return one of these ports that somebody is connected to; None too where it can't be told."""
        with contextlib.suppress(OSError):
            for body in self._dump(1 << TCP_ESTABLISHED):
                port = int.from_bytes(MESSAGE.unpack_from(body)[4], "big")
                if port in ports:
                    return port
        return None

    def works(self) -> bool:
        """Return whether the kernel's dump can be had, so that `/proc/net/tcp` need not be read."""
        try:
            self._dump(1 << TCP_LISTEN)
        except OSError:
            return False
        return True

    def _dump(self, states: int, most: int = sys.maxsize) -> list[bytes]:
        """Return an `inet_diag_msg` for each socket in one of these states, of both families.

        Raises:
            OSError: no netlink here (a sandbox), no `inet_diag` in the kernel, or more than `most` sockets of
                one family.
        """
        if self._socket is None:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
            self._socket.settimeout(1.0)  # the kernel answers inside the call; never hang here
        try:
            ipv4 = self._dump_family(socket.AF_INET, states, most)
            return ipv4 + self._dump_family(socket.AF_INET6, states, most)
        except OSError:
            self.close()  # half an answer may still be queued
            raise

    def _dump_family(self, family: int, states: int, most: int) -> list[bytes]:
        assert self._socket is not None, "opened by the caller"
        for _attempt in range(DUMP_ATTEMPTS):
            body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, states)
            flags = NLM_F_REQUEST | NLM_F_DUMP
            header = HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, flags, 0, 0)
            self._socket.sendto(header + body, (0, 0))
            found, interrupted = self._receive(most)
            if not interrupted:
                break
        return found

    def _receive(self, most: int) -> tuple[list[bytes], bool]:
        """Return the sockets up to the end of the dump, and whether they changed while it was made."""
        assert self._socket is not None, "opened by the caller"
        found: list[bytes] = []
        interrupted = False
        while True:
            for kind, flags, body in _messages(self._socket.recv(65536)):
                if flags & NLM_F_DUMP_INTERRUPTED:
                    interrupted = True
                if kind == SOCK_DIAG_BY_FAMILY:
                    found.append(body)
                elif kind == NLMSG_DONE:
                    return found, interrupted
                elif kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", body)[0]
                    raise OSError(code, os.strerror(code))
            if len(found) > most:
                raise OSError(errno.EMSGSIZE, "more sockets than are worth the time")


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the type, the flags and the body of each netlink message in `data`."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, _sequence, _port_id = HEADER.unpack_from(data, offset)
        yield kind, flags, data[offset + HEADER.size : offset + length]
        offset += (length + 3) & ~3


def _listener(body: bytes) -> Listener:
    family, _, _, _, port, _, source, _, _, queue, _, _, inode = MESSAGE.unpack_from(body)
    ipv6_only = _attribute(body, INET_DIAG_SKV6ONLY) == b"\1"
    return Listener(_address(family, source), int.from_bytes(port, "big"), inode, queue, ipv6_only)


def _inode(body: bytes) -> int:
    return int.from_bytes(body[MESSAGE.size - 4 : MESSAGE.size], sys.byteorder)


def _attribute(body: bytes, wanted: int) -> bytes | None:
    """Return one of the attributes that follow an `inet_diag_msg`."""
    offset = MESSAGE.size
    while offset + ATTRIBUTE.size <= len(body):
        length, kind = ATTRIBUTE.unpack_from(body, offset)
        if kind == wanted:
            return body[offset + ATTRIBUTE.size : offset + length]
        if length < ATTRIBUTE.size:
            break
        offset += (length + 3) & ~3
    return None


def _address(family: int, packed: bytes) -> str:
    """Return the address in digits; one of IPv4 bound through IPv6 (`::ffff:127.0.0.1`) as IPv4's."""
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, packed[:4])
    if packed.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return socket.inet_ntop(socket.AF_INET6, packed)


def _read_proc() -> tuple[Listener, ...]:
    """Return the listeners by `/proc/net/tcp` and `tcp6`, where there is no netlink.

    Raises:
        OSError: they can't be read.
    """
    found = list(_parse_proc("/proc/net/tcp", socket.AF_INET))
    with contextlib.suppress(FileNotFoundError):  # no IPv6 in this kernel
        found += _parse_proc("/proc/net/tcp6", socket.AF_INET6)
    return tuple(found)


def _parse_proc(path: str, family: int) -> Iterator[Listener]:
    with open(path, encoding="ascii") as lines:
        next(lines)
        for line in lines:
            fields = line.split()
            if int(fields[3], 16) != TCP_LISTEN:
                continue
            words, _, port = fields[1].partition(":")
            # 32-bit words as the machine stores them, in hexadecimal
            packed = b"".join(
                int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8)
            )
            queue = int(fields[4].partition(":")[2], 16)
            yield Listener(_address(family, packed), int(port, 16), int(fields[9]), queue)


class ClosedNotices:
    """The kernel's announcement of every listener that is closed. Owned by the thread of the event loop.

    It comes 0.1 to 2 ms after the last descriptor of a listener is closed, to ordinary users too. Where more
    were closed than the socket could hold, the watchers are told `ANY_PORT`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Join both families' groups.

        Raises:
            OSError: no netlink here, or a kernel before 4.5.
        """
        self._loop = loop
        self._watchers: list[Watcher] = []
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_SOCK_DIAG)
        try:
            _only_listeners(self._socket)
            self._socket.bind((0, 0))
            for group in (TCP_DESTROYED, TCP6_DESTROYED):
                self._socket.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
        except OSError:
            self._socket.close()
            raise
        loop.add_reader(self._socket, self._on_notice)

    def close(self) -> None:
        """Hear no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def watch(self, callback: Watcher) -> ClosedWatch:
        """Call `callback` with the port of every listener that is closed from now on."""
        self._watchers.append(callback)
        return ClosedWatch(self._watchers, callback)

    def _on_notice(self) -> None:
        closed: list[int] = []
        try:
            while True:
                for kind, _flags, body in _messages(self._socket.recv(65536)):
                    if kind == SOCK_DIAG_BY_FAMILY:
                        closed.append(int.from_bytes(MESSAGE.unpack_from(body)[4], "big"))
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            closed.append(ANY_PORT)
        for port in dict.fromkeys(closed):
            for watcher in tuple(self._watchers):
                watcher(port)


class ClosedWatch:
    """One watcher's place in the list."""

    def __init__(self, watchers: list[Watcher], callback: Watcher) -> None:
        self._watchers = watchers
        self._callback = callback

    def cancel(self) -> None:
        """Make sure that the callback is not called any more."""
        with contextlib.suppress(ValueError):
            self._watchers.remove(self._callback)


def _only_listeners(notices: socket.socket) -> None:
    """Let the kernel drop every notice but those with a port of our own and none of a peer's.

    A busy server closes thousands of connections a second; without this filter each would wake the manager.
    """
    own_port = HEADER.size + 4
    program = (
        (0x28, 0, 0, own_port + 2),  # load the peer's port, 16 bits
        (0x15, 0, 3, 0),  # not 0: drop
        (0x28, 0, 0, own_port),
        (0x15, 1, 0, 0),  # 0: drop
        (0x06, 0, 0, 0xFFFFFFFF),  # keep it whole
        (0x06, 0, 0, 0),
    )
    code = array("B", b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    address, _length = code.buffer_info()
    notices.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program), address))
