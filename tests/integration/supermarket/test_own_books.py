"""The books of one organisation as Beancount: its accounts and vouchers, of others the kinds alone."""

from datetime import date

import pytest

from lilong.common.periods import DayPeriod
from lilong.common.permissions import PUBLIC
from lilong.foundation.ledger.queries.accounts import sum_until
from lilong.foundation.ledger.queries.beancount import BooksMoving, export_own_beancount
from lilong.platforms.funding.models import Voucher
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.models import Provider
from lilong.platforms.supermarket.reactions import reconcile
from tests.beancount import find_bean_errors
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.pools import at, make_spec
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
MARCH = DayPeriod(begins_on=date(2026, 3, 1), ends_on=date(2026, 4, 1))
APRIL = DayPeriod(begins_on=date(2026, 4, 1), ends_on=date(2026, 5, 1))
SETTLED = at(11_000)


@pytest.fixture
def seller():
    return open_stall(fee_ppm=50_000)


@pytest.fixture
def buyer(seller):
    """Buy an order of 10 credits, 3 of them from a voucher, and let the provider's earnings become available."""
    buyer = found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT)
    buy(buyer, spec=make_spec(walltime_s=20_000, resources={"cores": 4}))
    finish(seller.agent, ms=10_000_000)
    reconcile(now=SETTLED)
    reconcile(now=SETTLED + DISPUTE_WINDOW)
    return buyer


def export(actor, period=MARCH):
    return "".join(export_own_beancount(actor=actor, period=period))


def name(account_id):
    return account_id.replace("_", "-").capitalize()


def list_balances(text):
    """Return day, account and credits of each assertion that is not of nothing."""
    rows = [line.split() for line in text.splitlines() if " balance " in line]
    return [(row[0], row[2], row[3]) for row in rows if row[3] != "0.000000"]


@pytest.mark.parametrize("period", [MARCH, APRIL])
def test_bean_check_accepts_the_books_of_buyer_and_seller(buyer, seller, period, tmp_path):
    books = tmp_path / "books.beancount"
    for actor in (buyer, seller.owner):
        books.write_text(export(actor, period))

        assert not find_bean_errors(books)

    books.write_text(books.read_text().replace(" balance ", " balance Assets:Voucher:None 1 CREDIT\n; ", 1))
    assert find_bean_errors(books)


def test_what_is_left_in_wallet_and_voucher_is_asserted_at_both_ends(buyer):
    wallet = f"Assets:Wallet:{name(wallet_of(buyer))}"
    voucher = f"Assets:Voucher:{name(Voucher.objects.get().account_id)}"

    march, april = export(buyer), export(buyer, APRIL)

    assert sorted(list_balances(march)) == [("2026-04-01", voucher, "7.000000"), ("2026-04-01", wallet, "93.000000")]
    assert sorted(list_balances(april)) == sorted(
        (day, *held) for day in ("2026-04-01", "2026-05-01") for held in ((voucher, "7.000000"), (wallet, "93.000000"))
    )


def test_a_provider_reads_what_it_earned_and_not_from_whom(buyer, seller):
    provider = Provider.objects.get(id=seller.provider_id)

    text = export(seller.owner)

    assert ("2026-04-01", f"Assets:ProviderAvailable:{name(provider.available_account_id)}", "9.500000") in (
        list_balances(text)
    )
    assert "  Income:Orders  -9.500000 CREDIT\n" in text
    assert name(wallet_of(buyer)) not in text


def test_a_month_is_the_same_bytes_whenever_it_is_exported(buyer, seller):
    before = export(buyer)

    buy(buyer, seconds=40 * 86_400)

    assert export(buyer) == before


def test_whoever_has_no_organisation_has_no_books(buyer):
    assert list_balances(export(PUBLIC)) == []
    assert "Assets:" not in export(PUBLIC)


@pytest.mark.parametrize(("posts", "is_refused"), [(2, False), (99, True)])
def test_what_is_posted_while_they_are_read_is_in_them_or_they_are_refused(buyer, monkeypatch, posts, is_refused):
    left = iter(range(posts))

    def read_after_a_post(**asked):
        if next(left, None) is not None:
            pay_in(wallet_of(buyer), CREDIT)
        return sum_until(**asked)

    monkeypatch.setattr("lilong.foundation.ledger.queries.beancount.sum_until", read_after_a_post)

    if is_refused:
        with pytest.raises(BooksMoving):
            export(buyer)
    else:
        assert any(held == "95.000000" for _, _, held in list_balances(export(buyer)))
