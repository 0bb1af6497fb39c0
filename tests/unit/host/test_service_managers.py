"""What is asked of `systemctl` and `launchctl`, and what their answers mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from procman.host.linux.systemd import Systemd
from procman.host.macos.launchd import NOT_FOUND, Launchd
from procman.host.service_manager import Answer, NotDone, ServiceState, ask


class Programs:
    """Answers for the programs of a system: the first that fits what was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, words: Sequence[str], _variables: Mapping[str, str]) -> Answer:
        """Return the answer whose name is among the words."""
        self.asked.append(" ".join(words))
        fitting = (answer for name, answer in self.answers.items() if name in words)
        return next(fitting, Answer(0, "", ""))


SHOWN = """\
Result=success
MainPID=4711
StatusText=3 apps running, 1 failed: api
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
"""
LOADED = "LoadState=loaded\n"
PRINTED = "gui/501/procman.shop = {\n\tstate = running\n\tpid = 4711\n\tlast exit code = 0\n}\n"


def test_systemd_says_how_a_service_is() -> None:
    programs = Programs(show=Answer(0, SHOWN, ""))
    state = Systemd(system=True, ask=programs).state("procman-shop")
    assert state == ServiceState(True, True, "active", 4711, "3 apps running, 1 failed: api")
    assert programs.asked[0].startswith("systemctl --no-pager show procman-shop.service --property=")


@pytest.mark.parametrize(
    ("shown", "word", "error"),
    [
        (
            "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=watchdog\n",
            "failed (failed)",
            "watchdog",
        ),
        (f"{LOADED}ActiveState=inactive\nSubState=dead\nMainPID=0\n", "inactive", ""),
        ("LoadState=not-found\nActiveState=inactive\n", "not installed", ""),
    ],
)
def test_systemd_says_how_it_ended(shown: str, word: str, error: str) -> None:
    state = Systemd(system=False, ask=Programs(show=Answer(0, shown, ""))).state("procman-shop")
    assert (state.word, state.error, state.pid, state.is_enabled) == (word, error, None, False)


def test_a_failed_start_shows_what_the_journal_has() -> None:
    programs = Programs(
        start=Answer(1, "", "Job for procman-shop.service failed.\n"),
        journalctl=Answer(0, "portwatch.toml:3:8: apps.web.port: expected 1 to 65535\n", ""),
    )
    with pytest.raises(NotDone) as failed:
        Systemd(system=True, ask=programs).start("procman-shop")
    assert failed.value.message == (
        "`procman-shop` did not start:\n  portwatch.toml:3:8: apps.web.port: expected 1 to 65535"
    )
    assert failed.value.hint == "`systemctl status procman-shop` says how it is now"


def test_without_systemd_or_a_session_it_says_what_to_do() -> None:
    with pytest.raises(NotDone, match="systemd does not run here"):
        Systemd(system=True, ask=Programs(show=Answer(127, "", "there is no `systemctl` here"))).demand()
    with pytest.raises(NotDone, match="does not answer: No medium found") as refused:
        Systemd(system=False, ask=Programs(show=Answer(1, "", "No medium found\n"))).demand()
    assert refused.value.hint is not None
    assert "sudo loginctl enable-linger" in refused.value.hint


def test_a_refusal_is_told_as_it_was_said() -> None:
    systemd = Systemd(system=False, ask=Programs(enable=Answer(1, "", "Failed: read-only\n")))
    with pytest.raises(NotDone, match=r"`systemctl enable procman-shop\.service` failed: Failed: read-only"):
        systemd.enable("procman-shop")
    systemd = Systemd(system=False, ask=Programs(loginctl=Answer(1, "", "Access denied\n")))
    with pytest.raises(NotDone, match="lingering could not be enabled: Access denied"):
        systemd.linger()


def test_launchd_says_how_a_service_is() -> None:
    state = Launchd(system=False, ask=Programs(print=Answer(0, PRINTED, ""))).state("procman-shop")
    assert (state.is_known, state.word, state.pid, state.error) == (True, "running", 4711, "")
    gone = Launchd(system=False, ask=Programs(print=Answer(NOT_FOUND, "", "Could not find service"))).state(
        "x"
    )
    assert gone == ServiceState()


def test_launchd_is_asked_to_load_what_it_does_not_know() -> None:
    programs = Programs(print=Answer(NOT_FOUND, "", ""))
    Launchd(system=True, ask=programs).start("procman-shop")
    assert programs.asked[1:] == [
        "launchctl bootstrap system /Library/LaunchDaemons/procman.shop.plist",
        "launchctl kickstart system/procman.shop",
    ]
    assert Launchd(system=True).name_of("procman.shop.plist") == "procman-shop"


def test_a_real_program_is_run_and_a_missing_one_is_said() -> None:
    done = ask(("sh", "-c", "echo $LC_ALL $MORE; echo no >&2; exit 3"), {"MORE": "yes"})
    assert done == Answer(3, "C.UTF-8 yes\n", "no\n")
    assert ask(("/no/such/program",), {}) == Answer(127, "", "there is no `/no/such/program` here")
