"""A statement as CSV, for banks that write no CAMT: a line for the balance at each end, and one for each entry."""

import csv
from collections.abc import Mapping, Sequence

from lilong.common.sentences import say
from lilong.foundation.ledger.core.bank.statements import (
    ACCOUNT_LENGTH_MAX,
    REMITTANCE_LENGTH_MAX,
    BankFileUnreadable,
    BankStatementInvalid,
    Statement,
    StatementEntry,
    clean,
    find_decimals,
    read_amount_minor,
    read_day,
)

COLUMNS = (
    "line",
    "account",
    "currency",
    "booked_on",
    "value_on",
    "amount",
    "bank_reference",
    "end_to_end",
    "remittance",
    "counterparty",
)
HEADER = ",".join(COLUMNS)
OPENING, ENTRY, CLOSING = "opening", "entry", "closing"

Row = Mapping[str, str]


def read_table(*, content: bytes) -> Statement:
    """Return the statement of a CSV file; raises BankFileUnreadable and BankStatementInvalid."""
    rows = _read_rows(content)
    if [row["line"] for row in rows[:1]] != [OPENING] or [row["line"] for row in rows[1:][-1:]] != [CLOSING]:
        raise BankStatementInvalid(detail=say("The first line has to be the opening balance, the last the closing."))
    opening, *middle, closing = rows
    if any(row["line"] != ENTRY for row in middle):
        raise BankStatementInvalid(detail=say("Each line between the two balances has to be an entry."))
    if len({(row["account"], row["currency"]) for row in rows}) > 1:
        raise BankStatementInvalid(detail=say("A file is the statement of one account in one currency."))
    decimals = find_decimals(currency=opening["currency"])
    return Statement(
        account=clean(opening["account"], length_max=ACCOUNT_LENGTH_MAX),
        currency=opening["currency"],
        decimals=decimals,
        bank_id="",
        begins_on=read_day(opening["booked_on"]),
        ends_on=read_day(closing["booked_on"]),
        opening_minor=read_amount_minor(opening["amount"], decimals=decimals),
        closing_minor=read_amount_minor(closing["amount"], decimals=decimals),
        entries=tuple(_read_entry(row, decimals=decimals) for row in middle),
    )


def _read_rows(content: bytes) -> Sequence[Row]:
    try:
        text = content.decode("utf-8-sig")
        header, *lines = csv.reader([f"{line}\n" for line in text.split("\n")], strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise BankFileUnreadable(detail=say("It is no XML, and no CSV in UTF-8.")) from error
    if tuple(header) != COLUMNS:
        raise BankFileUnreadable(detail=say("As CSV, its first line has to be {header}.", header=HEADER))
    filled = [line for line in lines if line]
    if any(len(line) != len(COLUMNS) for line in filled):
        raise BankFileUnreadable(detail=say("A line has more or fewer fields than the header."))
    return [dict(zip(COLUMNS, map(str.strip, line), strict=True)) for line in filled]


def _read_entry(row: Row, *, decimals: int) -> StatementEntry:
    booked_on = read_day(row["booked_on"])
    return StatementEntry(
        booked_on=booked_on,
        value_on=read_day(row["value_on"]) if row["value_on"] else booked_on,
        amount_minor=read_amount_minor(row["amount"], decimals=decimals),
        bank_reference=clean(row["bank_reference"]),
        end_to_end=clean(row["end_to_end"]),
        remittance=clean(row["remittance"], length_max=REMITTANCE_LENGTH_MAX),
        counterparty=clean(row["counterparty"]),
    )
