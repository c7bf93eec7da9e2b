"""Bank and books compared: what is on its way, what is worth what, and how it was on an earlier day."""

from datetime import timedelta

import pytest

from lilong.common.rates import RateMissing
from lilong.foundation.cases.models import CaseOpinion
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.core.bank.matching import Finding
from lilong.foundation.ledger.core.bank.reconciliation import LineKind
from lilong.foundation.ledger.public import AccountKind, open_account, post_many, require_posted
from lilong.foundation.ledger.queries.bank import (
    BankStatementMissing,
)
from lilong.foundation.ledger.reactions import reconcile as keep_books
from lilong.foundation.ledger.services.bank import (
    confirm_match,
)
from lilong.foundation.ledger.services.payments import confirm_pay_out
from tests.actors import make_operator, make_person
from tests.bank import FIRST, make_entry, make_rate, make_statement, write_camt
from tests.banking import CREDIT, LATER, MONTH, approve, ask, ask_pay_out, find_lines, list_entries, read, take
from tests.books import NOW, link, post

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rates(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (make_rate(),)})


def test_credits_are_worth_what_the_rate_was_when_the_payment_was_asked_for(settings):
    update = {
        "credit_rates": (make_rate(per_credit="0.5"), make_rate(currency="USD").model_copy(update={"valid_from": NOW}))
    }
    settings.LILONG = settings.LILONG.model_copy(update=update)
    top_up = ask(make_person(), amount=100)
    take(write_camt(MONTH))
    assert list_entries()[0].payments[0].amount_minor == 50_00
    approve(top_up.case_id)
    assert read().is_proven

    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (make_rate(currency="USD"),)})
    entry = list_entries()[0]
    assert (entry.finding, entry.payments[0].amount_minor) == (Finding.AMOUNT_DIFFERS, None)
    with pytest.raises(RateMissing):
        read()


def test_moves_that_are_no_payments_have_lines_of_their_own():
    take(write_camt(MONTH))
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="top_up", now=NOW)
    fund = open_account(kind=AccountKind.PROGRAMME_FUND, owner_id="org_hub", purpose="", now=NOW)
    require_posted(results=post_many(groups=[link(post(outside, fund, 9 * CREDIT))], now=NOW))

    result = read()

    assert (LineKind.OTHER_MOVE, -9_00) in find_lines(result)
    assert (result.books_uc, result.books_minor, result.is_proven) == (9 * CREDIT, 9_00, True)


def test_the_past_is_reconciled_as_it_was_on_that_day():
    top_up = ask(make_person())
    take(write_camt(MONTH))
    confirm_match(actor=make_operator(), entry_id=list_entries()[0].id, payment_id=top_up.id, now=NOW)
    decide_case(actor=make_operator(), case_id=top_up.case_id, decision=Decision.APPROVE, reason="Seen.", now=LATER)
    keep_books(LATER)

    on_first = read(FIRST)
    assert find_lines(on_first) == [(LineKind.OPENING, 100_00), (LineKind.NOT_BOOKED, 50_00)]
    assert (on_first.bank_minor, on_first.books_minor, on_first.is_proven) == (150_00, 0, True)
    assert read(LATER.date()).books_minor == 50_00
    with pytest.raises(BankStatementMissing, match="on 2026-03-01 or before"):
        read(FIRST - timedelta(days=1))


def test_an_account_opens_with_what_the_books_had_before_it():
    top_up = ask(make_person())
    approve(top_up.case_id)
    take(write_camt(make_statement(day=20, opening_minor=50_00)))

    assert find_lines(read()) == [(LineKind.OPENING, 50_00), (LineKind.EARLIER, -50_00)]
    assert read().is_proven


def test_what_was_booked_by_hand_before_is_matched_without_acting_again():
    top_up, pay_out = ask(make_person()), ask_pay_out()
    approve(top_up.case_id)
    approve(pay_out.case_id)
    confirm_pay_out(actor=make_operator(), pay_out_id=pay_out.id, bank_reference="BANK 9", now=NOW)
    early = make_statement(day=-3, opening_minor=10_00)
    take(write_camt(early))
    result = read()
    assert (LineKind.TOP_UP_ON_ITS_WAY, -50_00) in find_lines(result)
    assert (LineKind.PAY_OUT_ON_ITS_WAY, 30_00) in find_lines(result)
    assert result.is_proven

    entries = [make_entry(50_00, reference="B1", text="INV 7"), make_entry(-30_00, reference="B2", text="bank 9")]
    take(write_camt(make_statement(entries, opening_minor=10_00)))
    for entry, payment in zip(list_entries(), (top_up, pay_out), strict=True):
        assert entry.finding is Finding.PROPOSED
        confirm_match(actor=make_operator(), entry_id=entry.id, payment_id=payment.id, now=NOW)

    assert CaseOpinion.objects.filter(case_id=top_up.case_id).count() == 2
    assert {LineKind.TOP_UP_ON_ITS_WAY, LineKind.PAY_OUT_ON_ITS_WAY}.isdisjoint(line.kind for line in read().lines)
    assert read().is_proven
