"""A quarter of charges as FOCUS: it adds up to the ledger, leads back to it, and FinOps' own checker accepts it."""

import csv
import io
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.common.rates import RateMissing
from lilong.foundation.ledger.models import Transfer
from lilong.platforms.supermarket.core.focus import COLUMNS
from lilong.platforms.supermarket.core.pricing import concede
from lilong.platforms.supermarket.core.promise import read_promise
from lilong.platforms.supermarket.queries.focus import export_focus
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.corrections import correct_order, reckon_lines
from lilong.protocol.messages import AttemptState, Reason
from lilong.web.config import CreditRate
from tests.books import available_uc
from tests.focus import CheckerMissing, check_focus
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, wallet_of
from tests.people import NOW, found_owner
from tests.pools import at, make_spec
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
QUARTER = DayPeriod(begins_on=date(2026, 1, 1), ends_on=date(2026, 4, 1))
NEXT_QUARTER = DayPeriod(begins_on=date(2026, 4, 1), ends_on=date(2026, 7, 1))
QUARTERS = (QUARTER, NEXT_QUARTER)
MARCH, APRIL = at(9_000), datetime(2026, 4, 2, tzinfo=UTC)
PAID_UC = 100 * CREDIT
OLD = CreditRate(currency="CNY", per_credit="0.97", valid_from=NOW, source="made up", is_example=True)
NEW = CreditRate(currency="EUR", per_credit="0.125", valid_from=datetime(2026, 4, 1, tzinfo=UTC), source="council, 1/4")


@pytest.fixture(autouse=True)
def hub(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (NEW, OLD), "hub_name": "Lane Hub"})
    return settings


@pytest.fixture
def order():
    """Settle an order of two attempts, with a voucher and a credit for lost time."""
    seller, buyer = open_stall(credit_ppm=100_000), found_buyer(wallet_uc=PAID_UC)
    give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT)
    order = buy(buyer, spec=make_spec(walltime_s=20_000, resources={"cores": 4}))
    finish(seller.agent, ms=900_000, state=AttemptState.FAILED, reason=Reason.SHIM_LOST)
    finish(seller.agent, ms=5_000_123, seconds=1_000)
    reconcile(now=MARCH)
    order.refresh_from_db()
    return order


def buyer_of(order):
    return Actor(organisation_id=order.organisation_id)


def export(order, period=QUARTER):
    return export_focus(actor=buyer_of(order), period=period)


def read(content):
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def sum_column(rows, name):
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def refund_a_credit(order, *, now):
    """Let the books of the order be put right by one credit less."""
    promise = read_promise(content=order.quote.document.encode())
    with transaction.atomic():
        lines = concede(lines=reckon_lines(order=order, promise=promise, now=now), claim_uc=CREDIT, attempt_ids=None)
        assert correct_order(order=order, lines=lines, reason="a dispute", now=now)


def spent_uc(order):
    return PAID_UC - available_uc(wallet_of(buyer_of(order)))


def test_each_attempt_is_usage_and_each_voucher_a_credit_against_it(order):
    rows = read(export(order))

    assert Counter((row["ChargeCategory"], row["x_Code"]) for row in rows) == {
        ("Usage", "settle"): 1,
        ("Credit", "settle"): 1,
        ("Credit", "service_credit"): 1,
    }
    [usage] = [row for row in rows if row["ChargeCategory"] == "Usage"]
    assert (usage["PricingQuantity"], usage["PricingUnit"]) == ("20000.492", "Core-Seconds")
    assert (usage["PricingCurrencyListUnitPrice"], usage["ListUnitPrice"]) == ("0.00025", "0.0002425")
    assert usage["PricingCurrencyEffectiveCost"] == "5.000123"
    assert usage["BilledCost"] == "4.85011931"
    assert usage["x_CreditRateSource"] == "EXAMPLE: made up"


def test_credits_and_money_add_up_to_what_left_the_wallet(order):
    refund_a_credit(order, now=APRIL)
    first, second = read(export(order)), read(export(order, NEXT_QUARTER))

    left = sum_column([*first, *second], "PricingCurrencyEffectiveCost") * CREDIT
    assert left == spent_uc(order)
    assert sum_column(first, "BilledCost") == sum_column(first, "PricingCurrencyEffectiveCost") * Decimal("0.97")
    assert sum_column(second, "BilledCost") == sum_column(second, "PricingCurrencyEffectiveCost") * Decimal("0.125")


def test_every_row_leads_to_transfers_of_the_ledger_that_say_the_same(order):
    refund_a_credit(order, now=APRIL)

    for row in [*read(export(order)), *read(export(order, NEXT_QUARTER))]:
        transfers = Transfer.objects.filter(pk__in=row["x_TransferIds"].split())
        assert len(transfers) == len(row["x_TransferIds"].split())
        assert {transfer.group_id for transfer in transfers} == {row["x_LinkGroupId"]}
        assert {transfer.subject for transfer in transfers} == {row["x_OrderId"]}
        moved_uc = sum(transfer.amount_uc for transfer in transfers)
        assert abs(Decimal(row["PricingCurrencyEffectiveCost"])) * CREDIT == moved_uc


@pytest.mark.parametrize(("earlier", "quarter"), [(timedelta(microseconds=1), QUARTER), (timedelta(0), NEXT_QUARTER)])
def test_month_boundary_what_is_settled_at_midnight_belongs_to_the_period_that_begins_and_to_no_other(earlier, quarter):
    seller, buyer = open_stall(), found_buyer()
    order = buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=QUARTER.end - earlier)

    charged = [sum_column(read(export(order, period)), "PricingCurrencyEffectiveCost") for period in QUARTERS]
    order.refresh_from_db()
    assert order.due_uc == 15_000
    assert charged == [Decimal("0.015") if period is quarter else 0 for period in QUARTERS]


@pytest.mark.parametrize(("moment", "marked"), [(at(9_100), ""), (APRIL, "Correction")])
def test_what_puts_an_earlier_month_right_is_marked_a_correction(order, moment, marked):
    refund_a_credit(order, now=moment)
    period = NEXT_QUARTER if marked else QUARTER

    rows = [row for row in read(export(order, period)) if row["x_Code"] == "correction"]

    assert [(row["ChargeCategory"], row["ChargeClass"]) for row in rows] == [("Adjustment", marked), ("Credit", marked)]
    assert [row["PricingCurrencyEffectiveCost"] for row in rows] == ["-1.00", "0.30"]
    assert all(row["x_CorrectsTransferIds"] for row in rows)


def test_the_checker_of_the_finops_foundation_accepts_a_quarter(order, tmp_path):
    refund_a_credit(order, now=APRIL)
    content = export(order, DayPeriod(begins_on=date(2026, 1, 1), ends_on=date(2026, 7, 1)))
    try:
        assert check_focus(content, folder=tmp_path) == []
    except CheckerMissing as missing:
        pytest.skip(str(missing))

    assert check_focus(content.replace(b",CNY,", b",credits,"), folder=tmp_path)


def test_a_quarter_is_the_same_bytes_whenever_it_is_exported(order):
    before = export(order)

    refund_a_credit(order, now=APRIL)

    assert export(order) == before
    assert read(before)[0].keys() == dict.fromkeys(COLUMNS).keys()


def test_without_a_rate_for_the_day_it_is_refused_and_without_charges_it_is_empty(order, hub):
    hub.LILONG = hub.LILONG.model_copy(update={"credit_rates": (NEW,)})

    with pytest.raises(RateMissing):
        export(order)
    assert read(export(order, NEXT_QUARTER)) == []


def test_another_organisation_sees_none_of_it(order):
    assert read(export_focus(actor=found_owner(), period=QUARTER)) == []


def test_a_quarter_asks_few_questions_however_many_orders_it_has(order, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        export(order)
