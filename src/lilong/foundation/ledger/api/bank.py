"""The bank's statements over HTTP: importing them, what their entries are held for, and the reconciliation."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from lilong.common.django.fields import RequestBody
from lilong.common.django.problems import PROBLEMS, RequestMalformed
from lilong.common.django.routes import allow, get_actor
from lilong.common.paging import PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX
from lilong.common.permissions import Role, Scope
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.ledger.core.bank.files import FILE_BYTES_MAX, BankFileTooLarge
from lilong.foundation.ledger.core.bank.matching import Finding, PaymentKind, PaymentStage
from lilong.foundation.ledger.core.bank.reconciliation import LineKind
from lilong.foundation.ledger.queries import bank
from lilong.foundation.ledger.queries.bank_reconciliation import read_reconciliation
from lilong.foundation.ledger.services.bank import confirm_match, import_statements

router = Router(tags=["ledger"])

OPERATORS = frozenset({Role.OPERATOR})
OPERATE = allow(OPERATORS, Scope.OPERATE)
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT_MAX)]
_FILE = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


class BankImportOut(Schema):
    """What an import brought; what was seen before changed nothing."""

    file_id: str
    sha256: str
    statement_ids: list[str]
    statements_new: int
    entries_new: int
    entries_seen: int


class BankStatementOut(Schema):
    """A statement of the bank; amounts in the currency's smallest unit, of which `decimals` make its usual one."""

    id: str
    account: str
    currency: str
    decimals: int
    bank_id: str
    begins_on: date
    ends_on: date
    opening_minor: int
    closing_minor: int
    imported_at: datetime


class BankStatementPageOut(Schema):
    """One page of statements, imported last first."""

    items: list[BankStatementOut]
    next_cursor: str | None


class ExpectedPaymentOut(Schema):
    """A top-up or pay-out that an entry is, or can be; `amount_minor` is what it was worth when it was asked for."""

    id: str
    kind: PaymentKind
    stage: PaymentStage
    case_id: str
    organisation_id: str
    amount_uc: int
    amount_minor: int | None
    asked_on: date
    is_matched: bool


class BankEntryOut(Schema):
    """An entry of a statement, what was found of it, and the payments that this is about."""

    id: str
    booked_on: date
    value_on: date
    amount_minor: int
    bank_reference: str
    end_to_end: str
    remittance: str
    counterparty: str
    finding: Finding
    may_confirm: bool
    payments: list[ExpectedPaymentOut]


class BankEntryPageOut(Schema):
    """One page of a statement's entries, as the bank orders them."""

    items: list[BankEntryOut]
    next_cursor: str | None


class BankMatchIn(RequestBody):
    """Which payment an entry is."""

    payment_id: Annotated[str, Field(min_length=1, max_length=64)]


class BankGapOut(Schema):
    """Days of which a statement is missing, and what is booked on them."""

    account: str
    after: date
    before: date
    closed_minor: int
    opened_minor: int
    change_minor: int


class ReconciliationLineOut(Schema):
    """By how much the bank has more than the books, and why; `source_id` is the statement or transfer that shows it."""

    kind: LineKind
    on: date
    about: str
    source_id: str
    amount_minor: int
    text: str


class ReconciledAccountOut(Schema):
    """The bank's balance of an account, and of which day it is."""

    account: str
    first_id: str
    first_on: date
    opening_minor: int
    balance_minor: int
    until: date


class ReconciliationOut(Schema):
    """The bank against the books: `bank_minor` less `books_minor` is `explained_minor` and `remainder_minor`."""

    on: date
    currency: str
    decimals: int
    balances: list[ReconciledAccountOut]
    bank_minor: int
    books_minor: int
    books_uc: int
    lines: list[ReconciliationLineOut]
    explained_minor: int
    remainder_minor: int
    gaps: list[BankGapOut]
    is_proven: bool


@router.post(
    "/bank-statements",
    openapi_extra=OPERATE | {"requestBody": {"required": True, **_FILE}},
    response={201: BankImportOut, **PROBLEMS},
)
def post_statements(request: HttpRequest) -> object:
    """Import a file of bank statements, CAMT.053 or CSV, as the raw bytes of the body, at most 4 MiB."""
    length = request.headers.get("Content-Length") or "0"
    if "Transfer-Encoding" in request.headers or not length.isdecimal():
        raise RequestMalformed(detail=say("Send the body with a Content-Length, not in chunks."))
    if int(length) > FILE_BYTES_MAX:
        raise BankFileTooLarge(facts={"limit": FILE_BYTES_MAX})
    return Status(201, import_statements(actor=get_actor(request), content=request.body, now=utc_now()))


@router.get("/bank-statements", openapi_extra=OPERATE, response={200: BankStatementPageOut, **PROBLEMS})
def list_statements(request: HttpRequest, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT) -> object:
    """List the bank's statements, imported last first."""
    return bank.list_bank_statements(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get("/bank-statements/{statement_id}", openapi_extra=OPERATE, response={200: BankStatementOut, **PROBLEMS})
def get_statement(request: HttpRequest, statement_id: str) -> object:
    """Show one statement of the bank."""
    return bank.get_bank_statement(actor=get_actor(request), statement_id=statement_id)


@router.get(
    "/bank-statements/{statement_id}/entries", openapi_extra=OPERATE, response={200: BankEntryPageOut, **PROBLEMS}
)
def list_entries(
    request: HttpRequest, statement_id: str, cursor: str | None = None, limit: Limit = PAGE_LIMIT_DEFAULT
) -> object:
    """List a statement's entries with what each is held for."""
    return bank.list_bank_entries(actor=get_actor(request), statement_id=statement_id, cursor=cursor, limit=limit)


@router.post("/bank-entries/{entry_id}/match", openapi_extra=OPERATE, response={200: BankEntryOut, **PROBLEMS})
def post_match(request: HttpRequest, entry_id: str, body: BankMatchIn) -> object:
    """Confirm which payment an entry is: gives your approval to a top-up that waits, notes a pay-out as sent."""
    actor = get_actor(request)
    confirm_match(actor=actor, entry_id=entry_id, payment_id=body.payment_id, now=utc_now())
    return bank.get_bank_entry(actor=actor, entry_id=entry_id)


@router.get("/bank-reconciliation", openapi_extra=OPERATE, response={200: ReconciliationOut, **PROBLEMS})
def get_reconciliation(request: HttpRequest, on: date) -> object:
    """Compare the bank's balance with the books as of the end of a day, and explain each difference."""
    found = read_reconciliation(actor=get_actor(request), on=on)
    names = ReconciliationOut.model_fields.keys() - {"currency", "decimals", "balances"}
    return {
        "currency": found.currency,
        "decimals": found.decimals,
        "balances": found.balances,
        **{name: getattr(found.result, name) for name in names},
    }
