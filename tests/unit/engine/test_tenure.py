"""A manager whose state folder goes makes it again, unless somebody else has become the manager there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from procman.engine.tenure import DELETING, RETRY, STARTING, Tenure
from procman.host.claim import Claim, claim
from tests.fakes.host import FakeHost

SOON = DELETING + 5 * RETRY  # seconds


class Office:
    """A claimed state folder, what looks after it, and what became of that."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host = FakeHost()
        self.full = False  # nothing can be written
        self.events: list[str] = []
        self.others: list[Claim] = []
        self.move_in()
        claimed = claim(str(home))
        assert claimed is not None
        self.claimed = claimed
        self.tenure = Tenure(self.host, claimed, home, lambda: home.mkdir(exist_ok=True))
        self.tenure.begin(self._restore, lambda: self.events.append("lost"), self.events.append)

    def move_in(self) -> None:
        """Make the folder as a manager that begins does."""
        (self.home / "run").mkdir(parents=True)

    def _restore(self) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.events.append("restored")

    def delete(self) -> None:
        shutil.rmtree(self.home)

    def pass_time(self, seconds: float = SOON) -> None:
        self.host.advance(seconds)

    def be_another(self) -> None:
        """Take the lock that is there now."""
        self.home.mkdir(exist_ok=True)
        taken = claim(str(self.home))
        assert taken is not None
        self.others.append(taken)

    @property
    def is_ours(self) -> bool:
        """Whether nobody else can become the manager."""
        return claim(str(self.home)) is None

    @property
    def made(self) -> list[str]:
        """What is told when the folder was made again."""
        told = f"the folder `{self.home}` was deleted, and is made anew; what was kept in it is gone"
        return ["restored", told]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "home")
    yield office
    office.tenure.close()
    for each in (office.claimed, *office.others):
        each.release()


def test_a_folder_that_stays_costs_nothing(office: Office) -> None:
    (office.home / "manager.log").touch()
    office.pass_time(60)
    assert office.tenure.obstacle() is None
    assert office.events == []


def test_a_folder_that_is_deleted_is_made_again_and_claimed(office: Office) -> None:
    for _ in range(3):
        office.events.clear()
        office.delete()
        assert office.tenure.obstacle() == (
            f"waits for the folder `{office.home}`, which was deleted, to be made anew"
        )
        office.pass_time()
        assert office.events == office.made
        assert office.tenure.obstacle() is None
        assert office.is_ours


def test_one_that_loses_the_lock_or_the_records_only_is_made_whole_too(office: Office) -> None:
    for lose in ((office.home / "lock").unlink, (office.home / "run").rmdir):
        office.events.clear()
        lose()
        assert office.tenure.obstacle() is not None
        office.pass_time()
        assert office.events == office.made
        assert office.is_ours


def test_who_is_deleting_is_not_disturbed(office: Office) -> None:
    (office.home / "lock").unlink()
    assert office.tenure.obstacle() is not None
    office.pass_time(DELETING / 2)
    assert [each.name for each in office.home.iterdir()] == ["run"]
    shutil.rmtree(office.home)
    office.pass_time()
    assert office.events == office.made


def test_a_file_in_its_place_is_told_once_and_waited_for(office: Office) -> None:
    office.delete()
    office.home.write_text("mine")
    office.pass_time(5)
    problem = f"the folder `{office.home}` can't be made anew: File exists"
    assert office.events == [f"{problem}; until then nothing is started"]
    assert office.tenure.obstacle() == problem
    office.home.unlink()
    office.pass_time()
    assert office.events[1:] == office.made


def test_what_can_not_be_restored_now_is_tried_again(office: Office) -> None:
    office.full = True
    office.delete()
    office.pass_time(5)
    assert office.tenure.obstacle() == (
        f"the folder `{office.home}` can't be made anew: No space left on device"
    )
    office.full = False
    office.pass_time()
    assert office.events[1:] == office.made
    assert office.tenure.obstacle() is None


def test_another_manager_in_the_folder_gets_everything(office: Office) -> None:
    office.delete()
    office.move_in()
    office.be_another()
    assert office.tenure.obstacle() is not None, "before anybody has looked"
    office.pass_time()
    assert office.events == ["lost"]
    assert office.tenure.obstacle() == f"another manager has `{office.home}`"


def test_one_that_was_there_and_is_gone_has_had_everything(office: Office) -> None:
    office.delete()
    office.move_in()
    office.be_another()
    office.others.pop().release()
    office.pass_time()
    assert office.events == ["lost"], "what it has stopped is not to be started"


def test_one_that_keeps_the_lock_is_a_manager_whatever_else_is_there(office: Office) -> None:
    (office.home / "lock").unlink()
    office.be_another()
    office.pass_time(DELETING + STARTING / 2)
    assert office.events == []
    office.pass_time(STARTING)
    assert office.events == ["lost"]


def test_one_that_could_not_start_leaves_everything_as_it_is(office: Office) -> None:
    office.delete()
    office.be_another()
    office.pass_time(DELETING + STARTING / 2)
    office.others.pop().release()
    office.pass_time()
    assert office.events == office.made
    assert office.is_ours


def test_who_only_asks_for_the_holder_is_nobody(office: Office) -> None:
    office.delete()
    office.home.mkdir()
    descriptor = os.open(office.home / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    office.pass_time(DELETING + 2 * RETRY)
    assert office.events == []
    os.close(descriptor)
    office.pass_time()
    assert office.events == office.made


def test_after_its_end_nothing_is_looked_after(office: Office) -> None:
    office.tenure.close()
    office.delete()
    office.pass_time(30)
    assert office.events == []
    assert office.tenure.obstacle() is None
    assert not office.home.exists()
