"""`tty = true` and `procman attach`: an app in a terminal of its own, and its user at it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator

import pexpect
import pytest

from tests.real.project import PATIENCE, PROCMAN, Project, command, is_alive, table

PREFIX = "import os, sys, signal, subprocess, termios, time\n"
# Tells what its terminal is, and answers each line that is typed. A size is written past Python's buffer,
# which refuses what one handler writes in the middle of another's write.
TALKER = """
streams = [os.isatty(each) for each in range(3)]
print('tty', streams, os.environ['TERM'], open('/dev/tty').isatty(), flush=True)
size = lambda *_: os.write(1, b'size ' + subprocess.check_output(['stty', 'size']))
signal.signal(signal.SIGWINCH, size)
size()
while True:
    word = input('> ')
    if word == 'leave':
        sys.exit(3)
    print('\\x1b[32mheard\\x1b[0m', word.upper(), flush=True)
"""


def python(script: str) -> str:
    """Return the command of an app that runs a script, as a TOML array."""
    return json.dumps([sys.executable, "-I", "-S", "-c", PREFIX + script])


class Terminals:
    """The terminals that a test opens."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._opened: list[pexpect.spawn] = []

    def type(self, *words: str, size: tuple[int, int] = (24, 100)) -> pexpect.spawn:
        """Type a command of procman in a new terminal."""
        child = pexpect.spawn(
            PROCMAN[0],
            [*PROCMAN[1:], *words],
            cwd=str(self._project.folder),
            env={**self._project.environment, "NO_COLOR": "1"},
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=size,
        )
        child.delaybeforesend = None
        self._opened.append(child)
        return child

    def attach(self, app: str, size: tuple[int, int] = (24, 100)) -> pexpect.spawn:
        """Attach to an app in a new terminal."""
        child = self.type("attach", app, size=size)
        child.expect(f"attached to `{app}`; Ctrl-] leaves")
        return child

    def close(self) -> None:
        """Close all of them."""
        for each in self._opened:
            each.close(force=True)


@pytest.fixture
def terminals(project: Project) -> Iterator[Terminals]:
    """Return the terminals that a test opens; all are closed at its end."""
    opened = Terminals(project)
    yield opened
    opened.close()


def end_of(child: pexpect.spawn) -> tuple[int | None, str]:
    """Return the exit code of a command in a terminal, and what it has said since the last look."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before


def leave(child: pexpect.spawn) -> None:
    """Type Ctrl-] and wait for the end."""
    child.send("\x1d")
    code, said = end_of(child)
    assert code == 0
    assert "which goes on" in said


def test_an_app_with_tty_has_a_terminal_for_all_three_streams(project: Project) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    lines = project.until(lambda: project.lines("web")[1:] and project.lines("web"), "two lines")
    assert lines[0] == "tty [True, True, True] xterm True"
    assert lines[1] == "size 24 80"


def test_without_a_term_it_is_told_of_one_with_256_colours(project: Project) -> None:
    script = "print(os.environ['TERM'], flush=True); time.sleep(600)"
    project.up(table("web", python(script), tty="true", inherit_env="false"))
    project.until(lambda: project.lines("web") == ["xterm-256color"], "its line")


def test_what_is_typed_reaches_the_app_and_its_answer_comes_in_colour(
    project: Project, terminals: Terminals
) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    child = terminals.attach("web")
    child.expect("> ")  # what it had printed before
    child.send("hello\r")
    child.expect(r"\x1b\[32mheard\x1b\[0m HELLO\r\n")
    leave(child)


def test_ctrl_close_bracket_leaves_and_the_app_goes_on(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    pid = project.app("web")["pid"]
    leave(terminals.attach("web"))
    again = terminals.attach("web")
    again.send("still\r")
    again.expect("STILL")
    leave(again)
    assert project.app("web")["pid"] == pid


def test_the_app_sees_the_size_of_the_newest_window_as_it_changes(
    project: Project, terminals: Terminals
) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    first = terminals.attach("web", size=(30, 90))
    first.expect("size 30 90")
    second = terminals.attach("web", size=(40, 120))
    first.expect("size 40 120")
    second.setwinsize(41, 121)
    first.expect("size 41 121")
    leave(second)
    first.expect("size 30 90")


def test_all_who_are_attached_see_the_same(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    one, other = terminals.attach("web"), terminals.attach("web")
    one.send("from one\r")
    other.expect("heard.* FROM ONE")
    other.send("from the other\r")
    one.expect("heard.* FROM THE OTHER")


def test_ctrl_c_is_for_the_app(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    child = terminals.attach("web")
    child.expect("> ")
    child.send("\x03")
    code, said = end_of(child)
    assert code == 1
    assert "KeyboardInterrupt" in said
    assert "`web` has ended" in said


def test_the_end_of_the_app_is_told_with_its_exit_code(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true", restart='"never"'))
    child = terminals.attach("web")
    child.send("leave\r")
    code, said = end_of(child)
    assert code == 1
    assert "`web` has ended: exited with code 3" in said


def test_a_stop_by_its_user_is_no_failure(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    child = terminals.attach("web")
    project.do("stop", "web")
    code, said = end_of(child)
    assert code == 0
    assert "`web` has ended: stopped by its user" in said


def test_the_terminal_is_as_it_was_after_a_signal(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    child = terminals.type("attach", "web")
    child.expect("attached")
    child.expect("> ")
    os.kill(child.pid, signal.SIGTERM)
    child.expect("which goes on")
    child.expect(pexpect.EOF)
    assert project.app("web")["state"] == "running"


def test_an_app_without_a_terminal_says_how_to_get_one(project: Project, terminals: Terminals) -> None:
    project.up(table("web", command("stay")))
    code, said = end_of(terminals.type("attach", "web"))
    assert code == 1
    assert "`web` has no terminal" in said
    assert "procman set web.tty true" in said


def test_an_app_that_does_not_run_and_one_that_is_not_there_are_told(
    project: Project, terminals: Terminals
) -> None:
    project.up(table("web", command("stay"), tty="true"))
    project.do("stop", "web")
    code, said = end_of(terminals.type("attach", "web"))
    assert (code, "`web` is stopped" in said, "procman start web" in said) == (1, True, True)
    code, said = end_of(terminals.type("attach", "wbe"))
    assert code == 4


def test_without_a_terminal_there_is_nothing_to_show_it_in(project: Project) -> None:
    project.up(table("web", command("stay"), tty="true"))
    done = project.run("attach", "web")
    assert done.code == 2
    assert "needs a terminal" in done.err
    assert project.run("attach", "wbe").code == 4


def test_an_edit_of_tty_restarts_the_app(project: Project) -> None:
    project.up(table("web", command("stay")))
    pid = project.app("web")["pid"]
    project.write(table("web", command("stay"), tty="true"))
    project.until(lambda: project.app("web")["pid"] not in (pid, None), "another run")
    project.until_app("web", state="running")


def test_after_a_kill_of_the_manager_it_is_restarted_once_and_that_is_told(project: Project) -> None:
    note = project.path("notes")
    project.up(table("web", command("stay", note=note, name="web", hangup=1), tty="true", restart='"never"'))
    project.until(lambda: note.exists() and "started" in note.read_text(), "its start")
    before = project.app("web")["pid"]
    os.kill(project.manager(), signal.SIGKILL)
    project.do("up")
    after = project.until_app("web", state="running")["pid"]
    assert after != before
    assert not is_alive(before)
    project.until(lambda: note.read_text().count("started") == 2, "its second start")
    project.until_logged("its terminal ended with the former manager, so it is restarted")
    assert project.do("attach", "--help").code == 0


def test_who_is_attached_stays_so_during_an_upgrade(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    before = project.app("web")["pid"]
    child = terminals.attach("web")
    child.send("one\r")
    child.expect("ONE")
    for word in ("two", "three"):
        project.do("upgrade")
        child.send(f"{word}\r")
        child.expect(word.upper())
    leave(child)
    assert project.app("web")["pid"] == before


def test_a_stop_ends_the_whole_tree(project: Project) -> None:
    project.up(table("web", command("stubborn"), tty="true", stop_timeout='"200ms"'))
    project.until(lambda: "deaf" in project.lines("web"), "its grandchild")
    pids = project.app("web")["pids"]
    assert len(pids) == 3
    project.do("stop", "web")
    assert not any(is_alive(pid) for pid in pids)


def test_every_line_of_10000_is_in_the_log_once(project: Project) -> None:
    script = "os.write(1, b''.join(b'line %d of its output\\n' % each for each in range(10_000)))"
    project.up(
        table(
            "web",
            python(script.replace("os.write(1, ", "sys.stdout.buffer.write(")),
            tty="true",
            restart='"never"',
        )
    )
    project.until_app("web", state="completed")
    assert project.lines("web") == [f"line {number} of its output" for number in range(10_000)]


def test_a_client_that_reads_nothing_does_not_slow_the_app(project: Project, terminals: Terminals) -> None:
    script = """
    input('> ')
    for number in range(100_000):
        print('line', number, 'of its output, which is long enough to fill what is between us')
    print('printed', flush=True)
    """.replace("\n    ", "\n")
    project.up(table("web", python(script), tty="true", restart='"never"'))
    child = terminals.attach("web")
    child.expect("> ")
    os.kill(child.pid, signal.SIGSTOP)
    other = terminals.attach("web")
    other.send("go\r")
    project.until_app("web", state="completed")
    assert project.lines("web", patience=60)[-1].strip() == "printed"
    os.kill(child.pid, signal.SIGCONT)
    code, said = end_of(child)
    assert code == 0
    assert "bytes are missing here" in said


def test_one_that_outlives_its_terminal_is_ended_before_it_is_started_again(project: Project) -> None:
    script = "signal.signal(signal.SIGHUP, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
    project.up(table("web", python(script), tty="true"))
    project.until(lambda: project.lines("web") == ["ready"], "its start")
    before = project.app("web")["pid"]
    os.kill(project.manager(), signal.SIGKILL)
    assert is_alive(before)
    project.do("up")
    project.until(lambda: project.app("web")["pid"] not in (before, None), "another run")
    assert not is_alive(before)
    project.until_app("web", state="running")


def test_another_name_restarts_it(project: Project, terminals: Terminals) -> None:
    project.up(table("web", python(TALKER), tty="true"))
    before = project.app("web")["pid"]
    child = terminals.attach("web")
    project.write(table("site", python(TALKER), tty="true"))
    code, said = end_of(child)
    assert (code, "`web` has ended" in said) == (1, True)
    after = project.until_app("site", state="running")["pid"]
    assert after != before
    assert not is_alive(before)
