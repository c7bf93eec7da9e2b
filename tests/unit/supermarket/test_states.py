import pytest

from lilong.platforms.supermarket.core.states import TRANSITIONS, OrderState, OrderStep, StepImpossible, take_step

GOLDEN = """\
active    + end           -> settling
approved  + hand_back     -> cancelled
approved  + lapse         -> expired
awaiting  + approve       -> approved
awaiting  + ask_review    -> awaiting
awaiting  + deny          -> refused
awaiting  + hand_back     -> cancelled
awaiting  + hold          -> held
awaiting  + lapse         -> expired
disputed  + close_dispute -> settled
draft     + lapse         -> expired
draft     + refuse        -> refused
draft     + sign_quote    -> quoted
held      + submit        -> placed
placed    + end           -> settling
placed    + start         -> active
quoted    + ask_approval  -> awaiting
quoted    + ask_review    -> awaiting
quoted    + hand_back     -> cancelled
quoted    + hold          -> held
quoted    + lapse         -> expired
settled   + dispute       -> disputed
settling  + settle        -> settled"""


def test_the_table_of_order_states_is_the_published_one():
    rows = sorted(f"{state:<9} + {step:<13} -> {after}" for (state, step), after in TRANSITIONS.items())

    assert "\n".join(rows) == GOLDEN


def test_every_other_step_is_refused():
    refused = 0
    for state in OrderState:
        for step in OrderStep:
            if (state, step) not in TRANSITIONS:
                with pytest.raises(StepImpossible):
                    take_step(state=state, step=step)
                refused += 1

    assert refused == len(OrderState) * len(OrderStep) - len(TRANSITIONS)


def test_money_is_held_in_every_state_between_hold_and_settle_and_every_such_order_can_settle():
    holding = {OrderState.HELD, OrderState.PLACED, OrderState.ACTIVE, OrderState.SETTLING}

    for state in holding:
        ends = {after for (before, _), after in TRANSITIONS.items() if before is state}
        assert ends <= holding | {OrderState.SETTLED}
        assert ends
