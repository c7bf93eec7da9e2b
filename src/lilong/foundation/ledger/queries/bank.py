"""Statements of the bank as they stand, what their entries are held for, and where statements are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page, decode_cursor, encode_cursor
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.ledger.core.bank.matching import ExpectedPayment, Finding, Proposal
from lilong.foundation.ledger.core.bank.reconciliation import Gap, Span, list_gaps, list_overlapping
from lilong.foundation.ledger.models import BankEntry, BankStatement, BankStatementEntry
from lilong.foundation.ledger.queries.bank_payments import propose_payments

POSITION_DIGITS_MAX = 9


class BankStatementMissing(NotFound):
    """There is no such statement of the bank."""

    code = "ledger.bank_statement_missing"
    title = "There is no such bank statement"


class BankEntryMissing(NotFound):
    """There is no such entry of a statement."""

    code = "ledger.bank_entry_missing"
    title = "There is no such entry"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStatementView:
    """A statement as the bank wrote it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BankEntryView:
    """An entry with what it is held for: a payment that was confirmed, proposed ones, or a reason."""

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
    payments: tuple[ExpectedPayment, ...]


def list_bank_statements(*, actor: Actor, cursor: str | None, limit: int) -> Page[BankStatementView]:
    """Return one page of the statements, imported last first; for the operator. One query."""
    _require_operator(actor)
    page = page_newest_first(BankStatement.objects.all(), cursor=cursor, limit=limit)
    return Page(items=[_view_statement(row) for row in page.items], next_cursor=page.next_cursor)


def get_bank_statement(*, actor: Actor, statement_id: str) -> BankStatementView:
    """Return a statement; for the operator. Raises BankStatementMissing. One query."""
    _require_operator(actor)
    row = BankStatement.objects.filter(pk=statement_id).first()
    if row is None:
        raise BankStatementMissing(
            detail=say("There is no bank statement {statement_id}.", statement_id=statement_id[:64])
        )
    return _view_statement(row)


def list_bank_entries(*, actor: Actor, statement_id: str, cursor: str | None, limit: int) -> Page[BankEntryView]:
    """Return one page of a statement's entries as the bank orders them; for the operator. Five queries at most.

    Raises BankStatementMissing.
    """
    get_bank_statement(actor=actor, statement_id=statement_id)
    after = decode_cursor(cursor) if cursor else ""
    is_position = after.isascii() and after.isdecimal() and len(after) <= POSITION_DIGITS_MAX
    position = int(after) if is_position else -1
    lines = BankStatementEntry.objects.filter(statement_id=statement_id, position__gt=position).order_by("position")
    found = list(lines.select_related("entry__match")[: limit + 1])
    shown = found[:limit]
    more = encode_cursor(str(shown[-1].position)) if len(found) > limit else None
    return Page(items=_view_entries([line.entry for line in shown]), next_cursor=more)


def get_bank_entry(*, actor: Actor, entry_id: str) -> BankEntryView:
    """Return an entry; for the operator. Raises BankEntryMissing. Four queries at most."""
    _require_operator(actor)
    row = BankEntry.objects.select_related("match").filter(pk=entry_id).first()
    if row is None:
        raise BankEntryMissing(detail=say("There is no entry {entry_id}.", entry_id=entry_id[:64]))
    return _view_entries([row])[0]


def list_missing_statements(*, actor: Actor) -> list[Gap]:
    """Return where statements of an account do not follow each other; for the operator. Two queries at most."""
    _require_operator(actor)
    return list_gaps(spans=read_spans())


def read_spans() -> list[Span]:
    """Return all statements, with the entries of those that share a day with another. Two queries at most."""
    spans = [_view_span(row, {}) for row in BankStatement.objects.all()]
    overlapping = list_overlapping(spans=spans)
    if not overlapping:
        return spans
    entries: dict[str, dict[str, int]] = {}
    lines = BankStatementEntry.objects.filter(statement_id__in=overlapping)
    for statement_id, entry_id, amount in lines.values_list("statement_id", "entry_id", "entry__amount_minor"):
        entries.setdefault(statement_id, {})[entry_id] = amount
    return [_view_span(span, entries.get(span.id, {})) for span in spans]


def _view_entries(rows: Sequence[BankEntry]) -> list[BankEntryView]:
    proposals = propose_payments(entries=rows)
    return [_view_entry(row, proposals[row.id]) for row in rows]


def _view_entry(row: BankEntry, proposal: Proposal) -> BankEntryView:
    return BankEntryView(
        id=row.id,
        booked_on=row.booked_on,
        value_on=row.value_on,
        amount_minor=row.amount_minor,
        bank_reference=row.bank_reference,
        end_to_end=row.end_to_end,
        remittance=row.remittance,
        counterparty=row.counterparty,
        finding=proposal.finding,
        may_confirm=proposal.may_confirm,
        payments=proposal.payments,
    )


def _view_statement(row: BankStatement) -> BankStatementView:
    return BankStatementView(
        id=row.id,
        account=row.account,
        currency=row.currency,
        decimals=row.decimals,
        bank_id=row.bank_id,
        begins_on=row.begins_on,
        ends_on=row.ends_on,
        opening_minor=row.opening_minor,
        closing_minor=row.closing_minor,
        imported_at=row.imported_at,
    )


def _view_span(row: BankStatement | Span, entries: Mapping[str, int]) -> Span:
    return Span(
        id=row.id,
        digest=row.digest,
        account=row.account,
        begins_on=row.begins_on,
        ends_on=row.ends_on,
        opening_minor=row.opening_minor,
        closing_minor=row.closing_minor,
        entries=entries,
    )


def _require_operator(actor: Actor) -> None:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
