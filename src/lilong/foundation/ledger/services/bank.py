"""Import the bank's statements, and act on what a person confirms of them, through the doors that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json, sha256_hex
from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.core.accounts import AccountKind
from lilong.foundation.ledger.core.bank.files import read_file
from lilong.foundation.ledger.core.bank.matching import ExpectedPayment, PaymentKind, PaymentStage
from lilong.foundation.ledger.core.bank.statements import Statement, digest_statement, identify_entries
from lilong.foundation.ledger.models import Account, BankEntry, BankFile, BankMatch, BankStatement, BankStatementEntry
from lilong.foundation.ledger.queries.bank import BankEntryMissing
from lilong.foundation.ledger.queries.bank_payments import propose_payments
from lilong.foundation.ledger.services.accounts import open_account
from lilong.foundation.ledger.services.payments import confirm_pay_out
from lilong.foundation.record.public import append

BATCH = 500


class BankCurrencyOther(Conflict):
    """The statement is in another currency than those that are here."""

    code = "ledger.bank_currency_other"
    title = "This statement is in another currency"
    next_step = "Import the statements of accounts in one currency: the books are reconciled in that."


class BankMatchImpossible(Conflict):
    """The entry is not this payment, or one of them is matched already."""

    code = "ledger.bank_match_impossible"
    title = "This entry cannot be matched with this payment"
    next_step = "Read what the entry says now: a payment is confirmed where reference and amount agree, and once."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import brought. statement_ids: of all that the file has; new ones and new entries are counted apart."""

    file_id: str
    sha256: str
    statement_ids: tuple[str, ...]
    statements_new: int
    entries_new: int
    entries_seen: int


def import_statements(*, actor: Actor, content: bytes, now: datetime) -> ImportReport:
    """Take a file of statements whole or not at all; what was seen before changes nothing.

    Raises NotAllowed, BankFileTooLarge, BankFileUnreadable, BankStatementInvalid, BankCurrencyOther.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    statements, sha256 = read_file(content=content), sha256_hex(content)
    with transaction.atomic():
        _wait_for_others(now=now)
        known = BankFile.objects.filter(sha256=sha256).first()
        file = known or BankFile.objects.create(
            id=new_id("bfl"),
            sha256=sha256,
            size_bytes=len(content),
            imported_by=actor.person_id,
            imported_at=now,
        )
        kept = [_keep_statement(statement, file, now=now) for statement in statements]
    return ImportReport(
        file_id=file.id,
        sha256=sha256,
        statement_ids=tuple(statement_id for statement_id, _, _ in kept),
        statements_new=sum(is_new for _, is_new, _ in kept),
        entries_new=sum(entries_new for _, _, entries_new in kept),
        entries_seen=sum(len(each.entries) for each in statements) - sum(entries_new for _, _, entries_new in kept),
    )


def confirm_match(*, actor: Actor, entry_id: str, payment_id: str, now: datetime) -> str:
    """Confirm that an entry is the payment that it is held for, act on it, and return the match's id. Again: nothing.

    A top-up that waits gets the actor's approval in its case; an approved pay-out is noted as sent. Raises NotAllowed,
    BankEntryMissing, BankMatchImpossible, CaseClosed, PayOutNotApproved, PayOutsFrozen.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        _wait_for_others(now=now)
        entry = BankEntry.objects.select_related("match").filter(pk=entry_id).first()
        if entry is None:
            raise BankEntryMissing(detail=say("There is no entry {entry_id}.", entry_id=entry_id[:64]))
        if hasattr(entry, "match") and entry.match.payment_id == payment_id:
            return entry.match.id
        proposal = propose_payments(entries=[entry])[entry.id]
        payment = next((each for each in proposal.payments if each.id == payment_id), None)
        if payment is None or not proposal.may_confirm:
            raise BankMatchImpossible(detail=say("It is not held for {payment_id}.", payment_id=payment_id[:64]))
        match = BankMatch.objects.create(
            id=new_id("bmt"),
            entry=entry,
            payment_kind=payment.kind,
            payment_id=payment.id,
            confirmed_by=actor.person_id,
            confirmed_at=now,
        )
        _act(actor, entry, payment, now=now)
        _record_match(match, entry, payment, now=now)
    return match.id


def _act(actor: Actor, entry: BankEntry, payment: ExpectedPayment, *, now: datetime) -> None:
    if payment.kind is PaymentKind.TOP_UP and payment.stage is PaymentStage.ASKED:
        reason = f"On the bank's statement as {entry.bank_reference or entry.id}, booked {entry.booked_on.isoformat()}."
        decide_case(actor=actor, case_id=payment.case_id, decision=Decision.APPROVE, reason=reason, now=now)
    if payment.kind is PaymentKind.PAY_OUT and payment.stage is PaymentStage.APPROVED:
        reference = entry.bank_reference or entry.id
        confirm_pay_out(actor=actor, pay_out_id=payment.id, bank_reference=reference, now=now)


def _wait_for_others(*, now: datetime) -> None:
    """Let one import or confirmation after another look at what is there."""
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="", purpose="top_up", now=now)
    Account.objects.select_for_update(no_key=True).get(pk=outside)


def _keep_statement(statement: Statement, file: BankFile, *, now: datetime) -> tuple[str, bool, int]:
    """Return the id of a statement, whether it is new, and how many of its entries are."""
    digest = digest_statement(statement=statement)
    known = BankStatement.objects.filter(digest=digest).first()
    if known is not None:
        return known.id, False, 0
    other = BankStatement.objects.exclude(currency=statement.currency).first()
    if other is not None:
        raise BankCurrencyOther(
            detail=say(
                "It is in {currency}; what was imported before is in {other}.",
                currency=statement.currency,
                other=other.currency,
            )
        )
    row = BankStatement.objects.create(
        id=new_id("bst"),
        file=file,
        digest=digest,
        account=statement.account,
        currency=statement.currency,
        decimals=statement.decimals,
        bank_id=statement.bank_id,
        begins_on=statement.begins_on,
        ends_on=statement.ends_on,
        opening_minor=statement.opening_minor,
        closing_minor=statement.closing_minor,
        imported_at=now,
    )
    entries_new = _keep_entries(statement, row)
    _record_statement(row, file, entries=len(statement.entries), now=now)
    return row.id, True, entries_new


def _keep_entries(statement: Statement, row: BankStatement) -> int:
    """Write the entries that were not seen before, and which of all the statement has; return how many are new."""
    identities = identify_entries(statement=statement)
    ids = _find_entries(identities)
    made = [
        BankEntry(
            id=new_id("bne"),
            identity=identity,
            account=statement.account,
            booked_on=entry.booked_on,
            value_on=entry.value_on,
            amount_minor=entry.amount_minor,
            bank_reference=entry.bank_reference,
            end_to_end=entry.end_to_end,
            remittance=entry.remittance,
            counterparty=entry.counterparty,
        )
        for identity, entry in zip(identities, statement.entries, strict=True)
        if identity not in ids
    ]
    BankEntry.objects.bulk_create(made, batch_size=BATCH)
    ids |= {entry.identity: entry.id for entry in made}
    lines = [
        BankStatementEntry(statement=row, entry_id=ids[identity], position=position)
        for position, identity in enumerate(identities)
    ]
    BankStatementEntry.objects.bulk_create(lines, batch_size=BATCH)
    return len(made)


def _find_entries(identities: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for begin in range(0, len(identities), BATCH):
        rows = BankEntry.objects.filter(identity__in=identities[begin : begin + BATCH])
        found |= dict(rows.values_list("identity", "id"))
    return found


def _record_statement(row: BankStatement, file: BankFile, *, entries: int, now: datetime) -> None:
    payload: Mapping[str, Json] = {
        "begins_on": row.begins_on.isoformat(),
        "closing_minor": row.closing_minor,
        "currency": row.currency,
        "ends_on": row.ends_on.isoformat(),
        "entries": entries,
        "file_sha256": file.sha256,
        "imported_by": file.imported_by,
        "opening_minor": row.opening_minor,
        "statement_digest": row.digest,
    }
    append(kind="ledger.bank_statement", subject_id=row.id, payload=payload, now=now)


def _record_match(match: BankMatch, entry: BankEntry, payment: ExpectedPayment, *, now: datetime) -> None:
    payload: Mapping[str, Json] = {
        "amount_minor": entry.amount_minor,
        "booked_on": entry.booked_on.isoformat(),
        "confirmed_by": match.confirmed_by,
        "entry_id": entry.id,
        "entry_identity": entry.identity,
        "payment_kind": payment.kind,
    }
    append(
        kind="ledger.bank_match",
        subject_id=payment.id,
        payload=payload,
        organisation_id=payment.organisation_id,
        now=now,
    )
