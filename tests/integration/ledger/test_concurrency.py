import pytest
from django.db import transaction

from lilong.foundation.ledger.models import Transfer
from lilong.foundation.ledger.public import AccountKind, GroupResult, get_balances, post_many
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.ledger.services.tail import roll_up
from tests.books import NOW, available_uc, link, open_funded, pend, post, settle
from tests.crowd import run_crowd

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_hundred_threads_in_eight_processes_redeem_exactly_the_worth_of_a_voucher():
    worth_uc = 137
    voucher = open_funded(kind=AccountKind.VOUCHER, restriction="compute", amount_uc=worth_uc)
    escrows = [open_funded(kind=AccountKind.ORDER_ESCROW, restriction="compute") for _ in range(5)]

    def redeem(number: int) -> list[GroupResult]:
        hold = pend(voucher, escrows[number % 5], 1, transfer_id=f"hold.{number}")
        held = post_many(groups=[link(hold, group_id=hold.id)], now=NOW)
        if not held[0].posted:
            return held
        paid = settle(hold, 1, transfer_id=f"settle.{number}")
        return held + post_many(groups=[link(paid, group_id=paid.id)], now=NOW)

    answers = run_crowd(redeem)

    refusals = [result.refusal for results in answers for result in results if not result.posted]
    assert len(answers) == 200
    assert sum(len(results) == 2 for results in answers) == worth_uc
    assert len(refusals) == 200 - worth_uc
    assert all(refusal and refusal.constraint == "ledger_account_floor" for refusal in refusals)
    assert all(refusal and refusal.account_id == voucher and refusal.facts["missing_uc"] == 1 for refusal in refusals)
    balances = get_balances(account_ids=[voucher, *escrows])
    assert (balances[voucher].posted_uc, balances[voucher].pending_out_uc) == (0, 0)
    assert sum(balances[escrow].posted_uc for escrow in escrows) == worth_uc
    assert verify(now=NOW).is_balanced


def test_the_same_group_from_all_sides_at_once_is_posted_once_and_everybody_is_told_so():
    wallet, other = open_funded(amount_uc=100), open_funded()
    group = link(post(wallet, other, 60, transfer_id="once"), group_id="once")

    def send(number: int) -> bool:
        if number % 2:
            return post_many(groups=[group], now=NOW)[0].posted
        with transaction.atomic():
            return post_many(groups=[group], now=NOW)[0].posted

    assert all(run_crowd(send, processes=4, threads=5))
    assert Transfer.objects.filter(pk="once").count() == 1
    assert available_uc(other) == 60


def test_a_hold_that_all_settle_at_once_has_one_resolution():
    wallet, escrow = open_funded(amount_uc=100), open_funded(kind=AccountKind.ORDER_ESCROW)
    payable = open_funded(kind=AccountKind.PROVIDER_ACCRUING)
    hold = pend(wallet, escrow, 50, transfer_id="hold")
    post_many(groups=[link(hold)], now=NOW)

    def end(number: int) -> GroupResult:
        transfers = (
            settle(hold, 20, transfer_id=f"end.{number}"),
            post(escrow, payable, 20, transfer_id=f"pay.{number}"),
        )
        return post_many(groups=[link(*transfers, group_id=f"end.{number}")], now=NOW)[0]

    answers = run_crowd(end, processes=4, threads=5)

    assert [answer.posted for answer in answers].count(True) == 1
    refusals = [answer.refusal for answer in answers if answer.refusal]
    assert {refusal.constraint for refusal in refusals} == {"ledger_transfer_one_resolution"}
    assert get_balances(account_ids=[payable])[payable].posted_uc == 20
    assert verify(now=NOW).is_balanced


def test_money_that_goes_in_circles_while_the_tail_is_rolled_up_is_neither_lost_nor_stuck():
    wallets = [open_funded(amount_uc=1000) for _ in range(3)]
    fee = open_funded(kind=AccountKind.HUB_FEE)

    def circle(number: int) -> bool:
        first, second, third = (wallets[(number + step) % 3] for step in range(3))
        steps = ((first, second, 3), (second, third, 2), (third, fee, 1), (third, first, 1))
        posted = True
        for turn in range(5):
            ids = [f"{number}.{turn}.{step}" for step in range(4)]
            moves = [post(*step, transfer_id=id_) for step, id_ in zip(steps, ids, strict=True)]
            groups = [link(*moves[:3], group_id=ids[0]), link(moves[3], group_id=ids[3])]
            posted = posted and all(result.posted for result in post_many(groups=groups, now=NOW))
            roll_up()
        return posted

    assert all(run_crowd(circle, processes=4, threads=5))
    assert get_balances(account_ids=[fee])[fee].posted_uc == 100
    assert verify(now=NOW).is_balanced
