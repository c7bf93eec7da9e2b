from pathlib import Path

import pytest

from lilong.foundation.runs.core.table import REASONS, STATES, next_state, render_table
from lilong.protocol.messages import AttemptState, Reason


def test_the_table_is_the_one_that_was_agreed():
    assert render_table() == Path(__file__).with_name("attempt_table.txt").read_text(encoding="utf-8")


def test_every_state_and_every_reason_has_a_rule():
    assert set(STATES) == set(AttemptState)
    assert set(REASONS) == set(Reason)


@pytest.mark.parametrize("state", AttemptState)
def test_no_observation_moves_an_attempt_back(state):
    for observed in AttemptState:
        assert STATES[next_state(state, observed)].phase >= STATES[state].phase
