from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lilong.foundation.ledger.core.accounts import Account, AccountKind
from lilong.foundation.ledger.core.posting import Known, Prepared, Replayed, prepare_group
from lilong.foundation.ledger.core.transfers import (
    AMOUNT_MAX_UC,
    Entry,
    LinkGroup,
    Refusal,
    Transfer,
    TransferKind,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAY = Transfer(
    id="pay",
    kind=TransferKind.POST,
    debit_account="a",
    credit_account="b",
    amount_uc=5,
    code="pay",
    subject="ord_1",
    effective_at=NOW,
)
HOLD = replace(PAY, id="hold", kind=TransferKind.PEND)
SETTLE = replace(PAY, id="end", kind=TransferKind.SETTLE, pending_id="hold")
ACCOUNTS = {
    id_: Account(id=id_, kind=AccountKind.WALLET, owner_id="org", purpose=id_, restriction="")
    for id_ in ("a", "b", "c")
}


def judge(*transfers: Transfer, known: tuple[Entry, ...] = (), resolved_by: dict[str, str] | None = None) -> object:
    books = Known(
        accounts=ACCOUNTS, entries={entry.transfer.id: entry for entry in known}, resolved_by=resolved_by or {}
    )
    return prepare_group(group=LinkGroup("g", transfers), known=books, now=NOW)


@pytest.mark.parametrize(
    "transfers",
    [
        (),
        (PAY, PAY),
        (replace(PAY, id=""),),
        (replace(PAY, id="x" * 65),),
        (replace(PAY, code=""),),
        (replace(PAY, subject="x" * 65),),
        (replace(PAY, amount_uc=-1),),
        (replace(PAY, amount_uc=AMOUNT_MAX_UC + 1),),
        (replace(PAY, credit_account="a"),),
        (replace(PAY, pending_id="hold"),),
        (replace(SETTLE, pending_id=None),),
        (replace(SETTLE, kind=TransferKind.VOID),),
        (SETTLE, replace(SETTLE, id="again")),
    ],
)
def test_a_malformed_group_is_refused_whatever_the_books_hold(transfers):
    refusal = judge(*transfers, known=(Entry(HOLD, "h"),))

    assert isinstance(refusal, Refusal)
    assert refusal.constraint == "ledger_transfer_form"


@pytest.mark.parametrize(
    ("transfer", "constraint"),
    [
        (replace(PAY, debit_account="nobody"), "ledger_transfer_account"),
        (replace(PAY, effective_at=NOW + timedelta(seconds=1)), "ledger_transfer_effective"),
        (replace(PAY, corrects="nothing"), "ledger_transfer_corrects"),
        (replace(SETTLE, pending_id="nothing"), "ledger_transfer_pending"),
        (replace(SETTLE, credit_account="c"), "ledger_transfer_pending"),
        (replace(SETTLE, pending_id="paid"), "ledger_transfer_pending"),
        (replace(SETTLE, amount_uc=6), "ledger_transfer_within_hold"),
    ],
)
def test_a_refusal_names_its_constraint_and_what_would_pass(transfer, constraint):
    refusal = judge(transfer, known=(Entry(HOLD, "h"), Entry(replace(PAY, id="paid"), "p")))

    assert isinstance(refusal, Refusal)
    assert refusal.constraint == constraint
    assert refusal.next_step


def test_a_resolved_hold_is_not_resolved_again():
    refusal = judge(SETTLE, known=(Entry(HOLD, "h"),), resolved_by={"hold": "first"})

    assert isinstance(refusal, Refusal)
    assert refusal.facts == {"pending_id": "hold", "resolved_by": "first"}


def test_a_settlement_carries_what_was_held():
    prepared = judge(SETTLE, known=(Entry(HOLD, "h"),))

    assert isinstance(prepared, Prepared)
    assert [entry.held_uc for entry in prepared.entries] == [5]


def test_a_group_is_a_replay_only_as_a_whole():
    second = replace(PAY, id="second")

    assert isinstance(judge(PAY, second, known=(Entry(PAY, "g"), Entry(second, "g"))), Replayed)
    assert isinstance(judge(PAY, second, known=(Entry(PAY, "g"),)), Refusal)
    assert isinstance(judge(PAY, known=(Entry(PAY, "another group"),)), Refusal)
    assert isinstance(judge(replace(PAY, effective_at=NOW - timedelta(days=1)), known=(Entry(PAY, "g"),)), Replayed)
