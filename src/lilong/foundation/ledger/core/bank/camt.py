"""Statements as ISO 20022 writes them: CAMT.053, versions 001.02 to 001.08. Of entries, those that are booked.

The file is a stranger's: no document type, no entities, a bounded number of elements, and only the namespaces known.
"""

import re
from collections.abc import Iterator
from datetime import date
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

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

ELEMENTS_MAX = 500_000
DEPTH_MAX = 40
STATEMENTS_MAX = 100
_ROOT = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.0[2-8]\}Document")
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_BOOKED = "BOOK"


class _BoundedBuilder(TreeBuilder):
    """Builds the tree of a CAMT.053 file without its namespace; of no other file, and none that is too large."""

    def __init__(self) -> None:
        super().__init__()
        self._left, self._depth, self._namespace = ELEMENTS_MAX, 0, ""

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        if not self._namespace:
            if not _ROOT.fullmatch(tag):
                raise BankFileUnreadable(detail=say("It is XML, and no CAMT.053 of the versions 001.02 to 001.08."))
            self._namespace = tag.removesuffix("Document")
        self._left, self._depth = self._left - 1, self._depth + 1
        if not self._left or self._depth > DEPTH_MAX:
            raise BankFileUnreadable(detail=say("It has too many elements: import shorter periods."))
        return super().start(tag.removeprefix(self._namespace), attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag.removeprefix(self._namespace))


def read_camt(*, content: bytes) -> tuple[Statement, ...]:
    """Return the statements of a CAMT.053 file; raises BankFileUnreadable and BankStatementInvalid."""
    parser = XMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    try:
        parser.feed(content)
        root: Element = parser.close()
    except DefusedXmlException as error:
        raise BankFileUnreadable(detail=say("A statement has no document type and no entities.")) from error
    except (ParseError, LookupError, ValueError) as error:
        raise BankFileUnreadable(detail=say("It is XML that is broken off or malformed.")) from error
    found = root.findall("BkToCstmrStmt/Stmt")
    if not 1 <= len(found) <= STATEMENTS_MAX:
        raise BankFileUnreadable(detail=say("A file has 1 to {most} statements.", most=STATEMENTS_MAX))
    return tuple(map(_read_statement, found))


def _read_statement(element: Element) -> Statement:
    opening, closing = _find_balance(element, _OPENING), _find_balance(element, _CLOSING)
    currency = _need(closing, "Amt").get("Ccy", "")
    decimals = find_decimals(currency=currency)
    entries = tuple(
        entry
        for each in element.findall("Ntry")
        if _say(each, "Sts", "Sts/Cd") == _BOOKED
        for entry in _read_entries(each, currency=currency, decimals=decimals)
    )
    days = [entry.booked_on for entry in entries]
    closes_on = _read_day_of(_need(closing, "Dt"))
    begins_on, ends_on = _read_period(element, days=[*days, closes_on])
    return Statement(
        account=clean(_say(element, "Acct/Id/IBAN", "Acct/Id/Othr/Id"), length_max=ACCOUNT_LENGTH_MAX),
        currency=currency,
        decimals=decimals,
        bank_id=clean(_say(element, "Id")),
        begins_on=begins_on,
        ends_on=ends_on,
        opening_minor=_read_signed(opening, currency=currency, decimals=decimals),
        closing_minor=_read_signed(closing, currency=currency, decimals=decimals),
        entries=entries,
    )


def _read_period(element: Element, *, days: list[date]) -> tuple[date, date]:
    """Return the days that a statement is about: those it names, and whatever is booked beside them."""
    named = element.find("FrToDt")
    if named is not None:
        days = [*days, read_day(_say(named, "FrDtTm", "FrDt"))]
    return min(days), max(days)


def _find_balance(element: Element, codes: tuple[str, ...]) -> Element:
    """Return the first balance of a statement with one of these codes."""
    for code in codes:
        for balance in element.findall("Bal"):
            if _say(balance, "Tp/CdOrPrtry/Cd") == code:
                return balance
    raise BankStatementInvalid(
        detail=say("It has no booked balance {code}; a page of a statement is not one.", code=" or ".join(codes))
    )


def _read_entries(element: Element, *, currency: str, decimals: int) -> Iterator[StatementEntry]:
    """Yield an entry, or each transaction of a batch where the bank says what each was."""
    total_minor = _read_signed(element, currency=currency, decimals=decimals)
    booked_on = _read_day_of(_need(element, "BookgDt"))
    valued = element.find("ValDt")
    value_on = booked_on if valued is None else _read_day_of(valued)
    details = element.findall("NtryDtls/TxDtls")
    parts = [_find_part(each, currency=currency, decimals=decimals) for each in details]
    sign = -1 if total_minor < 0 else 1
    is_batch = len(parts) > 1 and None not in parts and sum(filter(None, parts)) == abs(total_minor)
    shown = details if is_batch else [details[0] if len(details) == 1 else element]
    for number, each in enumerate(shown, start=1):
        reference = _say(element, "AcctSvcrRef") or _say(each, "Refs/AcctSvcrRef")
        yield StatementEntry(
            booked_on=booked_on,
            value_on=value_on,
            amount_minor=sign * (parts[number - 1] or 0) if is_batch else total_minor,
            bank_reference=clean(f"{reference}/{number}" if is_batch and reference else reference),
            end_to_end=clean(_say(each, "Refs/EndToEndId").removeprefix("NOTPROVIDED")),
            remittance=_read_remittance(element, each),
            counterparty=_read_counterparty(each, sign=sign),
        )


def _find_part(details: Element, *, currency: str, decimals: int) -> int | None:
    """Return what one transaction of a batch amounts to, where the bank says it in the account's currency."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        amount = details.find(path)
        if amount is not None and amount.get("Ccy") == currency:
            return read_amount_minor((amount.text or "").strip(), decimals=decimals)
    return None


def _read_remittance(entry: Element, details: Element) -> str:
    """Return what the payer wrote: free lines, the creditor's reference, or else what the bank adds."""
    lines = [each.text or "" for each in details.findall("RmtInf/Ustrd")]
    lines += [each.text or "" for each in details.findall("RmtInf/Strd/CdtrRefInf/Ref")]
    said = " ".join(lines) or _say(details, "AddtlTxInf") or _say(entry, "AddtlNtryInf")
    return clean(said, length_max=REMITTANCE_LENGTH_MAX)


def _read_counterparty(details: Element, *, sign: int) -> str:
    other = "Dbtr" if sign > 0 else "Cdtr"
    return clean(_say(details, f"RltdPties/{other}/Nm", f"RltdPties/{other}/Pty/Nm"))


def _read_signed(element: Element, *, currency: str, decimals: int) -> int:
    """Return the amount of a balance or entry: debits are below zero."""
    amount, direction = _need(element, "Amt"), _say(element, "CdtDbtInd")
    if amount.get("Ccy") != currency or direction not in {"CRDT", "DBIT"}:
        raise BankStatementInvalid(detail=say("An amount is not said as credit or debit in the account's currency."))
    minor = read_amount_minor((amount.text or "").strip(), decimals=decimals)
    return minor if direction == "CRDT" else -minor


def _read_day_of(element: Element) -> date:
    return read_day(_say(element, "Dt", "DtTm"))


def _need(element: Element, path: str) -> Element:
    found = element.find(path)
    if found is None:
        raise BankStatementInvalid(
            detail=say("{element} is without {path}.", element=element.tag.rpartition("}")[2], path=path)
        )
    return found


def _say(element: Element, *paths: str) -> str:
    """Return the text at the first of these paths that has one."""
    return next(filter(None, (element.findtext(path, "").strip() for path in paths)), "")
