"""The operators' pages of the bank: a file is taken or refused in place, an entry is confirmed, both sides compared."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from lilong.foundation.cases.models import CaseOpinion
from lilong.foundation.ledger.core.bank.files import FILE_BYTES_MAX
from lilong.foundation.ledger.models import BankEntry, BankFile, BankMatch, PayOut
from tests.bank import make_entry, make_statement, write_camt, write_table
from tests.desks import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
BANK, IMPORT = "/desk/bank", "/desk/bank/import"


def read(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def send(filled, content, *, name="march.xml"):
    fields = {"file": SimpleUploadedFile(name, content)}
    browser = browse_as(filled.operator)
    answer = browser.post(IMPORT, fields, page=BANK)
    return browser.get(answer["Location"]) if answer.status_code == 302 else answer


def test_a_file_is_imported_and_shown_and_again_changes_nothing(filled):
    statement = make_statement(
        [make_entry(5_00, day=-300, reference="B9", text="who knows")], opening_minor=7_00, day=-300
    )
    page = read(send(filled, write_table(statement), name="march.csv"))

    assert "Imported: 1 new entry." in page
    assert "12.00 EUR" in page
    assert "+5.00 Lane AG who knows · B9 Unknown No top-up or pay-out has a reference that stands here." in page
    assert "nothing has changed" in read(send(filled, write_table(statement)))
    assert "Statements are missing" in read(browse_as(filled.operator).get(BANK))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7 " + b"x" * 100, "This is no CAMT.053 and no CSV with our columns, whatever its name says."),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "A statement has no document type and no entities."),
        (write_camt(make_statement()).replace(b"CLBD", b"ITBD"), "It has no booked balance CLBD"),
    ],
)
def test_what_is_no_statement_is_refused_beside_the_field(filled, content, reason):
    files = BankFile.objects.count()
    answer = send(filled, content)

    assert answer.status_code == 422
    assert reason in read(answer)
    assert BankFile.objects.count() == files


def test_a_file_that_is_too_large_is_refused_before_it_is_read(filled):
    answer = send(filled, b"<" * (FILE_BYTES_MAX + 300 * 1024))

    assert (answer.status_code, "This file is too large" in read(answer)) == (413, True)


def test_an_operator_confirms_what_is_proposed(filled):
    path = f"/desk/bank/statements/{filled.statement_id}"
    browser = browse_as(filled.operator)
    page = read(browser.get(path))
    assert page.count("Confirm this") == 2
    assert "The reference is known, with another amount." in page

    for entry, payment in re.findall(
        r"/bank/entries/(\w+)/match.*?name=\"payment_id\" value=\"(\w+)\"",
        browser.get(path).content.decode(),
        re.DOTALL,
    ):
        fields = {"payment_id": payment, "statement_id": filled.statement_id}
        sent = browser.post(f"/desk/bank/entries/{entry}/match", fields, page=path)
        assert sent["Location"] == path

    assert BankMatch.objects.count() == 2
    assert CaseOpinion.objects.filter(case_id=filled.cases["top_up"], person_id=filled.operator.person_id).exists()
    assert PayOut.objects.get(case_id=filled.cases["pay_out"]).bank_reference == "2026/0331-2"
    assert "An operator confirmed it." in read(browser.get(path))
    again = browser.post(
        f"/desk/bank/entries/{BankEntry.objects.get(amount_minor=-150).id}/match",
        {"payment_id": BankMatch.objects.all()[0].payment_id},
        page=BANK,
    )
    assert again.status_code == 409


def test_the_reconciliation_adds_up_on_the_page(filled):
    browser = browse_as(filled.operator)
    page = read(browser.get("/desk/bank/reconciliation"))

    assert re.search(r"Bank DE02120300000000202051 [\d-]+ 1,260.00", page)
    assert "2.50 EUR are not explained" in page
    assert "On a statement, not matched" in page
    for path in set(
        re.findall(r'<th scope="row"><a href="([^"]+)"', browser.get("/desk/bank/reconciliation").content.decode())
    ):
        assert browser.get(path).status_code == 200
    assert browser.get("/desk/bank/reconciliation?on=x").status_code == 422
    assert browser.get("/desk/bank/reconciliation?on=2020-01-01").status_code == 404


def test_without_a_rate_the_pages_say_what_is_missing(filled, settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": ()})
    for path in (BANK, f"/desk/bank/statements/{filled.statement_id}", "/desk/bank/reconciliation"):
        page = browse_as(filled.operator).get(path)
        assert "It is not said what a credit is worth in EUR" in read(page)
