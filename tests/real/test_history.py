"""What a manager keeps of its own life and of its apps, and how much of it, as its user says."""

from __future__ import annotations

import os
import signal
from typing import Any

from procman.core.journal import Kind, Record
from procman.history.read import records
from tests.real.project import QUICK, Project, command, table


def kept(project: Project, app: str | None = None, kind: Kind | None = None) -> list[Record]:
    """Return what is kept of an app."""
    return list(
        records(project.home / "history.db", apps=None if app is None else [app], kinds=kind and [kind])
    )


def managers(project: Project) -> list[str]:
    """Return what is told of managers alone."""
    return [record.data["event"] for record in kept(project, kind=Kind.MANAGER) if record.app is None]


def test_a_manager_tells_of_its_beginning_its_successors_and_its_end(project: Project) -> None:
    project.up(table("web", command("stay")))
    pid, version = project.manager(), project.status()["manager"]["version"]
    project.do("upgrade")
    project.do("down")
    project.do("up")
    project.do("down")

    assert managers(project) == ["began", "replaced", "began", "ended", "began", "ended"]
    first, second, *_ = kept(project, kind=Kind.MANAGER)
    assert first.number == 1
    assert first.data == {"event": "began", "pid": pid, "version": version}
    assert first.text == f"manager {pid}, version {version}, begins"
    assert (
        second.text == f"manager {pid}, version {version}, makes room for the version that is installed now"
    )
    (taken,) = kept(project, "web", Kind.MANAGER)
    assert taken.data["event"] == "took back"
    assert kept(project)[-1].data["event"] == "ended", "nothing comes after it"


def lines(project: Project, run: int) -> list[dict[str, Any]]:
    """Return the lines that are kept with the evidence of a run."""
    (evidence,) = [record for record in kept(project, "web", Kind.EVIDENCE) if record.run == run]
    found: list[dict[str, Any]] = evidence.data["lines"]
    return found


def test_evidence_has_the_last_lines_of_its_run_and_of_no_other(project: Project) -> None:
    project.up(table("web", command("count", rate=100_000, lines=300)))
    project.until(lambda: len(project.lines("web")) == 300, "all lines")
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    project.until(lambda: len(project.lines("web")) == 600, "all lines of the second run")
    project.until(lambda: kept(project, "web", Kind.EVIDENCE), "the evidence")

    found = lines(project, run=1)
    assert [line["text"] for line in found] == [f"line {number} of its output" for number in range(100, 300)]
    assert {line["stream"] for line in found} == {"out"}
    assert all(line["at"].endswith("Z") for line in found)


LONG = r"""
printf '\033[31mred\033[0m\t\007bell\n'; head -c 3000000 /dev/zero | tr '\0' x; echo; printf 'no end \377' >&2
exec sleep 600
"""


def test_lines_of_evidence_are_short_and_harmless(project: Project) -> None:
    script = project.path("long.sh")
    script.write_text(LONG)
    project.up(table("web", f'["sh", "{script}"]'))
    project.until(lambda: "no end" in project.do("logs", "web").out, "all that it prints")
    os.kill(project.app("web")["pid"], signal.SIGKILL)
    project.until_app("web", state="running", restarts=1)
    project.until(lambda: kept(project, "web", Kind.EVIDENCE), "the evidence")

    found = [(line["stream"], line["text"]) for line in lines(project, run=1)]
    assert sorted(found) == [("err", "no end �"), ("out", "red\tbell"), ("out", "x" * 2000)]


def test_a_smaller_budget_is_applied_as_the_manager_runs(project: Project) -> None:
    small = QUICK.replace("[manager]", '[manager]\nhistory = { max_size = "1MB", keep = "1h" }')
    project.up(table("web", command("stay")))
    before = project.manager(), project.app("web")["pid"]
    project.write(table("web", command("stay")), head=small)

    project.until_logged("the file was applied: live [manager] `history.max_size`, `history.keep`")
    assert (project.manager(), project.app("web")["pid"]) == before
    assert project.status()["manager"]["history_problem"] is None
    project.write(table("web", command("stay")))
    project.until(lambda: project.manager_log().count("live [manager]") == 2, "the second edit is applied")
