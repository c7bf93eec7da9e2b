import json
from datetime import timedelta

import pytest
from django.core.management import call_command

from lilong.common.errors import NotAllowed
from lilong.common.paging import CursorInvalid
from lilong.foundation.ledger.core.transfers import TransferKind
from lilong.foundation.ledger.models import Account, Tail
from lilong.foundation.ledger.public import (
    AccountKind,
    export_csv,
    get_balances,
    list_open_holds,
    list_transfers,
    post_many,
    require_posted,
)
from lilong.foundation.ledger.queries.accounts import AccountMissing, get_account, list_accounts
from lilong.foundation.ledger.queries.transfers import list_account_transfers
from lilong.foundation.ledger.queries.verification import verify
from lilong.foundation.ledger.services.periods import PeriodImpossible, close_period
from lilong.foundation.ledger.services.tail import roll_up
from tests.actors import make_operator, make_person
from tests.books import NOW, build, link, open_funded, pend, post, settle, void

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def post_at(debit: str, credit: str, amount_uc: int, at, *, recorded=None) -> None:
    transfer = build(TransferKind.POST, debit, credit, amount_uc, transfer_id="", code="pay", effective_at=at)
    require_posted(results=post_many(groups=[link(transfer)], now=recorded or at))


def test_a_floorless_account_is_not_touched_until_its_tail_is_rolled_up():
    wallet, fee = open_funded(amount_uc=100), open_funded(kind=AccountKind.HUB_FEE)
    for amount_uc in (1, 2, 3):
        require_posted(results=post_many(groups=[link(post(wallet, fee, amount_uc))], now=NOW))

    assert Account.objects.get(pk=fee).posted_uc == 0
    assert get_balances(account_ids=[fee])[fee].posted_uc == 6
    assert roll_up() == Tail.objects.count() + 4  # three fees and what came from outside
    assert Account.objects.get(pk=fee).posted_uc == 6
    assert get_balances(account_ids=[fee])[fee].posted_uc == 6


def test_a_balance_as_of_a_past_moment_leaves_out_what_came_later():
    wallet, escrow = open_funded(amount_uc=100), open_funded(kind=AccountKind.ORDER_ESCROW)
    hold = pend(wallet, escrow, 40)
    require_posted(results=post_many(groups=[link(hold)], now=NOW))
    later = build(
        *(TransferKind.SETTLE, wallet, escrow, 30),
        transfer_id="",
        code="settle",
        pending_id=hold.id,
        effective_at=NOW + HOUR,
    )
    require_posted(results=post_many(groups=[link(later)], now=NOW + HOUR))

    before, during, after = (
        get_balances(account_ids=[wallet], at=at)[wallet] for at in (NOW - HOUR, NOW, NOW + 2 * HOUR)
    )
    assert before.available_uc == 0
    assert (during.posted_uc, during.pending_out_uc) == (100, 40)
    assert (after.posted_uc, after.pending_out_uc) == (70, 0)
    assert after == get_balances(account_ids=[wallet])[wallet]


def test_what_comes_late_for_a_closed_period_is_told_how_to_enter_the_next():
    wallet, other = open_funded(amount_uc=100), open_funded()
    end = NOW + HOUR
    close_period(actor=make_operator(), ends_at=end, now=end)
    late = build(TransferKind.POST, wallet, other, 5, transfer_id="", code="usage", effective_at=NOW)

    [result] = post_many(groups=[link(late)], now=end + HOUR)

    assert result.refusal is not None
    assert result.refusal.constraint == "ledger_period_open"
    assert result.refusal.facts == {"closed_until": "2026-03-01T13:00:00.000000Z"}
    post_at(wallet, other, 5, end, recorded=end + HOUR)
    assert get_balances(account_ids=[other], at=NOW)[other].posted_uc == 0
    assert get_balances(account_ids=[other], at=end)[other].posted_uc == 5


def test_balances_after_closed_periods_are_those_without():
    wallet, other, fee = open_funded(amount_uc=100), open_funded(), open_funded(kind=AccountKind.HUB_FEE)
    moments = [NOW + n * HOUR for n in range(6)]
    for at in moments:
        post_at(wallet, other, 3, at)
        post_at(wallet, fee, 2, at)
    accounts = [wallet, other, fee]
    expected = [get_balances(account_ids=accounts, at=at) for at in moments]

    for end in (moments[2], moments[4]):
        close_period(actor=make_operator(), ends_at=end, now=moments[5])

    assert [get_balances(account_ids=accounts, at=at) for at in moments] == expected
    assert verify(now=NOW).is_balanced


def test_periods_close_in_order_by_operators_and_not_in_the_future():
    close_period(actor=make_operator(), ends_at=NOW, now=NOW)

    for ends_at in (NOW, NOW - HOUR, NOW + 2 * HOUR):
        with pytest.raises(PeriodImpossible):
            close_period(actor=make_operator(), ends_at=ends_at, now=NOW + HOUR)
    with pytest.raises(NotAllowed):
        close_period(actor=make_person(), ends_at=NOW + HOUR, now=NOW + HOUR)


def test_verify_names_every_account_whose_sum_was_changed_behind_the_ledger(capsys):
    wallet, other = open_funded(amount_uc=100), open_funded(amount_uc=7)
    call_command("ledger_verify")
    assert json.loads(capsys.readouterr().out)["is_balanced"] is True
    Account.objects.filter(pk=wallet).update(posted_uc=101)

    call_command("ledger_verify")

    [difference] = verify(now=NOW).differences
    assert difference.where == f"account {wallet}"
    assert (difference.stored[:13], difference.recomputed[:13]) == ("posted 101 uc", "posted 100 uc")
    told = capsys.readouterr().out
    assert json.loads(told)["is_balanced"] is False
    assert wallet in told
    assert other not in told


def test_open_holds_are_those_that_nothing_resolved():
    wallet, escrow = open_funded(amount_uc=100), open_funded(kind=AccountKind.ORDER_ESCROW)
    holds = [pend(wallet, escrow, n) for n in (1, 2, 3)]
    post_many(groups=[link(hold) for hold in holds], now=NOW)
    post_many(groups=[link(settle(holds[0], 1)), link(void(holds[2]))], now=NOW)

    assert [hold.id for hold in list_open_holds(before=NOW + HOUR, limit=9)] == [holds[1].id]
    assert not list_open_holds(before=NOW, limit=9)


def test_the_csv_of_a_subject_is_the_same_bytes_whatever_the_order_of_writing():
    wallet, escrow = open_funded(amount_uc=100), open_funded(kind=AccountKind.ORDER_ESCROW)
    hold = pend(wallet, escrow, 10, transfer_id="ord_1.hold")
    post_many(groups=[link(hold, group_id="g1"), link(void(hold, transfer_id="ord_1.a"), group_id="g2")], now=NOW)

    text = export_csv(subject="ord_1").decode()

    assert "\r" not in text
    rows = [line.split(",") for line in text.splitlines()]
    assert rows[0][:5] == ["id", "link_id", "kind", "pending_id", "debit_account"]
    assert ["ord_1.a", "g2", "void", "ord_1.hold", wallet, escrow, "wallet", "order_escrow", "0"] == rows[1][:9]
    assert rows[2][0] == "ord_1.hold"
    assert export_csv(subject="ord_1").decode() == text
    assert list_transfers(subject="") == []


def test_pages_of_an_account_meet_every_transfer_once_latest_first():
    wallet, other = open_funded(amount_uc=100), open_funded()
    for n in range(7):
        post_at(*((wallet, other) if n % 3 else (other, wallet)), 0, NOW + (n // 2) * HOUR)
    operator = make_operator()

    page = list_account_transfers(actor=operator, account_id=other, cursor=None, limit=2)
    seen = list(page.items)
    while page.next_cursor:
        page = list_account_transfers(actor=operator, account_id=other, cursor=page.next_cursor, limit=2)
        seen += page.items

    assert len(seen) == len({view.id for view in seen}) == 7
    assert seen == sorted(seen, key=lambda view: (view.effective_at, view.id), reverse=True)
    with pytest.raises(CursorInvalid):
        list_account_transfers(actor=operator, account_id=other, cursor="bm9uc2Vuc2U", limit=2)


def test_accounts_of_others_do_not_exist():
    wallet = open_funded(amount_uc=5)
    owner = make_person(organisation_id=Account.objects.get(pk=wallet).owner_id)

    assert get_account(actor=owner, account_id=wallet).balance.posted_uc == 5
    assert [account.id for account in list_accounts(actor=owner, cursor=None, limit=5).items] == [wallet]
    assert not list_accounts(actor=make_person(), cursor=None, limit=5).items
    with pytest.raises(AccountMissing):
        get_account(actor=make_person(), account_id=wallet)
    with pytest.raises(AccountMissing):
        list_account_transfers(actor=make_person(), account_id=wallet, cursor=None, limit=5)
    with pytest.raises(AccountMissing):
        get_balances(account_ids=[wallet, "acc_none"])
