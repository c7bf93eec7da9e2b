"""Statements of a bank for tests: what it says, and the files that say it as CAMT.053 and as CSV."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from xml.sax.saxutils import escape

from lilong.foundation.ledger.core.bank.statements import Statement, StatementEntry, format_minor
from lilong.foundation.ledger.core.bank.table import COLUMNS
from lilong.protocol.exports import render_csv
from lilong.web.config import CreditRate

ACCOUNT = "DE02120300000000202051"
FIRST = date(2026, 3, 2)


def make_entry(amount_minor: int, *, day: int = 0, reference: str = "", text: str = "", name: str = "Lane AG"):
    """Return an entry; day: counted from FIRST; reference: the bank's; text: what the payer wrote."""
    booked_on = FIRST + timedelta(days=day)
    return StatementEntry(
        booked_on=booked_on,
        value_on=booked_on,
        amount_minor=amount_minor,
        bank_reference=reference,
        remittance=text,
        counterparty=name,
    )


def make_statement(
    entries: Sequence[StatementEntry] = (),
    *,
    opening_minor: int = 0,
    day: int = 0,
    days: int = 1,
    account: str = ACCOUNT,
) -> Statement:
    """Return a statement in EUR of so many days from `day` on, which closes where its entries lead."""
    return Statement(
        account=account,
        currency="EUR",
        decimals=2,
        bank_id="",
        begins_on=FIRST + timedelta(days=day),
        ends_on=FIRST + timedelta(days=day + days - 1),
        opening_minor=opening_minor,
        closing_minor=opening_minor + sum(entry.amount_minor for entry in entries),
        entries=tuple(entries),
    )


def cut(whole: Statement, *, first: int, last: int) -> Statement:
    """Return the part of a statement from one day to another, both counted from its first and among them."""
    begins_on, ends_on = whole.begins_on + timedelta(days=first), whole.begins_on + timedelta(days=last)
    before = sum(entry.amount_minor for entry in whole.entries if entry.booked_on < begins_on)
    entries = tuple(entry for entry in whole.entries if begins_on <= entry.booked_on <= ends_on)
    opening_minor = whole.opening_minor + before
    return replace(
        whole,
        begins_on=begins_on,
        ends_on=ends_on,
        opening_minor=opening_minor,
        closing_minor=opening_minor + sum(entry.amount_minor for entry in entries),
        entries=entries,
    )


def write_table(statement: Statement) -> bytes:
    """Return a statement as CSV."""
    head = {"account": statement.account, "currency": statement.currency}

    def say(amount_minor: int) -> str:
        return format_minor(amount_minor=amount_minor, decimals=statement.decimals)

    entries = [
        {
            **head,
            "line": "entry",
            "booked_on": entry.booked_on.isoformat(),
            "value_on": entry.value_on.isoformat(),
            "amount": say(entry.amount_minor),
            "bank_reference": entry.bank_reference,
            "end_to_end": entry.end_to_end,
            "remittance": entry.remittance,
            "counterparty": entry.counterparty,
        }
        for entry in statement.entries
    ]
    opening = head | {
        "line": "opening",
        "booked_on": statement.begins_on.isoformat(),
        "amount": say(statement.opening_minor),
    }
    closing = head | {
        "line": "closing",
        "booked_on": statement.ends_on.isoformat(),
        "amount": say(statement.closing_minor),
    }
    rows = [opening, *entries, closing]
    return render_csv(columns=COLUMNS, rows=[{name: row.get(name, "") for name in COLUMNS} for row in rows])


def write_camt(*statements: Statement, version: str = "08") -> bytes:
    """Return statements as CAMT.053, as versions up to 07 write it, or from 08 on."""
    body = "".join(_write_statement(each, is_new=version >= "08") for each in statements)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt>'
        "<GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-03-31T06:00:00+02:00</CreDtTm></GrpHdr>"
        f"{body}</BkToCstmrStmt></Document>\n"
    ).encode()


def _write_statement(statement: Statement, *, is_new: bool) -> str:
    balances = _write_balance("OPBD", statement.opening_minor, statement.begins_on, statement)
    balances += _write_balance("CLBD", statement.closing_minor, statement.ends_on, statement)
    entries = "".join(_write_entry(entry, statement, is_new=is_new) for entry in statement.entries)
    return (
        f"<Stmt><Id>{statement.bank_id or 'S1'}</Id><CreDtTm>2026-03-31T06:00:00+02:00</CreDtTm>"
        f"<FrToDt><FrDtTm>{statement.begins_on}T00:00:00</FrDtTm><ToDtTm>{statement.ends_on}T23:59:59</ToDtTm></FrToDt>"
        f"<Acct><Id><IBAN>{statement.account}</IBAN></Id></Acct>{balances}{entries}</Stmt>"
    )


def _write_balance(code: str, amount_minor: int, on: date, statement: Statement) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_write_amount(amount_minor, statement)}"
        f"<Dt><Dt>{on}</Dt></Dt></Bal>"
    )


def _write_amount(amount_minor: int, statement: Statement) -> str:
    amount = format_minor(amount_minor=abs(amount_minor), decimals=statement.decimals)
    direction = "DBIT" if amount_minor < 0 else "CRDT"
    return f'<Amt Ccy="{statement.currency}">{amount}</Amt><CdtDbtInd>{direction}</CdtDbtInd>'


def _write_entry(entry: StatementEntry, statement: Statement, *, is_new: bool) -> str:
    name = f"<Nm>{escape(entry.counterparty)}</Nm>"
    party = "Dbtr" if entry.amount_minor > 0 else "Cdtr"
    parties = f"<RltdPties><{party}>{f'<Pty>{name}</Pty>' if is_new else name}</{party}></RltdPties>"
    reference = f"<AcctSvcrRef>{escape(entry.bank_reference)}</AcctSvcrRef>" if entry.bank_reference else ""
    return (
        f"<Ntry>{_write_amount(entry.amount_minor, statement)}"
        f"<Sts>{'<Cd>BOOK</Cd>' if is_new else 'BOOK'}</Sts>"
        f"<BookgDt><Dt>{entry.booked_on}</Dt></BookgDt><ValDt><Dt>{entry.value_on}</Dt></ValDt>{reference}"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{escape(entry.end_to_end) or 'NOTPROVIDED'}</EndToEndId></Refs>"
        f"{parties}<RmtInf><Ustrd>{escape(entry.remittance)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )


def make_rate(*, currency: str = "EUR", per_credit: str = "1") -> CreditRate:
    """Return what a credit is worth, from long ago on."""
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)
    return CreditRate(currency=currency, per_credit=Decimal(per_credit), valid_from=long_ago, source="council")
