"""`procman up` in a terminal: prefixed output, Ctrl-C for the end of all, a second one to kill."""

from __future__ import annotations

from collections.abc import Iterator

import pexpect
import pytest

from tests.real.project import PATIENCE, PROCMAN, Project, command, table


@pytest.fixture
def terminal(project: Project) -> Iterator[list[pexpect.spawn]]:
    """Return the terminals that a test opens; all are closed at its end."""
    opened: list[pexpect.spawn] = []
    yield opened
    for each in opened:
        each.close(force=True)


def up(project: Project, opened: list[pexpect.spawn]) -> pexpect.spawn:
    """Type `procman up` in a new terminal."""
    child = pexpect.spawn(
        PROCMAN[0],
        [*PROCMAN[1:], "up"],
        cwd=str(project.folder),
        env={**project.environment, "NO_COLOR": "1"},
        encoding="utf-8",
        timeout=PATIENCE,
        dimensions=(24, 200),
    )
    opened.append(child)
    return child


def expect_all(child: pexpect.spawn, *patterns: str) -> None:
    """Wait until each pattern was printed, in any order: apps and manager speak each for themselves."""
    left = list(patterns)
    while left:
        left.pop(child.expect(left))


def test_ctrl_c_stops_everything_and_says_what(project: Project, terminal: list[pexpect.spawn]) -> None:
    project.write(
        table("web", command("serve"), port=project.port()), table("worker", command("stay", say="at_work"))
    )
    child = up(project, terminal)
    expect_all(child, r"web +│ listens on \d+", "web: running")
    child.sendintr()
    child.expect("stopping; Ctrl-C again kills at once")
    child.expect(pexpect.EOF)
    assert "stopped web: " in child.before
    assert "stopped worker: " in child.before
    assert "stopped 2 apps" in child.before
    child.close()
    assert child.exitstatus == 0
    assert not project.processes()


def test_a_second_ctrl_c_kills_at_once(project: Project, terminal: list[pexpect.spawn]) -> None:
    project.write(table("web", command("stay", deaf=1), stop_timeout='"10m"'))
    child = up(project, terminal)
    child.expect("web +│ ready")
    child.sendintr()
    child.expect("stopping")
    child.sendintr()
    child.expect("killing")
    child.expect("SIGKILL")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert not project.processes()


def test_a_terminal_that_is_closed_ends_what_was_started_in_it(
    project: Project, terminal: list[pexpect.spawn]
) -> None:
    project.write(table("web", command("stay")))
    child = up(project, terminal)
    child.expect("web +│ ready")
    child.ptyproc.fileobj.close()  # not child.close(), which gives it 0.2 s to end
    project.until(lambda: not project.processes(), "the end of all")
    child.ptyproc.wait()


def test_ctrl_c_leaves_what_another_command_has_started(
    project: Project, terminal: list[pexpect.spawn]
) -> None:
    project.up(table("web", command("stay")))
    child = up(project, terminal)

    def follows() -> bool:
        project.do("restart", "web")
        return bool(child.expect(["web: running", pexpect.TIMEOUT], timeout=0.5) == 0)

    project.until(follows, "the terminal shows what happens")
    child.sendintr()
    child.expect("the apps go on")
    child.expect(pexpect.EOF)
    assert project.app("web")["state"] == "running"
    project.do("restart", "web")
    project.do("down")


def test_down_from_elsewhere_ends_the_up_in_the_terminal(
    project: Project, terminal: list[pexpect.spawn]
) -> None:
    project.write(table("web", command("stay")))
    child = up(project, terminal)
    child.expect("web +│ ready")
    project.do("down")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_edits_and_restarts_are_told_in_the_terminal(project: Project, terminal: list[pexpect.spawn]) -> None:
    project.write(table("web", command("stay")))
    child = up(project, terminal)
    child.expect("web +│ ready")
    project.write(table("web", command("stay", say="once_more")))
    child.expect("the file is applied: restart web `command`")
    child.expect("web +│ once more")
    project.file.write_text("[apps.web")
    child.expect("the file was rejected")
    child.expect("portwatch.toml:")
    child.sendintr()
    child.expect(pexpect.EOF)
