"""What a service manager hears: the protocol of sd_notify(3) over a real socket."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from procman.host import notify
from procman.host.notify import Notifier, is_journal, watchdog


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_fields_come_as_lines_of_one_datagram(kind: str, tmp_path: Path) -> None:
    address = str(tmp_path / "notify") if kind == "path" else f"@procman-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        notifier = Notifier({"NOTIFY_SOCKET": address})
        assert notifier.is_heard
        assert notifier.tell(READY=1, STATUS="two\nlines in one")
        assert listener.recv(1000) == b"READY=1\nSTATUS=two lines in one"
        notifier.close()


def test_without_a_socket_nothing_is_opened() -> None:
    before = set(os.listdir("/proc/self/fd"))
    notifier = Notifier({})
    assert not notifier.is_heard
    assert not notifier.tell(READY=1)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("address", ["", "@", "relative", "vsock:2:1234"])
def test_what_is_no_address_here_is_not_heard(address: str) -> None:
    assert not Notifier({"NOTIFY_SOCKET": address}).is_heard


def test_a_service_manager_that_is_gone_or_behind_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": address})
    assert not notifier.tell(WATCHDOG=1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        sent = 0
        while notifier.tell(WATCHDOG=1):  # nobody reads: at some time the queue is full, and that is all
            sent += 1
            assert sent < 100_000
        assert sent > 0
        reader = threading.Timer(0.05, listener.recv, [4096])
        reader.start()
        assert notifier.insist(READY=1), "it waits for what is said only once"
        reader.join()
        monkeypatch.setattr(notify, "PATIENCE", 0.05)
        while notifier.tell(WATCHDOG=1):
            pass
        assert not notifier.insist(READY=1), "but not for ever"
    notifier.close()


def test_a_heartbeat_is_owed_only_by_the_process_that_is_meant() -> None:
    assert watchdog({}) is None
    assert watchdog({"WATCHDOG_USEC": "60000000"}) == 60
    assert watchdog({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}) == 60
    assert watchdog({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog({"WATCHDOG_USEC": "soon"}) is None
    assert watchdog({"WATCHDOG_USEC": "0"}) is None


def test_the_journal_is_known_by_its_inode(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        says = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(says, stream.fileno())
        assert not is_journal({"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"}, stream.fileno())
        assert not is_journal({}, stream.fileno())
    assert not is_journal(says, 999_999)
