"""What a bank says of an account: a statement with its entries, what must hold of it, and what makes an entry one."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel.numbers import get_currency_precision, list_currencies

from lilong.common.canonical import Json, canonical_json, sha256_hex
from lilong.common.errors import InputInvalid
from lilong.common.sentences import say

ENTRIES_MAX = 10_000
MINOR_MAX = 10**15
ACCOUNT_LENGTH_MAX = 64
TEXT_LENGTH_MAX = 140
REMITTANCE_LENGTH_MAX = 1000
_AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d{1,5})?", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(T[\d:.]+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f]+")


class BankFileUnreadable(InputInvalid):
    """The file is neither CAMT.053 nor our CSV, or XML that may not be read."""

    code = "ledger.bank_file_unreadable"
    title = "This file is not read as a bank statement"
    next_step = "Export the statement as CAMT.053 (001.02 to 001.08), or as CSV with the columns of the reference."


class BankStatementInvalid(InputInvalid):
    """What the statement says cannot be: a balance, a day, an amount or a currency is wrong."""

    code = "ledger.bank_statement_invalid"
    title = "This bank statement contradicts itself"
    next_step = "Ask the bank for the whole statement of these days, or correct the CSV, and import it again."


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEntry:
    """One booked entry. amount_minor: signed, in the currency's smallest unit; texts: as the bank wrote them."""

    booked_on: date
    value_on: date
    amount_minor: int
    bank_reference: str = ""
    end_to_end: str = ""
    remittance: str = ""
    counterparty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """An account's entries of the days from `begins_on` to `ends_on`, both among them, between two balances.

    decimals: of the currency, so that `amount / 10**decimals` is what people write. bank_id: what the bank calls it.
    """

    account: str
    currency: str
    decimals: int
    bank_id: str
    begins_on: date
    ends_on: date
    opening_minor: int
    closing_minor: int
    entries: tuple[StatementEntry, ...]


def find_decimals(*, currency: str) -> int:
    """Return how many decimals a currency of ISO 4217 has; raises BankStatementInvalid for what is none.

    >>> find_decimals(currency="EUR"), find_decimals(currency="JPY")
    (2, 0)
    """
    if currency not in list_currencies():
        raise BankStatementInvalid(detail=say("{currency!r} is no currency.", currency=currency[:TEXT_LENGTH_MAX]))
    return get_currency_precision(currency)


def read_amount_minor(text: str, *, decimals: int) -> int:
    """Return an amount in the smallest unit; raises BankStatementInvalid for what is none, or has more decimals.

    >>> read_amount_minor("-12.5", decimals=2)
    -1250
    """
    if not _AMOUNT.fullmatch(text):
        raise BankStatementInvalid(detail=say("{text!r} is no amount such as 1250.00.", text=text[:TEXT_LENGTH_MAX]))
    minor = Decimal(text).scaleb(decimals)
    if minor != int(minor) or abs(minor) > MINOR_MAX:
        raise BankStatementInvalid(detail=say("The amount {text} is too large or too fine.", text=text))
    return int(minor)


def format_minor(*, amount_minor: int, decimals: int) -> str:
    """Return an amount as people write it, exactly.

    >>> format_minor(amount_minor=-5, decimals=2), format_minor(amount_minor=5, decimals=0)
    ('-0.05', '5')
    """
    return f"{Decimal(amount_minor).scaleb(-decimals):f}"


def read_day(text: str) -> date:
    """Return the day of a date or moment as the bank writes it, in the bank's own time; raises BankStatementInvalid.

    >>> read_day("2026-03-01T23:30:00+08:00")
    datetime.date(2026, 3, 1)
    """
    found = _DAY.fullmatch(text)
    try:
        return date.fromisoformat(found[1] if found else "")
    except ValueError as error:
        raise BankStatementInvalid(
            detail=say("{text!r} is no day such as 2026-03-01.", text=text[:TEXT_LENGTH_MAX])
        ) from error


def clean(text: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    r"""Return a text of the bank in one line, without signs that are not seen, and no longer than it is kept.

    >>> clean(" A  B\n")
    'A B'
    """
    return _UNSEEN.sub(" ", text).strip()[:length_max].strip()


def check_statement(*, statement: Statement) -> None:
    """Raise BankStatementInvalid unless days and balances of a statement agree with its entries."""
    if not statement.account:
        raise BankStatementInvalid(detail=say("It names no account."))
    if len(statement.entries) > ENTRIES_MAX:
        raise BankStatementInvalid(
            detail=say("It has more than {most} entries: import shorter periods.", most=ENTRIES_MAX)
        )
    if statement.begins_on > statement.ends_on:
        raise BankStatementInvalid(
            detail=say(
                "It begins on {begins_on}, after it ends on {ends_on}.",
                begins_on=statement.begins_on.isoformat(),
                ends_on=statement.ends_on.isoformat(),
            )
        )
    for entry in statement.entries:
        if not statement.begins_on <= entry.booked_on <= statement.ends_on:
            raise BankStatementInvalid(
                detail=say(
                    "An entry of {amount} is booked on {day}, which is not within the statement's days.",
                    amount=format_minor(amount_minor=entry.amount_minor, decimals=statement.decimals),
                    day=entry.booked_on.isoformat(),
                )
            )
    reached_minor = statement.opening_minor + sum(entry.amount_minor for entry in statement.entries)
    if reached_minor != statement.closing_minor:
        raise BankStatementInvalid(
            detail=say(
                "From {opening} its entries lead to {reached}, and it closes with {closing}.",
                opening=format_minor(amount_minor=statement.opening_minor, decimals=statement.decimals),
                reached=format_minor(amount_minor=reached_minor, decimals=statement.decimals),
                closing=format_minor(amount_minor=statement.closing_minor, decimals=statement.decimals),
            )
        )


def identify_entries(*, statement: Statement) -> tuple[str, ...]:
    """Return what makes each entry this one and no other, in order: the same in every statement that has it.

    By day, amount and the bank's reference; where the bank gives none, by all that it says. Entries that are equal in
    all of that are told apart by their number in the statement.
    """
    seen: Counter[str] = Counter()

    def identify() -> Iterator[str]:
        for entry in statement.entries:
            key = sha256_hex(canonical_json(_list_marks(statement.account, entry)))
            seen[key] += 1
            yield key if seen[key] == 1 else sha256_hex(f"{key} {seen[key]}".encode())

    return tuple(identify())


def digest_statement(*, statement: Statement) -> str:
    """Return what makes a statement this one: the same in every file that has it, in whichever order and form."""
    said: Json = [
        statement.account,
        statement.currency,
        statement.begins_on.isoformat(),
        statement.ends_on.isoformat(),
        statement.opening_minor,
        statement.closing_minor,
        sorted(identify_entries(statement=statement)),
    ]
    return sha256_hex(canonical_json(said))


def _list_marks(account: str, entry: StatementEntry) -> Json:
    marks: list[Json] = [account, entry.booked_on.isoformat(), entry.amount_minor, entry.bank_reference]
    if entry.bank_reference:
        return marks
    return [*marks, entry.value_on.isoformat(), entry.end_to_end, entry.remittance, entry.counterparty]
