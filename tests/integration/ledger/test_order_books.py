"""What must hold for every order, whatever was due: nothing stays in escrow, and the order of postings is nothing."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lilong.foundation.ledger.public import (
    AccountKind,
    Balance,
    LinkGroup,
    get_balances,
    post_many,
    require_posted,
    roll_hold,
)
from lilong.platforms.funding.core.split import Share, split_due
from tests.books import NOW, link, open_funded, pend, post, settle

pytestmark = pytest.mark.django_db
UC = st.integers(0, 10**9)
SOME = hypothesis_settings(max_examples=40)


def balances_of(accounts) -> list[Balance]:
    return list(get_balances(account_ids=accounts).values())


@SOME
@given(holds_uc=st.lists(UC, min_size=1, max_size=4), share_ppm=st.lists(st.integers(0, 10**6), min_size=4, max_size=4))
def test_what_is_paid_and_what_is_refunded_are_what_was_held_and_the_escrow_is_empty(holds_uc, share_ppm):
    payers = [open_funded(amount_uc=held_uc) for held_uc in holds_uc]
    escrow, payable = open_funded(kind=AccountKind.ORDER_ESCROW), open_funded(kind=AccountKind.PROVIDER_ACCRUING)
    holds = [pend(payer, escrow, held_uc) for payer, held_uc in zip(payers, holds_uc, strict=True)]
    require_posted(results=post_many(groups=[link(*holds)], now=NOW))

    dues_uc = [held_uc * ppm // 10**6 for held_uc, ppm in zip(holds_uc, share_ppm, strict=False)]
    settled = [settle(hold, due_uc) for hold, due_uc in zip(holds, dues_uc, strict=True)]
    require_posted(results=post_many(groups=[link(*settled, post(escrow, payable, sum(dues_uc)))], now=NOW))

    assert balances_of([escrow]) == [Balance(0, 0, 0)]
    refunds_uc = [balance.available_uc for balance in balances_of(payers)]
    assert [due + refund for due, refund in zip(dues_uc, refunds_uc, strict=True)] == holds_uc
    assert balances_of([payable])[0].posted_uc == sum(dues_uc)


@SOME
@given(amounts=st.lists(UC, min_size=1, max_size=6), data=st.data())
def test_the_same_groups_in_any_order_and_any_batches_give_the_same_balances(amounts, data):
    def play(order: list[int], cuts: list[int]) -> list[Balance]:
        wallet, escrow = open_funded(amount_uc=sum(amounts)), open_funded(kind=AccountKind.ORDER_ESCROW)
        fee = open_funded(kind=AccountKind.HUB_FEE)
        holds = [pend(wallet, escrow, amount_uc) for amount_uc in amounts]
        ends = [link(settle(hold, hold.amount_uc // 3), post(escrow, fee, hold.amount_uc // 3)) for hold in holds]
        for groups in ([link(hold) for hold in holds], ends):
            ordered = [groups[number] for number in order]
            for start, stop in zip([0, *cuts], [*cuts, len(order)], strict=True):
                require_posted(results=post_many(groups=ordered[start:stop], now=NOW))
        return balances_of([wallet, escrow, fee])

    numbers = list(range(len(amounts)))
    order = data.draw(st.permutations(numbers))
    cuts = sorted(data.draw(st.sets(st.sampled_from(numbers))))

    assert play(order, cuts) == play(numbers, [])


@SOME
@given(rate_ppm=st.integers(0, 10**6), max_uc=UC, used_ppm=st.integers(0, 10**6))
def test_a_voucher_and_a_wallet_pay_their_split_and_get_the_rest_of_theirs_back(rate_ppm, max_uc, used_ppm):
    shares = [Share(rate_ppm=rate_ppm, cap_uc=max_uc // 2)]
    held, due_uc = split_due(due_uc=max_uc, shares=shares), max_uc * used_ppm // 10**6
    due = split_due(due_uc=due_uc, shares=shares)
    voucher = open_funded(kind=AccountKind.VOUCHER, restriction="compute", amount_uc=held.vouchers_uc[0])
    wallet = open_funded(amount_uc=held.wallet_uc)
    escrow = open_funded(kind=AccountKind.ORDER_ESCROW, restriction="compute")
    holds = pend(voucher, escrow, held.vouchers_uc[0]), pend(wallet, escrow, held.wallet_uc)
    require_posted(results=post_many(groups=[link(*holds)], now=NOW))

    ends = settle(holds[0], due.vouchers_uc[0]), settle(holds[1], due.wallet_uc)
    require_posted(results=post_many(groups=[link(*ends)], now=NOW))

    left = [held.vouchers_uc[0] - due.vouchers_uc[0], held.wallet_uc - due.wallet_uc]
    assert [balance.available_uc for balance in balances_of([voucher, wallet])] == left
    assert balances_of([escrow]) == [Balance(due_uc, 0, 0)]


@SOME
@given(steps_uc=st.lists(st.tuples(UC, st.integers(0, 10**6)), min_size=1, max_size=5))
def test_a_rolling_hold_never_needs_more_than_the_next_step(steps_uc):
    dues_uc = [held_uc * ppm // 10**6 for held_uc, ppm in steps_uc]
    needed_uc = max(sum(dues_uc[:number]) + held_uc for number, (held_uc, _) in enumerate(steps_uc))
    wallet, escrow = open_funded(amount_uc=needed_uc), open_funded(kind=AccountKind.ORDER_ESCROW)
    hold = pend(wallet, escrow, steps_uc[0][0])
    require_posted(results=post_many(groups=[link(hold)], now=NOW))

    for number, (due_uc, (next_uc, _)) in enumerate(zip(dues_uc, steps_uc[1:], strict=False)):
        group: LinkGroup = roll_hold(
            hold=hold, due_uc=due_uc, next_id=f"{wallet}.{number}", next_uc=next_uc, effective_at=NOW
        )
        require_posted(results=post_many(groups=[group, group], now=NOW))
        hold = group.transfers[1]

    [balance] = balances_of([wallet])
    assert balance.posted_uc == needed_uc - sum(dues_uc[:-1])
    assert balance.pending_out_uc == steps_uc[-1][0]
