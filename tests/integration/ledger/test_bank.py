"""Statements of the bank: imported once whatever is sent again, matched by people, reconciled with the books."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from django.db import DatabaseError, connection, transaction

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Scope
from lilong.foundation.cases.models import CaseOpinion
from lilong.foundation.cases.public import Decision
from lilong.foundation.ledger.core.bank.matching import Finding
from lilong.foundation.ledger.core.bank.reconciliation import LineKind
from lilong.foundation.ledger.core.bank.statements import BankStatementInvalid
from lilong.foundation.ledger.core.payments import PayOutState, TopUpState
from lilong.foundation.ledger.models import BankEntry, BankFile, BankMatch, BankStatement, TopUp
from lilong.foundation.ledger.queries.bank import (
    BankEntryMissing,
    BankStatementMissing,
    get_bank_entry,
    list_bank_entries,
    list_bank_statements,
    list_missing_statements,
)
from lilong.foundation.ledger.queries.bank_reconciliation import read_reconciliation
from lilong.foundation.ledger.reactions import reconcile as keep_books
from lilong.foundation.ledger.services.bank import (
    BankCurrencyOther,
    BankMatchImpossible,
    confirm_match,
)
from lilong.foundation.ledger.services.payments import request_top_up
from lilong.foundation.record.models import Entry
from tests.actors import make_operator, make_person
from tests.bank import FIRST, cut, make_entry, make_rate, make_statement, write_camt, write_table
from tests.banking import CREDIT, LATER, MONTH, approve, ask, ask_pay_out, find_lines, list_entries, read, take
from tests.books import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rates(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"credit_rates": (make_rate(),)})


def snapshot():
    return (
        sorted(BankStatement.objects.values_list("digest", flat=True)),
        sorted(BankEntry.objects.values_list("identity", "amount_minor")),
        [(gap.after, gap.before, gap.change_minor) for gap in list_missing_statements(actor=make_operator())],
        find_lines(read()),
    )


def test_the_same_file_twice_and_the_same_statement_in_another_form_change_nothing():
    first = take(write_camt(MONTH))
    before = snapshot()
    again, as_table = take(write_camt(MONTH)), take(write_table(MONTH))

    assert (first.statements_new, first.entries_new, first.entries_seen) == (1, 4, 0)
    assert again == replace(first, statements_new=0, entries_new=0, entries_seen=4)
    assert as_table.statement_ids == first.statement_ids
    assert (as_table.statements_new, as_table.entries_new) == (0, 0)
    assert snapshot() == before
    assert BankFile.objects.count() == 2
    assert Entry.objects.filter(kind="ledger.bank_statement").count() == 1


PARTS = [MONTH, cut(MONTH, first=0, last=2), cut(MONTH, first=2, last=4), cut(MONTH, first=4, last=6)]


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
def test_overlapping_files_in_any_order_lead_to_the_same_state(order):
    for number in order:
        take(write_table(PARTS[number]))

    digests, entries, gaps, lines = snapshot()
    assert (len(digests), len(entries), gaps) == (4, 4, [])
    assert lines == [
        (LineKind.OPENING, 100_00),
        (LineKind.UNMATCHED, 50_00),
        (LineKind.UNMATCHED, -1_50),
        (LineKind.UNMATCHED, -1_50),
        (LineKind.UNMATCHED, 7_00),
    ]


def test_a_file_with_one_wrong_statement_is_not_taken_at_all():
    wrong = replace(MONTH, account="DE99", closing_minor=1)
    with pytest.raises(BankStatementInvalid):
        take(write_camt(MONTH, wrong))
    other = replace(MONTH, account="US99", currency="USD")
    with (
        pytest.raises(BankCurrencyOther, match="It is in USD; what was imported before is in EUR"),
        transaction.atomic(),
    ):
        take(write_camt(MONTH, other))

    assert not BankFile.objects.exists()
    assert not BankStatement.objects.exists()
    assert not BankEntry.objects.exists()


def test_statements_that_are_missing_are_told_with_their_days_until_they_come():
    take(write_camt(cut(MONTH, first=0, last=1)))
    take(write_camt(cut(MONTH, first=5, last=6)))
    [gap] = list_missing_statements(actor=make_operator())

    assert (gap.after, gap.before) == (FIRST + timedelta(days=1), FIRST + timedelta(days=5))
    assert (gap.closed_minor, gap.opened_minor, gap.change_minor) == (150_00, 147_00, -3_00)
    result = read()
    assert (result.remainder_minor, result.is_proven) == (-3_00, False)

    take(write_camt(cut(MONTH, first=2, last=4)))
    assert list_missing_statements(actor=make_operator()) == []
    assert (read().remainder_minor, read().is_proven) == (0, True)


def test_a_top_up_is_proposed_and_its_case_gets_the_approval_of_who_confirms():
    top_up, operator = ask(make_person()), make_operator()
    take(write_camt(MONTH))
    entry = list_entries()[0]
    assert (entry.finding, [each.id for each in entry.payments]) == (Finding.PROPOSED, [top_up.id])
    assert find_lines(read())[1] == (LineKind.UNMATCHED, 50_00)

    match_id = confirm_match(actor=operator, entry_id=entry.id, payment_id=top_up.id, now=NOW)
    assert confirm_match(actor=make_operator(), entry_id=entry.id, payment_id=top_up.id, now=NOW) == match_id
    [opinion] = CaseOpinion.objects.filter(case_id=top_up.case_id)
    assert (opinion.person_id, opinion.decision) == (operator.person_id, Decision.APPROVE)
    assert "B1, booked 2026-03-02" in opinion.reason
    keep_books(NOW)
    top_up.refresh_from_db()
    assert top_up.state == TopUpState.REQUESTED
    assert list_entries()[0].finding is Finding.MATCHED
    assert (LineKind.NOT_BOOKED, 50_00) in find_lines(read())

    approve(top_up.case_id, count=1)
    top_up.refresh_from_db()
    assert top_up.state == TopUpState.POSTED
    assert find_lines(read()) == [
        (LineKind.OPENING, 100_00),
        (LineKind.UNMATCHED, -1_50),
        (LineKind.UNMATCHED, -1_50),
        (LineKind.UNMATCHED, 7_00),
    ]
    [told] = Entry.objects.filter(kind="ledger.bank_match")
    assert (told.subject_id, told.organisation_id) == (top_up.id, top_up.organisation_id)


def test_who_may_not_decide_a_case_cannot_confirm_its_money_either():
    asking = make_operator()
    case_id = request_top_up(actor=asking, organisation_id="org_hub", amount_uc=50 * CREDIT, reference="INV-7", now=NOW)
    top_up = TopUp.objects.get(case_id=case_id)
    take(write_camt(MONTH))
    entry_id = list_entries()[0].id

    with pytest.raises(NotAllowed, match="You opened this case"), transaction.atomic():
        confirm_match(actor=asking, entry_id=entry_id, payment_id=top_up.id, now=NOW)
    assert not BankMatch.objects.exists()
    for stranger in (make_person(), replace(make_operator(), scopes=frozenset({Scope.PAY}))):
        with pytest.raises(NotAllowed):
            confirm_match(actor=stranger, entry_id=entry_id, payment_id=top_up.id, now=NOW)
        with pytest.raises(NotAllowed):
            take(write_camt(MONTH), actor=stranger)
        with pytest.raises(NotAllowed):
            list_bank_statements(actor=stranger, cursor=None, limit=1)
        with pytest.raises(NotAllowed):
            read_reconciliation(actor=stranger, on=FIRST)


def test_an_approved_pay_out_is_noted_as_sent_by_confirming_its_entry():
    pay_out = ask_pay_out()
    entries = [make_entry(-30_00, day=1, reference="B7", text=f"Hall {pay_out.id.replace('_', ' ').upper()}")]
    take(write_camt(make_statement(entries, opening_minor=40_00, days=2)))
    assert list_entries()[0].finding is Finding.NOT_APPROVED

    approve(pay_out.case_id)
    entry = list_entries()[0]
    assert entry.finding is Finding.PROPOSED
    paying = make_operator()
    with pytest.raises(NotAllowed, match="lacks the scope pay"), transaction.atomic():
        confirm_match(
            actor=replace(paying, scopes=frozenset({Scope.OPERATE})), entry_id=entry.id, payment_id=pay_out.id, now=NOW
        )
    confirm_match(actor=paying, entry_id=entry.id, payment_id=pay_out.id, now=NOW)

    pay_out.refresh_from_db()
    assert (pay_out.state, pay_out.bank_reference) == (PayOutState.SENT, "B7")
    assert read().is_proven
    assert {LineKind.UNMATCHED, LineKind.PAY_OUT_ON_ITS_WAY}.isdisjoint(line.kind for line in read().lines)


def test_one_payment_is_matched_once_and_only_with_what_it_agrees_with():
    top_up = ask(make_person())
    other = ask(make_person(), amount=6, reference="INV-8")
    twice = make_statement([*MONTH.entries, make_entry(50_00, day=6, reference="B9", text="INV-7")], days=7)
    take(write_camt(twice))
    first, _, _, short, second = list_entries()
    assert (short.finding, [each.id for each in short.payments]) == (Finding.AMOUNT_DIFFERS, [other.id])

    confirm_match(actor=make_operator(), entry_id=first.id, payment_id=top_up.id, now=NOW)
    assert get_bank_entry(actor=make_operator(), entry_id=second.id).finding is Finding.PAID_ALREADY
    for entry, payment in ((second, top_up), (first, other), (short, other), (short, top_up)):
        with pytest.raises(BankMatchImpossible), transaction.atomic():
            confirm_match(actor=make_operator(), entry_id=entry.id, payment_id=payment.id, now=NOW)
    with pytest.raises(BankEntryMissing):
        confirm_match(actor=make_operator(), entry_id="bne_x", payment_id=top_up.id, now=NOW)
    assert BankMatch.objects.count() == 1


def test_a_person_chooses_among_several_that_agree():
    _, top_up = ask(make_person()), ask(make_person())
    take(write_camt(MONTH))
    entry = list_entries()[0]
    assert (entry.finding, entry.may_confirm, len(entry.payments)) == (Finding.SEVERAL, True, 2)

    confirm_match(actor=make_operator(), entry_id=entry.id, payment_id=top_up.id, now=NOW)

    assert BankMatch.objects.get().payment_id == top_up.id


@pytest.mark.parametrize("table", ["file", "statement", "entry", "statemententry", "match"])
@pytest.mark.parametrize("deed", ["UPDATE ledger_bank{table} SET id = id", "DELETE FROM ledger_bank{table}"])
def test_the_database_itself_refuses_to_change_what_the_bank_said(table, deed):
    top_up = ask(make_person())
    take(write_camt(MONTH))
    confirm_match(actor=make_operator(), entry_id=list_entries()[0].id, payment_id=top_up.id, now=NOW)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(deed.format(table=table))


def test_entries_are_paged_as_the_bank_orders_them():
    take(write_camt(MONTH))
    operator, seen, cursor = make_operator(), [], None
    statement = list_bank_statements(actor=operator, cursor=None, limit=1).items[0]
    while True:
        page = list_bank_entries(actor=operator, statement_id=statement.id, cursor=cursor, limit=3)
        seen += [each.amount_minor for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == [each.amount_minor for each in MONTH.entries]
    with pytest.raises(BankStatementMissing):
        list_bank_entries(actor=operator, statement_id="bst_x", cursor=None, limit=3)


def test_reading_costs_as_many_queries_however_much_there_is(django_assert_max_num_queries):
    for number in range(5):
        ask(make_person(), reference=f"INV-{number}")
    take(write_camt(MONTH))
    for part in PARTS:
        take(write_camt(part))
    operator = make_operator()
    statement = list_bank_statements(actor=operator, cursor=None, limit=1).items[0]

    with django_assert_max_num_queries(5):
        list_bank_entries(actor=operator, statement_id=statement.id, cursor=None, limit=100)
    with django_assert_max_num_queries(7):
        read_reconciliation(actor=operator, on=LATER.date())
