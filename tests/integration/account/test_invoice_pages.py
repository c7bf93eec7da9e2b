"""Invoices by page: issued at the desk, looked at and downloaded by whom they are for."""

import re
from datetime import UTC, datetime

import pytest

from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.ledger.public.moves import close_period
from lilong.platforms.supermarket.models import Invoice, TaxRate
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.invoice_terms import describe_party
from lilong.web.config import CreditRate
from tests.market import buy, finish, found_buyer, open_stall
from tests.people import NOW, found_operator
from tests.pools import at
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
RATE = CreditRate(
    currency="CNY", per_credit="0.97", valid_from=datetime(2026, 1, 1, tzinfo=UTC), source="made up", is_example=True
)


@pytest.fixture
def buyer(settings) -> Actor:
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (RATE,)})
    seller, buyer = open_stall(), found_buyer()
    buy(buyer)
    finish(seller.agent, ms=60_000)
    reconcile(now=at(120))
    return buyer


def test_an_operator_closes_a_month_and_issues_it_and_the_buyer_takes_pdf_and_document(buyer):
    operator = found_operator()
    desk, own = browse_as(operator), browse_as(buyer)
    nameless = desk.post("/desk/invoices/issue", {"month": "2026-03"})
    assert nameless.status_code == 409
    describe_party(actor=operator, name="Lane Hub Ltd", address="1 Lane", tax_number="", now=NOW)
    desk.post("/desk/invoices/close", {"month": "2026-03"})
    assert "1 paper is issued." in desk.post("/desk/invoices/issue", {"month": "2026-03"}).content.decode()

    listed = own.get("/organisation/invoices").content.decode()
    invoice = Invoice.objects.get()
    assert "INV-2026-000001" in listed
    assert "0.01 CNY" in listed
    path = f"/organisation/invoices/{invoice.id}"
    page = re.sub(r"\s+", " ", own.get(path).content.decode())
    assert "Lane Hub Ltd" in page
    assert "This is no invoice to book." in page
    pdf = own.get(f"{path}/pdf")
    assert b"".join(pdf).startswith(b"%PDF-")
    assert pdf["Content-Disposition"] == 'attachment; filename="INV-2026-000001.pdf"'
    assert own.get(f"{path}/document").content.decode() == invoice.document
    assert "账单" in browse_as(buyer, language="zh-hans").get(path).content.decode()


def test_who_an_organisation_is_on_invoices_is_said_by_those_who_pay_for_it(buyer):
    own = browse_as(buyer)
    sent = own.post("/organisation/invoices", {"name": "Quiet AG", "address": "Street 1\r\nBerlin", "tax_number": ""})

    assert sent.status_code == 302
    assert "Street 1\nBerlin" in own.get("/organisation/invoices").content.decode()
    assert own.post("/organisation/invoices", {"name": ""}).status_code == 422


def test_a_rate_of_tax_and_a_treatment_are_entered_at_the_desk(buyer):
    desk = browse_as(found_operator())
    rate = {
        "jurisdiction": "CN",
        "category": "standard",
        "name": "VAT",
        "rate": "6",
        "valid_from": "2026-01-01T00:00",
        "source": "law",
    }
    assert desk.post("/desk/invoices/rates", rate).status_code == 302
    assert TaxRate.objects.get().rate_ppm == 60_000
    assert desk.post("/desk/invoices/rates", rate | {"jurisdiction": "China"}).status_code == 422
    treatment = {"organisation_id": buyer.organisation_id, "jurisdiction": "CN", "category": "exempt"}
    assert desk.post("/desk/invoices/treatments", treatment).status_code == 302
    assert "Exempt" in desk.get("/desk/invoices").content.decode()


def test_the_pages_ask_few_questions(buyer, django_assert_max_num_queries):
    operator = found_operator()
    describe_party(actor=operator, name="Lane Hub Ltd", address="1 Lane", tax_number="", now=NOW)
    close_period(actor=operator, ends_at=datetime(2026, 4, 1, tzinfo=UTC), now=utc_now())
    desk, own = browse_as(operator), browse_as(buyer)
    desk.post("/desk/invoices/issue", {"month": "2026-03"})
    for browser, path in (
        (desk, "/desk/invoices"),
        (own, "/organisation/invoices"),
        (own, f"/organisation/invoices/{Invoice.objects.get().id}"),
    ):
        with django_assert_max_num_queries(12):
            assert browser.get(path).status_code == 200
