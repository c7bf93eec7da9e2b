"""The bank beside a hub in tests: statements are taken, payments asked for and decided, both sides compared."""

from datetime import date, timedelta

from lilong.common.permissions import Actor
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.core.bank.reconciliation import LineKind, Reconciliation
from lilong.foundation.ledger.models import Account, PayOut, TopUp
from lilong.foundation.ledger.public import AccountKind
from lilong.foundation.ledger.queries.bank import BankEntryView, list_bank_entries, list_bank_statements
from lilong.foundation.ledger.queries.bank_reconciliation import read_reconciliation
from lilong.foundation.ledger.reactions import reconcile as keep_books
from lilong.foundation.ledger.services.bank import ImportReport, import_statements
from lilong.foundation.ledger.services.payments import request_pay_out, request_top_up
from tests.actors import make_operator, make_person
from tests.bank import FIRST, make_entry, make_statement
from tests.books import NOW, open_funded

CREDIT = 1_000_000
MONTH = make_statement(
    [
        make_entry(50_00, day=0, reference="B1", text="INV-7"),
        make_entry(-1_50, day=2, text="fee"),
        make_entry(-1_50, day=2, text="fee"),
        make_entry(7_00, day=5, reference="B2", text="INV-8"),
    ],
    opening_minor=100_00,
    days=7,
)
LATER = NOW + timedelta(days=10)


def take(content: bytes, *, actor: Actor | None = None) -> ImportReport:
    """Import a file, as a new operator unless somebody is named."""
    return import_statements(actor=actor or make_operator(), content=content, now=NOW)


def ask(owner: Actor, *, amount: int = 50, reference: str = "INV-7") -> TopUp:
    """Ask for a top-up of so many credits."""
    case_id = request_top_up(
        actor=owner,
        organisation_id=owner.organisation_id,
        amount_uc=amount * CREDIT,
        reference=reference,
        now=NOW,
    )
    return TopUp.objects.get(case_id=case_id)


def ask_pay_out(*, amount: int = 30) -> PayOut:
    """Let somebody who has earned so many credits ask for all of them."""
    account = open_funded(kind=AccountKind.PROVIDER_AVAILABLE, amount_uc=amount * CREDIT)
    owner = make_person(organisation_id=Account.objects.get(pk=account).owner_id)
    pay_out_id = request_pay_out(
        actor=owner,
        organisation_id=owner.organisation_id,
        amount_uc=amount * CREDIT,
        beneficiary="Hall AG, DE00 1234",
        now=NOW,
    )
    return PayOut.objects.get(pk=pay_out_id)


def approve(case_id: str, *, count: int = 2) -> None:
    """Let so many operators approve, and the books follow."""
    for _ in range(count):
        decide_case(actor=make_operator(), case_id=case_id, decision=Decision.APPROVE, reason="Seen.", now=NOW)
    keep_books(NOW)


def list_entries() -> list[BankEntryView]:
    """Return the entries of the statement that was imported last."""
    operator = make_operator()
    newest = list_bank_statements(actor=operator, cursor=None, limit=1).items[0]
    return list(list_bank_entries(actor=operator, statement_id=newest.id, cursor=None, limit=100).items)


def read(on: date = FIRST + timedelta(days=30)) -> Reconciliation:
    """Compare bank and books at the end of a day."""
    return read_reconciliation(actor=make_operator(), on=on).result


def find_lines(result: Reconciliation) -> list[tuple[LineKind, int]]:
    """Return why both sides differ, and by how much."""
    return [(line.kind, line.amount_minor) for line in result.lines]
