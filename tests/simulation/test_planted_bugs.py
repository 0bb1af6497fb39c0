"""Every planted bug is found among the worlds that every run of the tests plays."""

from __future__ import annotations

import pytest

from tests.simulation.world.bugs import BUGS, Bug, planted
from tests.simulation.world.hunt import WORLDS, first_broken

# The first world that finds each bug is played first. Where that has changed, all are played in their order,
# and the number that is found then belongs here: it saves 1,200 worlds, which is 25 s.
FOUND_AT = {
    "starts_the_next_run_while_the_old_tree_lives": 0,
    "restarts_for_a_stranger": 5,
    "counts_could_not_tell_as_down": 82,
    "forgets_its_backoff": 17,
    "never_gives_up": 7,
    "counts_failures_over_restarts": 3,
    "never_forces": 0,
    "starts_again_what_was_stopped_in_its_backoff": 100,
    "forgets_a_stop_during_a_restart": 153,
    "restarts_although_it_is_not_wanted": 0,
    "restarts_what_has_completed": 0,
    "judges_an_adopted_start_by_its_age": 270,
    "takes_the_leader_for_the_tree": 0,
    "believes_a_pid_alone": 53,
    "takes_nothing_back": 65,
    "sees_a_change_in_every_run_taken_back": 10,
    "believes_whoever_answers": 48,
    "starts_on_a_port_that_is_taken": 20,
    "forgets_that_time_stood_still": 39,
    "forgets_dependencies_at_a_restart": 62,
    "stops_everything_at_once": 3,
    "starts_everything_after_an_edit": 0,
    "restarts_an_app_for_any_key": 94,
    "resurrects_what_has_left_the_file": 123,
    "looks_once_at_a_torn_file": 41,
    "never_calls_a_timer_off": 0,
    "keeps_the_ends_of_its_children_open": 0,
    "honours_a_timer_of_a_state_that_is_over": 1,
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
