"""Invoices: numbers without gaps, each issued once, sums that are those of FOCUS, corrections as credit notes."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from lilong.common.canonical import sha256_hex
from lilong.common.django import typesetting
from lilong.common.django.typesetting import FontMissing, PaperNotSet, set_paper
from lilong.common.errors import NotAllowed
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor
from lilong.foundation.ledger.public.moves import close_period
from lilong.foundation.members.public.people import Language
from lilong.foundation.record.models import Payload
from lilong.platforms.supermarket.core.taxes import Tax, TaxCategory, TaxRateInvalid, TaxRateMissing
from lilong.platforms.supermarket.models import Invoice, InvoiceSeries, TaxRate
from lilong.platforms.supermarket.queries.focus import export_focus
from lilong.platforms.supermarket.queries.invoice_papers import render_invoice
from lilong.platforms.supermarket.queries.invoices import InvoiceMissing, get_invoice, list_invoices
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services import invoices as issuing
from lilong.platforms.supermarket.services.invoice_terms import (
    TaxRateTooLate,
    decide_treatment,
    describe_party,
    publish_tax_rate,
)
from lilong.platforms.supermarket.services.invoices import MonthOpen, MonthOutOfOrder, SellerMissing, issue_month
from lilong.web.config import CreditRate
from tests.crowd import run_crowd
from tests.integration.supermarket.test_focus import refund_a_credit
from tests.market import CREDIT, buy, finish, found_buyer, open_stall
from tests.people import NOW, found_operator, found_owner
from tests.pools import at, make_spec
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
MARCH = DayPeriod(begins_on=date(2026, 3, 1), ends_on=date(2026, 4, 1))
APRIL = DayPeriod(begins_on=date(2026, 4, 1), ends_on=date(2026, 5, 1))
IN_APRIL, ISSUED = datetime(2026, 4, 2, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC)
RATE = CreditRate(currency="CNY", per_credit="0.97", valid_from=NOW - timedelta(days=9), source="council")


@pytest.fixture(autouse=True)
def hub(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (RATE,), "hub_name": "Lane Hub"})
    return settings


@pytest.fixture
def operator():
    """Return an operator of a hub that says who it is."""
    operator = found_operator()
    describe_party(actor=operator, name="弄堂枢纽 Ltd", address="1 Lane\n200000 上海", tax_number="91", now=NOW)
    return operator


@pytest.fixture
def order():
    """Settle an order in March, with a voucher and a credit for lost time."""
    seller, buyer = open_stall(credit_ppm=100_000), found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT)
    order = buy(buyer, spec=make_spec(walltime_s=20_000, resources={"cores": 4}))
    finish(seller.agent, ms=5_000_123, seconds=1_000)
    reconcile(now=at(9_000))
    order.refresh_from_db()
    return order


def close(operator):
    close_period(actor=operator, ends_at=APRIL.end, now=ISSUED)


def issue(operator, month=MARCH, *, now=ISSUED):
    return issue_month(actor=operator, month=month, after="", now=now)


def tax(*, rate_ppm=130_000, category=TaxCategory.STANDARD, reason="", valid_from=MARCH.begin):
    facts = {"jurisdiction": "CN", "name": "VAT", "reason_code": "", "source": "law", "id": ""}
    return Tax(category=category, rate_ppm=rate_ppm, reason=reason, valid_from=valid_from, **facts)


def sheets_of(order):
    actor = Actor(organisation_id=order.organisation_id)
    page = list_invoices(actor=actor, cursor=None, limit=50)
    return [get_invoice(actor=actor, invoice_id=view.id) for view in reversed(page.items)]


def read_focus(order, month):
    content = export_focus(actor=Actor(organisation_id=order.organisation_id), period=month)
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_an_invoice_says_what_focus_says_and_its_lines_sum_to_the_total(order, operator):
    close(operator)
    assert issue(operator).issued == ["INV-2026-000001"]
    (sheet,), rows = sheets_of(order), read_focus(order, MARCH)
    document = sheet.document

    supplied = [row for row in rows if row["x_VoucherId"] == ""]
    said = sum(Decimal(row["PricingCurrencyEffectiveCost"]) for row in supplied) * CREDIT
    billed = sum(Decimal(row["BilledCost"]) for row in supplied) * 100
    assert document.total_uc == said == sum(line.amount_uc for line in document.lines)
    assert abs(document.total_minor - billed) <= Decimal("0.5")
    assert document.total_minor == sum(line.amount_minor for line in document.lines)
    assert document.balance_uc == sum(Decimal(row["PricingCurrencyEffectiveCost"]) for row in rows) * CREDIT
    assert document.voucher_uc > 0
    assert {row["InvoiceId"] for row in rows} == {"INV-2026-000001"}
    assert (document.seller.name, document.buyer.organisation_id) == ("弄堂枢纽 Ltd", order.organisation_id)
    assert document.lines[0].offer == "embedded"
    assert document.lines[0].unit_ms == 4 * 5_000_123


def test_the_record_holds_the_digest_of_the_very_document(order, operator):
    close(operator)
    issue(operator)
    (sheet,) = sheets_of(order)

    said = json.loads(Payload.objects.get(pk=sheet.view.record_entry_id).content)
    assert sheet.view.sha256 == sha256_hex(sheet.content.encode())
    assert sheet.view.sha256 in json.dumps(said)
    assert "弄堂" not in json.dumps(said, ensure_ascii=False)


def test_issuing_again_and_by_many_at_once_issues_each_once_and_leaves_no_gap(operator):
    seller = open_stall()
    for number in range(4):
        buy(found_buyer(), seconds=number * 100)
        finish(seller.agent, ms=60_000, seconds=number * 100 + 1)
    reconcile(now=at(9_000))
    close(operator)

    answers = run_crowd(lambda _: list(issue(operator).issued), processes=2, threads=4)

    numbers = sorted(number for issued in answers for number in issued)
    assert numbers == [f"INV-2026-00000{number}" for number in range(1, 5)]
    assert issue(operator).issued == []
    assert InvoiceSeries.objects.get(kind="invoice").last_number == 4


def test_what_fails_while_it_is_issued_takes_no_number(order, operator, monkeypatch):
    close(operator)

    def fail(**_facts):
        raise RuntimeError("killed here")

    monkeypatch.setattr(issuing, "append", fail)
    with pytest.raises(RuntimeError, match="killed here"):
        issue(operator)
    monkeypatch.undo()

    assert InvoiceSeries.objects.get(kind="invoice").last_number == 0
    assert issue(operator).issued == ["INV-2026-000001"]


def test_a_later_correction_is_a_credit_note_that_names_the_invoice(order, operator):
    publish_tax_rate(actor=operator, tax=tax(), now=NOW)
    publish_tax_rate(actor=operator, tax=tax(rate_ppm=60_000, valid_from=APRIL.begin), now=NOW)
    decide_treatment(
        actor=operator,
        organisation_id=operator.organisation_id,
        jurisdiction="CN",
        category=TaxCategory.STANDARD,
        now=NOW,
    )
    refund_a_credit(order, now=IN_APRIL)
    close(operator)
    issue(operator)
    before = sheets_of(order)[0].content
    assert issue(operator, APRIL).issued == ["CRN-2026-000001"]
    invoice, note = sheets_of(order)

    assert invoice.content == before
    assert (note.document.corrects.number, note.view.about_month) == ("INV-2026-000001", MARCH.begins_on)
    assert (note.document.total_uc, note.document.total_minor) == (-CREDIT, -97)
    assert note.document.taxes[0].rate_ppm == 130_000
    assert {row["InvoiceId"] for row in read_focus(order, APRIL)} == {"CRN-2026-000001"}


def test_prices_contain_the_tax_of_the_organisation_and_a_missing_rate_refuses_it_alone(order, operator):
    for category, organisation_id in (
        (TaxCategory.STANDARD, operator.organisation_id),
        (TaxCategory.REVERSE_CHARGE, order.organisation_id),
    ):
        decide_treatment(actor=operator, organisation_id=organisation_id, jurisdiction="CN", category=category, now=NOW)
    publish_tax_rate(actor=operator, tax=tax(), now=NOW)
    close(operator)
    refused = issue(operator).refused
    assert [(each.organisation_id, type(each.error)) for each in refused] == [(order.organisation_id, TaxRateMissing)]

    decide_treatment(
        actor=operator,
        organisation_id=order.organisation_id,
        jurisdiction="CN",
        category=TaxCategory.STANDARD,
        now=ISSUED,
    )
    assert issue(operator).issued == ["INV-2026-000001"]
    (sheet,) = sheets_of(order)
    (contained,) = sheet.document.taxes
    assert contained.gross_minor == sheet.document.total_minor
    assert contained.tax_minor == round(Decimal(contained.gross_minor) * 13 / 113)


def test_a_month_is_issued_when_it_is_closed_in_order_and_by_operators_of_a_named_hub_alone(order, operator):
    with pytest.raises(MonthOpen):
        issue(operator)
    close(operator)
    with pytest.raises(NotAllowed):
        issue(found_owner())
    issue(operator)
    with pytest.raises(MonthOutOfOrder):
        issue(operator, DayPeriod(begins_on=date(2026, 2, 1), ends_on=date(2026, 3, 1)))


def test_a_hub_without_a_name_issues_nothing(order):
    operator = found_operator()
    close(operator)
    with pytest.raises(SellerMissing):
        issue(operator)


def test_rates_contradict_neither_their_category_nor_what_is_issued(order, operator):
    for wrong in (tax(rate_ppm=0), tax(category=TaxCategory.EXEMPT, rate_ppm=0), tax(category=TaxCategory.ZERO)):
        with pytest.raises(TaxRateInvalid):
            publish_tax_rate(actor=operator, tax=wrong, now=NOW)
    close(operator)
    issue(operator)
    with pytest.raises(TaxRateTooLate):
        publish_tax_rate(actor=operator, tax=tax(), now=ISSUED)
    publish_tax_rate(actor=operator, tax=tax(valid_from=APRIL.begin), now=ISSUED)
    with pytest.raises(TaxRateTooLate):
        publish_tax_rate(actor=operator, tax=tax(valid_from=APRIL.begin), now=ISSUED)


def test_what_is_issued_or_published_cannot_be_changed(order, operator):
    publish_tax_rate(actor=operator, tax=tax(), now=NOW)
    close(operator)
    issue(operator)
    for table in (Invoice, TaxRate):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table._meta.db_table}")  # noqa: S608 - a table of ours


def test_another_organisation_finds_none_of_it(order, operator):
    close(operator)
    issue(operator)
    (sheet,) = sheets_of(order)

    with pytest.raises(InvoiceMissing):
        get_invoice(actor=found_owner(), invoice_id=sheet.view.id)
    assert get_invoice(actor=operator, invoice_id=sheet.view.id).content == sheet.content


@pytest.mark.parametrize("language", Language)
def test_an_invoice_is_the_same_bytes_of_pdf_each_time(order, operator, language):
    close(operator)
    issue(operator)
    (sheet,) = sheets_of(order)
    actor = Actor(organisation_id=order.organisation_id)

    once, again = (render_invoice(actor=actor, invoice_id=sheet.view.id, language=language) for _ in range(2))
    assert once == again
    assert once.startswith(b"%PDF-")
    assert b"NotoSerifCJK" in once


def test_what_people_write_is_shown_and_never_run():
    template = '#set page(height: auto)\n#assert.eq(json(bytes(sys.inputs.paper)).text, "#panic()*x*")\nok'

    assert set_paper(template=template, paper={"text": "#panic()*x*"}).startswith(b"%PDF-")
    with pytest.raises(PaperNotSet):
        set_paper(template=template, paper={"text": "other"})


def test_without_a_chinese_font_it_says_what_to_install_and_a_hanging_typesetter_ends(monkeypatch):
    monkeypatch.setattr(typesetting, "HAN_FAMILIES", ("No Such Font",))
    with pytest.raises(FontMissing) as refused:
        set_paper(template="x", paper={"text": "枢纽"})
    assert "fonts-noto-cjk" in refused.value.next_step

    monkeypatch.setattr(typesetting, "SETS_WITHIN_S", 0.5)
    with pytest.raises(PaperNotSet):
        set_paper(template="#let loop() = { let n = 0; while n < 100000000 { n += 1 } }\n#loop()", paper={})
