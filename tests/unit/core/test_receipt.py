"""The receipt of a stop, word for word."""

from __future__ import annotations

from procman.core.receipt import Ended, Receipt

NPM, SH, NODE = Ended("npm", 4711), Ended("sh", 4718), Ended("node", 4733)
STUBBORN = Ended("node", 4733, forced=True)


def test_a_receipt_names_every_process_what_was_forced_and_the_port() -> None:
    receipt = Receipt("web", 0.0, (NPM, SH, STUBBORN), took_s=10.3, forced_after_s=10.0, port=5173)
    assert (
        receipt.text
        == "stopped web: npm 4711, sh 4718, node 4733 (SIGKILL after 10s); port 5173 free after 10.3s"
    )


def test_only_what_lived_until_sigkill_is_said_to_have_been_forced() -> None:
    receipt = Receipt("web", 0.0, (NPM, NODE), took_s=0.31, forced_after_s=10.0, port=5173)
    assert receipt.text == "stopped web: npm 4711, node 4733; port 5173 free after 0.3s"


def test_a_kill_without_a_signal_before_it_is_called_one_at_once() -> None:
    receipt = Receipt("web", 0.0, (STUBBORN,), took_s=0.02, forced_after_s=0.0)
    assert receipt.text == "stopped web: node 4733 (SIGKILL at once); gone after 20ms"


def test_an_app_without_a_port_is_just_gone() -> None:
    assert Receipt("worker", 0.0, (NODE,), took_s=90.0).text == "stopped worker: node 4733; gone after 1m30s"


def test_a_port_that_a_stranger_holds_afterwards_is_not_called_free() -> None:
    receipt = Receipt("web", 0.0, (NODE,), took_s=0.3, port=5173, port_holder="pid 7 (`sshd`)")
    assert receipt.text == "stopped web: node 4733; port 5173 is held by pid 7 (`sshd`)"


def test_a_run_that_left_nothing_behind_took_no_time_to_end() -> None:
    assert Receipt("worker", 0.0, (), took_s=0.0).text == "stopped worker: nothing was left to end"
    assert Receipt("web", 0.0, (), took_s=0.0, port=80).text == (
        "stopped web: nothing was left to end; port 80 free"
    )


def test_survivors_are_named_with_the_time_since_sigkill_and_not_since_the_first_signal() -> None:
    receipt = Receipt(
        "web", 0.0, (NPM,), took_s=12.0, forced_after_s=10.0, port=80, survivors=("node 4733 (state D)",)
    )
    assert receipt.text == "could not stop web: node 4733 (state D) survived SIGKILL for 2s"
