"""As whom a process runs, and what it may use."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from procman.host.base import Ended, Order, Rights, SpawnError, Stage
from procman.host.posix.fifo import RunFifos, open_for_child, open_for_manager
from tests.contract.conftest import Stage as World

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


def order(text: str, output: int = -3, **more: object) -> Order:
    environment = {"PATH": os.defpath}
    return Order((text,), True, "/", environment, -3, output, output, Rights(**more))  # type: ignore[arg-type]


def said(real: World, text: str, **more: object) -> str:
    """Return what a shell says that runs with these rights."""
    reading, writing = os.pipe()
    ends: list[Ended] = []
    real.host.spawn(order(text, writing, **more), ends.append)
    os.close(writing)
    with open(reading, encoding="utf-8") as file:
        out = file.read().strip()
    real.until(lambda: ends)
    assert ends == [Ended(0, None)], out
    return out


@as_root
@pytest.mark.parametrize("user", ["nobody", str(NOBODY.pw_uid)])
@pytest.mark.parametrize("nice", [None, 1])
def test_a_process_is_of_its_user_with_the_groups_of_that_user(
    real: World, user: str, nice: int | None
) -> None:
    groups = {NOBODY.pw_gid, *os.getgrouplist("nobody", NOBODY.pw_gid)}
    uid, gid, all_of_them = said(real, "id -u; id -g; id -G", user=user, nice=nice).splitlines()
    assert (int(uid), int(gid)) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert {int(each) for each in all_of_them.split()} == groups
    again = said(real, "cat /proc/self/status", user=user, nice=nice)
    ids = next(line for line in again.splitlines() if line.startswith("Uid:")).split()[1:]
    assert set(ids) == {uid}, "the saved one too, or it could become root again"


@as_root
def test_a_user_without_an_entry_needs_a_group(real: World) -> None:
    assert said(real, "id -u; id -G", user="54321", group="54322").split() == ["54321", "54322"]
    with pytest.raises(SpawnError) as raised:
        real.host.spawn(order("true", user="54321"), lambda ended: None)
    assert str(raised.value).endswith(
        "`54321`: it has no entry that tells its group: set `group` too"
    )  # fmt: skip


@pytest.mark.parametrize("rights", [Rights(user="no-such-user"), Rights(group="no-such-group")])
def test_a_name_that_nobody_has_is_refused_with_it(real: World, rights: Rights) -> None:
    with pytest.raises(SpawnError) as raised:
        real.host.spawn(replace(order("true"), rights=rights), lambda ended: None)
    assert (raised.value.stage, raised.value.errno) == (Stage.RIGHTS, errno.ENOENT)
    assert str(raised.value).startswith("could not give it its user, priority or limits: `no-such-")


def test_a_mask_holds_for_new_files(real: World) -> None:
    assert said(real, "umask", umask=0o027) == "0027"


def test_limits_and_priority_are_there_from_the_first_instant(real: World) -> None:
    text = "ulimit -n; ulimit -Hn; ulimit -c; cut -d' ' -f19 /proc/self/stat"
    found = said(real, text, nice=5, limits=(("nofile", 123), ("core", 0)))
    assert found.split() == ["123", "123", "0", "5"]


@as_root
def test_root_gives_more_than_it_has_to_a_user_who_could_not(real: World) -> None:
    text = "id -u; cut -d' ' -f19 /proc/self/stat; ulimit -Hs"
    found = said(real, text, user="nobody", nice=-3, limits=(("stack", None),))
    assert found.split() == [str(NOBODY.pw_uid), "-3", "unlimited"]


@as_root
def test_a_program_opens_its_output_anew_as_another_user(real: World, tmp_path: Path) -> None:
    fifos = RunFifos.of(tmp_path, "web", 1)
    fifos.create()
    writing, reading = open_for_child(fifos.stdout), open_for_manager(fifos.stdout)
    ends: list[Ended] = []
    real.host.spawn(order("echo hello > /dev/stdout", writing, user="nobody"), ends.append)
    real.until(lambda: ends)
    assert os.read(reading, 100) == b"hello\n"
    os.close(writing)
    os.close(reading)


def test_what_the_system_refuses_is_told_with_its_name(real: World) -> None:
    """More files than the kernel has numbers for: not even root gets them (`fs.nr_open`)."""
    with pytest.raises(SpawnError) as raised:
        real.host.spawn(order("true", limits=(("nofile", 2**40),)), lambda ended: None)
    assert raised.value.subject == "limits.nofile"
    assert (raised.value.stage, raised.value.errno) == (Stage.RIGHTS, errno.EPERM)


@as_root
def test_only_root_becomes_somebody_else() -> None:
    code = """
import os
from procman.host.base import Rights, SpawnError
from procman.host.posix.rights import resolve
os.setgid(65534)
os.setuid(65534)
for rights in (Rights(user="root"), Rights(group="root"), Rights(user="nobody")):
    try:
        print(resolve(rights))
    except SpawnError as error:
        print(error.errno, error)
"""
    command = [sys.executable, "-c", code]
    repository = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, check=False)
    why = "1 could not give it its user, priority or limits: `root`: only root may start a process of another"
    assert done.stdout.splitlines() == [
        f"{why} user",
        f"{why} group",
        "Account(uid=None, gid=None, groups=None)",
    ], done.stderr


def test_a_user_brings_its_home_along(real: World) -> None:
    found = real.host.variables("nobody")
    assert found == {"USER": "nobody", "LOGNAME": "nobody", "HOME": NOBODY.pw_dir, "SHELL": NOBODY.pw_shell}
    assert real.host.variables("no-such-user") == {}
