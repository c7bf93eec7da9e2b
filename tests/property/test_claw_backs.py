"""Asked back, eased, returned and taken in any order: programme, wallet and debt always come to the same sum."""

from hypothesis import given
from hypothesis import strategies as st

from lilong.platforms.funding.core.claw_back import plan_steps, sum_due

amounts = st.integers(0, 10**12) | st.integers(0, 20)
uses = st.lists(st.tuples(amounts, amounts), max_size=5)
changes = st.lists(st.tuples(uses, st.booleans(), amounts, amounts), max_size=8)


@given(changes)
def test_steps_move_no_more_than_there_is_and_end_where_all_that_is_due_is_claimed_or_waits_for_money(changes):
    """wallet, fund and owed are balances; what others put into wallet or fund in between is drawn by chance."""
    claimed_uc = taken_uc = wallet_uc = fund_uc = 0
    for asked, is_overturned, top_up_uc, fund_in_uc in changes:
        wallet_uc, fund_uc = wallet_uc + top_up_uc, fund_uc + fund_in_uc
        before_uc = wallet_uc + fund_uc
        due_uc = sum_due(asked=asked, is_overturned=is_overturned)

        steps = plan_steps(
            due_uc=due_uc, claimed_uc=claimed_uc, taken_uc=taken_uc, wallet_uc=wallet_uc, fund_uc=fund_uc
        )
        assert min(steps.claim_uc, steps.ease_uc, steps.return_uc, steps.take_uc) >= 0
        assert steps.return_uc <= fund_uc
        assert steps.take_uc <= wallet_uc
        claimed_uc += steps.claim_uc - steps.ease_uc - steps.return_uc
        taken_uc += steps.take_uc - steps.return_uc
        wallet_uc += steps.return_uc - steps.take_uc
        fund_uc += steps.take_uc - steps.return_uc

        assert wallet_uc + fund_uc == before_uc
        assert 0 <= taken_uc <= claimed_uc
        assert claimed_uc == due_uc or (claimed_uc == taken_uc > due_uc and fund_uc == 0)
        assert taken_uc == claimed_uc or wallet_uc == 0
        again = plan_steps(
            due_uc=due_uc, claimed_uc=claimed_uc, taken_uc=taken_uc, wallet_uc=wallet_uc, fund_uc=fund_uc
        )
        assert not any((again.claim_uc, again.ease_uc, again.return_uc, again.take_uc))


@given(uses, st.booleans())
def test_what_is_due_is_never_more_than_was_used_less_what_refunds_gave_back(asked, is_overturned):
    due_uc = sum_due(asked=asked, is_overturned=is_overturned)

    assert 0 <= due_uc <= sum(used_uc for _, used_uc in asked)
    assert due_uc <= sum(asked_uc for asked_uc, _ in asked)
