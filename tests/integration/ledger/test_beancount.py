import os

import pytest
from django.core.management import call_command

from lilong.common.periods import PeriodInvalid
from lilong.foundation.ledger.public import AccountKind, post_many, require_posted
from tests.beancount import find_bean_errors
from tests.books import NOW, link, open_funded, pend, post, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    wallet, escrow = open_funded(amount_uc=12_345_678), open_funded(kind=AccountKind.ORDER_ESCROW)
    payable, fee = open_funded(kind=AccountKind.PROVIDER_ACCRUING), open_funded(kind=AccountKind.HUB_FEE)
    hold = pend(wallet, escrow, 5_000_001)
    settlement = link(settle(hold, 4_000_001), post(escrow, payable, 4_000_000), post(escrow, fee, 1, code='a "fee"'))
    require_posted(results=post_many(groups=[link(hold), settlement], now=NOW))
    return wallet


def test_bean_check_accepts_the_whole_books_and_no_false_sum(wallet, tmp_path):
    books = tmp_path / "books.beancount"

    call_command("ledger_export", os.fspath(books))

    assert not find_bean_errors(books)
    text = books.read_text()
    assert "4.000001 CREDIT" in text
    books.write_text(text.replace("4.000001 CREDIT", "4.000002 CREDIT", 1))
    assert find_bean_errors(books)


def test_books_that_begin_later_open_with_what_was_there(wallet, tmp_path):
    require_posted(results=post_many(groups=[link(post(wallet, open_funded(), 1))], now=NOW))
    books = tmp_path / "april.beancount"

    call_command("ledger_export", os.fspath(books), since="2026-04-01", until="2026-05-01T00:00:00Z")

    assert not find_bean_errors(books)
    lines = [line for line in books.read_text().splitlines() if wallet.replace("_", "-").capitalize() in line]
    name = f"Liabilities:Wallet:{wallet.replace('_', '-').capitalize()}"
    assert lines == [
        f"2026-03-31 open {name} CREDIT",
        f"  {name}  -8.345676 CREDIT",
        f"2026-04-01 balance {name} -8.345676 CREDIT",
        f"2026-05-01 balance {name} -8.345676 CREDIT",
    ]


def test_books_that_end_before_they_begin_are_refused(tmp_path):
    with pytest.raises(PeriodInvalid):
        call_command("ledger_export", os.fspath(tmp_path / "b"), since="2026-04-01", until="2026-03-01T00:00:00Z")
