"""What apps print, as their user reads it: all of it, once, in order, whatever happens in between."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

import pytest

from tests.real.project import PATIENCE, Project, command, is_alive, table

# All of it: PROCMAN_LOG_LINES=5000000 PROCMAN_LOG_MIB=1024 make test ARGS='-k every_one --timeout=900'
LINES = int(os.environ.get("PROCMAN_LOG_LINES", "300000"))
MIB = int(os.environ.get("PROCMAN_LOG_MIB", "64"))
ALL = "1000000000"
MANY_FILES = '{ max_size = "2MB", keep = 1000 }'
NUMBERS = f"seq 1 {LINES // 2} & seq 1 {LINES // 2} >&2; wait; exec sleep 1000"
LONG = 1_000_000  # bytes of a line
LONG_LINES = f"""
import sys, time
for number in range({MIB << 20} // {LONG}):
    sys.stdout.write(f"{{number:09}}" + "x" * {LONG - 10} + "\\n")
sys.stdout.flush()
time.sleep(1000)
"""


def shell(text: str) -> str:
    """Return a command of the shell as TOML."""
    return json.dumps(["sh", "-c", text])


def kill_manager(project: Project) -> None:
    """Kill the manager as the kernel does when memory is short."""
    pid = project.manager()
    os.kill(pid, signal.SIGKILL)
    project.until(lambda: not is_alive(pid), "the end of the manager")


def printed(project: Project, *words: str) -> Iterator[str]:
    """Yield the lines that `procman logs` prints."""
    with project.begin("logs", "web", "--no-prefix", "-n", ALL, *words) as reading:
        assert reading.stdout is not None
        yield from (line.removesuffix("\n") for line in reading.stdout)
    assert reading.returncode == 0


def demand(found: Iterable[str], wanted: Iterable[str]) -> None:
    """Fail at the first line that is not what it should be; there may be millions of them."""
    numbered = iter(enumerate(found))
    for expected in wanted:
        number, line = next(numbered, (-1, "nothing"))
        assert line[:100] == expected[:100], f"line {number} should be {expected[:100]}"
        assert line == expected, f"line {number} is not as long as it was"
    assert next(numbered, None) is None, "nothing more was printed"


def test_every_one_of_many_lines_is_there_once_and_in_order(project: Project) -> None:
    project.write(table("web", shell(NUMBERS), logs=MANY_FILES))
    project.do("up", "--no-wait")
    pid = project.until_app("web", state="running")["pid"]
    for _ in range(3):
        kill_manager(project)
        project.do("up")
    assert project.app("web")["pid"] == pid

    last = str(LINES // 2)
    for stream in ("out", "err"):
        ends = ("logs", "web", "--no-prefix", "-n", "1", "--stream", stream)
        project.until(lambda words=ends: project.do(*words).out == f"{last}\n", "the last line", 600)  # type: ignore[misc]
        demand(printed(project, "--stream", stream), map(str, range(1, LINES // 2 + 1)))
    assert len(list((project.home / "logs" / "web").glob("*.log"))) > LINES // 400_000, "files were rotated"


def test_every_one_of_many_long_lines_is_there_once_and_in_order(project: Project) -> None:
    project.up(table("web", json.dumps([sys.executable, "-c", LONG_LINES]), logs=MANY_FILES))
    lines = [f"{number:09}" for number in range((MIB << 20) // LONG)]
    project.until(lambda: project.do("logs", "web", "--no-prefix", "-n", "1").out[:9] == lines[-1], "", 600)

    demand(printed(project), (line + "x" * (LONG - 10) for line in lines))


def test_a_follower_goes_on_over_rotations_restarts_and_another_manager(project: Project) -> None:
    total = 8000
    small = '{ max_size = "20kB", keep = 1000 }'
    project.write(table("web", command("count", rate=2000, lines=total), logs=small))
    project.do("up", "--no-wait")
    with project.begin("logs", "-f", "web", "--no-prefix", "-n", ALL) as follower:
        assert follower.stdout is not None
        lines = (line.removesuffix("\n") for line in follower.stdout)
        seen = list(islice(lines, 500))
        kill_manager(project)
        project.do("up", "--no-wait")
        seen += islice(lines, total - 500)
        project.do("restart", "web", "--no-wait")
        again = list(islice(lines, 1000))
        follower.send_signal(signal.SIGINT)
        _, err = follower.communicate(timeout=PATIENCE)

    assert seen == [f"line {number} of its output" for number in range(total)]
    assert again == seen[:1000]
    assert (follower.returncode, err) == (130, "")
    assert len(list((project.home / "logs" / "web").glob("*.log"))) > 5


def test_a_follower_that_is_stopped_is_told_what_it_missed_and_slows_nobody(project: Project) -> None:
    total = 40_000
    small = '{ max_size = "50kB", keep = 2 }'
    project.write(table("web", command("count", rate=20_000, lines=total), logs=small))
    project.do("up", "--no-wait")
    with project.begin("logs", "-f", "web", "--no-prefix", "-n", ALL) as follower:
        assert follower.stdout is not None
        seen = [follower.stdout.readline() for _ in range(100)]
        follower.send_signal(signal.SIGSTOP)
        last = [f"line {total - 1} of its output"]
        project.until(lambda: project.lines("web", "-n", "1") == last, "the app printed all it had to")
        follower.send_signal(signal.SIGCONT)
        while seen[-1].removesuffix("\n") != last[0]:
            seen.append(follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        follower.communicate(timeout=PATIENCE)

    told = [line for line in seen if line.startswith("procman: ")]
    missed = [re.fullmatch(r"procman: ([\d,]+) lines went by rotation before .*\n", line) for line in told]
    assert told
    assert all(missed), told
    ended = [line for line in seen if line.endswith(" of its output\n")]
    numbers = [int(line.split()[1]) for line in ended if line.startswith("line ")]
    assert numbers == sorted(set(numbers))
    sum_of_missed = sum(int(match[1].replace(",", "")) for match in missed if match)
    # A line whose beginning was in a deleted file is seen without it; one whose end was there, without that.
    assert abs(len(numbers) + sum_of_missed - (total - numbers[0])) <= 2 * len(told)
    assert sum_of_missed > total // 8


def test_what_was_printed_before_its_end_is_there_when_the_end_is_told(project: Project) -> None:
    project.write(table("web", shell("seq 1 20000; exit 3"), restart='"never"'))
    project.run("up", "--no-wait")
    project.until_app("web", state="completed")
    assert project.lines("web") == [str(number) for number in range(1, 20_001)]


@pytest.mark.parametrize("words", [("-f",), (), ("--json",)])
def test_a_reader_that_has_seen_enough_ends_the_command_silently(
    project: Project, words: tuple[str, ...]
) -> None:
    project.up(table("web", command("count", rate=10_000, lines=100_000)))
    project.until(lambda: len(project.lines("web")) > 5000, "lines")
    with project.begin("logs", "web", "-n", ALL, *words) as reading:
        assert reading.stdout is not None
        assert reading.stdout.readline()
        reading.stdout.close()
        assert reading.wait(PATIENCE) == 141
        assert reading.stderr is not None
        assert reading.stderr.read() == ""


CATASTROPHIC = "(a+)+$"
BLOCKS_FOR_AGES = f"printf '{'a' * 60}!\\n'"


def test_a_pattern_that_would_take_ages_holds_up_neither_command_nor_manager(
    project: Project,
) -> None:
    check = f'{{ log = "{CATASTROPHIC}|ready" }}'
    text = f"{BLOCKS_FOR_AGES}; {BLOCKS_FOR_AGES} >&2; sleep 0.5; echo ready; exec sleep 1000"
    project.write(table("web", shell(text), check=check), table("api", command("stay")))
    project.do("up", "--no-wait")
    began = time.monotonic()
    project.until_app("api", state="running")
    assert time.monotonic() - began < PATIENCE / 2
    project.until_app("web", state="running")
    project.until_logged("its check for")
    told = [line for line in project.manager_log().splitlines() if "its check for" in line]
    assert len(told) == 1
    assert f"web: its check for `{CATASTROPHIC}|ready` took more than 50 ms on a line of 61 char" in told[0]

    done = project.run("logs", "web", "--grep", CATASTROPHIC)
    assert done.code == 2
    assert f"to look for `{CATASTROPHIC}` took more than 1s in a line of 61 characters of `web`" in done.err
    assert "hint: write it without a repetition in a repetition (`a+`, not `(a+)+`)" in done.err


def test_a_check_that_never_sees_its_line_says_why(project: Project) -> None:
    check = f'{{ log = "{CATASTROPHIC}" }}'
    text = f"{BLOCKS_FOR_AGES}; exec sleep 1000"
    project.write(table("web", shell(text), check=check, start_timeout='"1s"', give_up="{ starts = 1 }"))
    project.run("up", "--no-wait")
    said = project.until_app("web", state="failed")["message"]

    assert f"no line matched `{CATASTROPHIC}` yet, which took more than 50 ms on a line of 61 cha" in said


def test_several_apps_are_merged_by_time(project: Project) -> None:
    project.up(*(table(name, command("count", rate=100, lines=50)) for name in ("web", "api")))
    for name in ("web", "api"):
        project.until(lambda name=name: len(project.lines(name)) == 50, "all of its lines")  # type: ignore[misc]
    found = [json.loads(line) for line in project.do("logs", "--json").out.splitlines()]
    assert [line["at"] for line in found] == sorted(line["at"] for line in found)
    for name in ("web", "api"):
        texts = [line["text"] for line in found if line["app"] == name]
        assert texts == [f"line {number} of its output" for number in range(50)]


def test_a_burst_is_kept_whole_while_another_app_is_answered(project: Project) -> None:
    """A line of 10 MB, and 30 MB of short ones, on both streams at once."""
    burst = (
        "import os, sys\n"
        "if os.fork(): os.write(2, b'y' * 10_000_000 + b'\\n')\n"
        "else: sys.stdout.write(''.join(f'{n}\\n' for n in range(3_000_000)))\n"
        "sys.stdout.flush(); import time; time.sleep(1000)"
    )
    keep = '{ max_size = "100MB" }'
    port = project.port()
    project.up(
        table("web", json.dumps([sys.executable, "-c", burst]), logs=keep),
        table("api", command("serve"), port=port),
    )
    last = ("logs", "web", "--no-prefix", "-n", "1", "--stream")
    project.until(lambda: project.do(*last, "out").out == "2999999\n", "the last line", 60)
    project.until(lambda: len("".join(project.do(*last, "err").out.split())) == 10_000_000, "", 60)
    demand(printed(project, "--stream", "out"), map(str, range(3_000_000)))
    assert project.app("api")["restarts"] == 0


def test_a_line_comes_from_the_stream_and_at_the_time_at_which_it_was_printed(project: Project) -> None:
    before = time.time()
    project.up(table("web", shell("echo out; sleep 0.1; echo err >&2; exec sleep 1000")))
    project.until(lambda: len(project.lines("web")) == 2, "both lines")
    out, err = (json.loads(line) for line in project.do("logs", "web", "--json").out.splitlines())

    assert (out["stream"], err["stream"]) == ("out", "err")
    assert (out["text"], err["text"]) == ("out", "err")
    times = [datetime.fromisoformat(line["at"]).timestamp() for line in (out, err)]
    assert before <= times[0] + 0.01
    assert 0.05 < times[1] - times[0] < PATIENCE
