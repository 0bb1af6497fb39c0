"""Every planted bug is found among the worlds that every run of the tests plays."""

from __future__ import annotations

import pytest

from tests.simulation.world.bugs import BUGS, Bug, planted
from tests.simulation.world.hunt import WORLDS, first_broken

# The first world that finds each bug is played first. Where that has changed, all are played in their order,
# and the number that is found then belongs here: it saves 1,200 worlds, which is 25 s.
FOUND_AT = {
    "starts_the_next_run_while_the_old_tree_lives": 13,
    "restarts_for_a_stranger": 74,
    "counts_could_not_tell_as_down": 4,
    "forgets_its_backoff": 24,
    "never_gives_up": 28,
    "counts_failures_over_restarts": 4,
    "never_forces": 5,
    "starts_again_what_was_stopped_in_its_backoff": 8,
    "forgets_a_stop_during_a_restart": 232,
    "restarts_although_it_is_not_wanted": 0,
    "restarts_what_has_completed": 18,
    "judges_an_adopted_start_by_its_age": 1701,
    "honours_a_timer_of_a_state_that_is_over": 0,
    "takes_the_leader_for_the_tree": 0,
    "believes_a_pid_alone": 875,
    "takes_nothing_back": 0,
    "sees_a_change_in_every_run_taken_back": 0,
    "believes_whoever_answers": 70,
    "starts_on_a_port_that_is_taken": 4,
    "forgets_that_time_stood_still": 292,
    "forgets_dependencies_at_a_restart": 8,
    "stops_everything_at_once": 0,
    "starts_everything_after_an_edit": 0,
    "restarts_an_app_for_any_key": 4,
    "resurrects_what_has_left_the_file": 717,
    "looks_once_at_a_torn_file": 285,
    "never_calls_a_timer_off": 0,
    "keeps_the_ends_of_its_children_open": 0,
    "says_nothing_of_a_run_that_is_left_out": 103,
    "forgets_a_due_run_that_waits": 943,
    "goes_back_an_hour_in_autumn": 3,
    "runs_again_what_has_run_when_the_clock_is_set_back": 101,
    "forgets_a_due_run_that_could_not_be_made": 1550,
    "starts_what_was_stopped_when_a_file_changes": 12,
    "takes_any_file_for_a_watched_one": 6,
    "is_blind_after_the_first_change": 41,
    "takes_the_memory_of_the_leader_for_that_of_the_tree": 1164,
    "restarts_at_the_first_look_at_its_memory": 56,
    "believes_a_line_of_an_earlier_run": 71,
    "overlooks_a_line_that_is_there_already": 291,
    "forgets_after_its_start_that_a_line_is_needed": 933,
    "takes_one_pass_for_all": 26,
    "asks_always_by_sigterm": 7,
    "tries_again_what_was_given_up": 124,
    "applies_without_asking": 4,
    "restarts_every_instance_for_their_number": 1930,
    "loses_its_terminals_in_an_upgrade": 1523,
}


@pytest.mark.timeout(900)  # where all are played, on a machine that has much else to do
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    with planted(bug):
        found = first_broken([*([FOUND_AT[bug.name]] if bug.name in FOUND_AT else []), *range(WORLDS)])
    assert found is not None, f"not found in {WORLDS} worlds; whose: {bug.whose}"
    print(f"found in world {found.seed}: {found.broken}")


def test_every_known_world_is_one_that_is_played_for_a_bug_that_there_is() -> None:
    assert set(FOUND_AT) <= {bug.name for bug in BUGS}
    assert all(0 <= seed < WORLDS for seed in FOUND_AT.values())
