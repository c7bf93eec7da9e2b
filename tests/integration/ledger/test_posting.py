from dataclasses import replace

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.public import (
    AccountKind,
    ShortOfFunds,
    get_balances,
    open_account,
    post_many,
    require_posted,
)
from lilong.foundation.ledger.services.accounts import RestrictionConflict
from tests.books import NOW, available_uc, link, open_funded, pend, post, settle, void

pytestmark = pytest.mark.django_db


def test_opening_the_same_account_again_gives_the_same_id():
    first = open_account(kind=AccountKind.WALLET, owner_id="org_a", purpose="", now=NOW)

    assert open_account(kind=AccountKind.WALLET, owner_id="org_a", purpose="", now=NOW) == first
    assert open_account(kind=AccountKind.WALLET, owner_id="org_a", purpose="trial", now=NOW) != first
    with pytest.raises(RestrictionConflict):
        open_account(kind=AccountKind.WALLET, owner_id="org_a", purpose="", restriction="compute", now=NOW)


def test_a_settlement_moves_what_is_due_and_releases_the_rest():
    wallet, escrow = open_funded(amount_uc=100), open_funded(kind=AccountKind.ORDER_ESCROW)
    payable = open_funded(kind=AccountKind.PROVIDER_ACCRUING)
    hold = pend(wallet, escrow, 80)

    require_posted(results=post_many(groups=[link(hold)], now=NOW))
    assert available_uc(wallet) == 20
    assert get_balances(account_ids=[escrow])[escrow].pending_in_uc == 80

    require_posted(results=post_many(groups=[link(settle(hold, 30), post(escrow, payable, 30))], now=NOW))
    balances = get_balances(account_ids=[wallet, escrow, payable])
    assert [balances[key].posted_uc for key in (wallet, escrow, payable)] == [70, 0, 30]
    assert all(balance.pending_out_uc == balance.pending_in_uc == 0 for balance in balances.values())


def test_a_group_is_posted_entirely_or_not_at_all():
    poor, rich, other = open_funded(amount_uc=5), open_funded(amount_uc=100), open_funded()

    [result] = post_many(groups=[link(post(rich, other, 10), post(poor, other, 6))], now=NOW)

    assert not result.posted
    assert result.refusal is not None
    assert (result.refusal.constraint, result.refusal.account_id) == ("ledger_account_floor", poor)
    assert result.refusal.facts == {"available_uc": 5, "asked_uc": 6, "missing_uc": 1, "limit_uc": 0}
    assert [available_uc(account) for account in (poor, rich, other)] == [5, 100, 0]


def test_a_refused_group_does_not_hinder_the_others_of_its_batch():
    wallet, other = open_funded(amount_uc=10), open_funded()

    results = post_many(groups=[link(post(wallet, other, n)) for n in (4, 7, 5, 2, 1)], now=NOW)

    assert [result.posted for result in results] == [True, False, True, False, True]
    assert (available_uc(wallet), available_uc(other)) == (0, 10)


def test_a_batch_is_posted_as_if_one_group_came_after_the_other():
    poor, rich = open_funded(), open_funded(amount_uc=10)

    results = post_many(
        groups=[link(post(poor, rich, 3)), link(post(rich, poor, 5)), link(post(poor, rich, 3))], now=NOW
    )

    assert [result.posted for result in results] == [False, True, True]


def test_a_batch_may_settle_what_it_holds():
    wallet, escrow = open_funded(amount_uc=10), open_funded(kind=AccountKind.ORDER_ESCROW)
    hold = pend(wallet, escrow, 10)

    results = post_many(groups=[link(hold), link(settle(hold, 4)), link(void(hold))], now=NOW)

    assert [result.posted for result in results] == [True, True, False]
    assert results[2].refusal is not None
    assert results[2].refusal.constraint == "ledger_transfer_one_resolution"


def test_the_same_group_again_changes_nothing_even_when_the_money_is_gone():
    wallet, other = open_funded(amount_uc=10), open_funded()
    group = link(post(wallet, other, 10))

    results = post_many(groups=[group, group], now=NOW) + post_many(groups=[group], now=NOW)

    assert all(result.posted for result in results)
    assert available_uc(other) == 10


@pytest.mark.parametrize("change", [{"amount_uc": 9}, {"code": "gift"}, {"subject": "ord_2"}])
def test_the_same_id_with_another_content_is_refused(change):
    wallet, other = open_funded(amount_uc=10), open_funded()
    transfer = post(wallet, other, 1)
    group = link(transfer)
    post_many(groups=[group], now=NOW)

    [result] = post_many(groups=[replace(group, transfers=(replace(transfer, **change),))], now=NOW)

    assert result.refusal is not None
    assert result.refusal.code == "ledger.transfer_conflict"
    assert available_uc(other) == 1


def test_a_hold_is_not_settled_above_what_it_holds():
    wallet, escrow = open_funded(amount_uc=10), open_funded(kind=AccountKind.ORDER_ESCROW)
    hold = pend(wallet, escrow, 5)
    post_many(groups=[link(hold)], now=NOW)

    [result] = post_many(groups=[link(settle(hold, 6))], now=NOW)

    assert result.refusal is not None
    assert result.refusal.constraint == "ledger_transfer_within_hold"


def test_what_is_held_cannot_be_spent():
    wallet, escrow = open_funded(amount_uc=10), open_funded(kind=AccountKind.ORDER_ESCROW)
    post_many(groups=[link(pend(wallet, escrow, 8))], now=NOW)

    results = post_many(groups=[link(post(wallet, escrow, 3)), link(post(escrow, wallet, 1))], now=NOW)

    with pytest.raises(ShortOfFunds, match=r"has 0\.000002 credits available and would need 0\.000003"):
        require_posted(results=results[:1])
    with pytest.raises(ShortOfFunds):
        require_posted(results=results[1:])


def test_a_voucher_pays_only_for_what_it_is_meant():
    fund = open_funded(kind=AccountKind.PROGRAMME_FUND, amount_uc=100)
    voucher = open_funded(kind=AccountKind.VOUCHER, restriction="compute")
    compute = open_funded(kind=AccountKind.ORDER_ESCROW, restriction="compute")
    wallet = open_funded()
    post_many(groups=[link(post(fund, voucher, 50))], now=NOW)

    results = post_many(
        groups=[link(post(voucher, wallet, 1)), link(post(voucher, compute, 20)), link(post(voucher, fund, 30))],
        now=NOW,
    )

    assert [result.posted for result in results] == [False, True, True]
    assert results[0].refusal is not None
    assert results[0].refusal.constraint == "ledger_voucher_restriction"


def test_a_group_inside_a_transaction_goes_with_it():
    wallet, other = open_funded(amount_uc=10), open_funded()
    group = link(post(wallet, other, 10))
    with transaction.atomic():
        post_many(groups=[group], now=NOW)
        transaction.set_rollback(True)

    assert available_uc(wallet) == 10
    assert post_many(groups=[group], now=NOW)[0].posted


def test_the_database_itself_refuses_an_overdraft():
    wallet = open_funded(amount_uc=10)

    with pytest.raises(IntegrityError, match="ledger_account_floor"), transaction.atomic():
        Account.objects.filter(pk=wallet).update(posted_uc=-1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_transfer SET amount_uc = amount_uc + 1",
        "DELETE FROM ledger_transfer",
        "DELETE FROM ledger_account",
        "UPDATE ledger_account SET kind = 'outside', floor_uc = NULL",
    ],
)
def test_the_database_itself_refuses_to_change_history(statement):
    open_funded(amount_uc=10)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Transfer.objects.count() == 1


def test_a_sum_beyond_what_the_books_can_hold_is_refused_by_name_and_hinders_no_other_group():
    outside, wallet = open_funded(kind=AccountKind.OUTSIDE), open_funded()
    groups = [link(post(outside, wallet, 10**16)) for _ in range(101)]

    results = post_many(groups=[*groups, link(post(wallet, outside, 1))], now=NOW)

    assert [result.posted for result in results] == [True] * 100 + [False, True]
    assert results[100].refusal is not None
    assert results[100].refusal.constraint == "ledger_account_range"


def test_a_correction_is_a_transfer_of_its_own_that_names_what_it_puts_right():
    wallet, fee = open_funded(amount_uc=10), open_funded(kind=AccountKind.HUB_FEE)
    mistaken = post(wallet, fee, 6)
    correction = replace(post(fee, wallet, 2, code="correction"), corrects=mistaken.id)

    results = post_many(
        groups=[link(mistaken), link(correction), link(replace(correction, id="x", corrects="y"))], now=NOW
    )

    assert [result.posted for result in results] == [True, True, False]
    assert available_uc(wallet) == 6
    assert Transfer.objects.get(pk=correction.id).corrects_id == mistaken.id
