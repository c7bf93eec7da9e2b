"""An invoice as a document: from the charges of a month, which FOCUS files are made from, too.

Vouchers and balance are ways of paying and change no price. Prices contain whatever tax there is, since the ledger took
what they say and no more. What puts an earlier month right is a credit note about that month, never a changed invoice.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict

from lilong.common.canonical import canonical_json
from lilong.common.money import UC_PER_CREDIT
from lilong.common.rates import RATE_DECIMALS, Rate, choose_rate
from lilong.platforms.supermarket.core.charges import Category, Charge
from lilong.platforms.supermarket.core.focus import Parties, find_month
from lilong.platforms.supermarket.core.postings import SERVICE_CREDIT
from lilong.platforms.supermarket.core.pricing import UNIT_MS_PER_PRICE, Unit
from lilong.platforms.supermarket.core.taxes import (
    Tax,
    TaxCategory,
    Treatment,
    choose_tax,
    find_contained,
    round_half_up,
)

EXACT_PER_UNIT = UC_PER_CREDIT * 10**RATE_DECIMALS
"""An exact amount is micro-credits times millionths: so many of them are one unit of the currency."""

CORRECTION = "correction"


class PaperKind(StrEnum):
    """The two papers; each has its own series of numbers."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit_note"


PREFIXES = {PaperKind.INVOICE: "INV", PaperKind.CREDIT_NOTE: "CRN"}


class LineKind(StrEnum):
    """What a line is about."""

    USAGE = "usage"
    SERVICE_CREDIT = "service_credit"
    CORRECTION = "correction"
    OTHER = "other"


class Part(BaseModel):
    """Base of the document and its members: immutable, and nothing unknown is read over."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(Part):
    """A seller or buyer as invoices name it."""

    organisation_id: str
    name: str
    address: str
    tax_number: str


class UsedRate(Part):
    """What a credit was worth from a day on."""

    millionths: int
    valid_from: date
    source: str
    is_example: bool


class Line(Part):
    """One thing that was charged, or given back (below zero).

    unit_ms: units times milliseconds, and price_uc per 1 000 unit-seconds, both of usage alone; is_capped: whether the
    order's maximum cut the amount; rate and tax: places in the document's lists, tax -1 where none is said.
    """

    kind: LineKind
    code: str
    order_id: str
    order_name: str
    provider: str
    offer: str
    unit: Unit | None
    unit_ms: int
    price_uc: int
    attempts: int
    is_capped: bool
    charged_on: date
    rate: int
    tax: int
    amount_uc: int
    amount_minor: int


class TaxSum(Part):
    """What the lines of one rate come to, and the tax that is contained in it."""

    jurisdiction: str
    category: TaxCategory
    name: str
    rate_ppm: int
    reason: str
    reason_code: str
    source: str
    gross_minor: int
    tax_minor: int


class Corrected(Part):
    """The paper that a credit note puts right."""

    number: str
    issued_on: date


class Document(Part):
    """An invoice or credit note. Amounts in micro-credits (`_uc`), and in the currency's minor unit (`_minor`)."""

    form: Literal["lilong.invoice.1"] = "lilong.invoice.1"
    kind: PaperKind
    number: str
    issued_on: date
    month: date
    about_month: date
    corrects: Corrected | None
    seller: Named
    buyer: Named
    currency: str
    decimals: int
    rates: tuple[UsedRate, ...]
    lines: tuple[Line, ...]
    taxes: tuple[TaxSum, ...]
    total_uc: int
    total_minor: int
    voucher_uc: int
    voucher_minor: int

    @property
    def balance_uc(self) -> int:
        """What wallet and budgets paid."""
        return self.total_uc - self.voucher_uc

    @property
    def balance_minor(self) -> int:
        """What wallet and budgets paid, in the currency."""
        return self.total_minor - self.voucher_minor


@dataclass(frozen=True, slots=True)
class Paper:
    """Which paper of a month a charge stands on."""

    currency: str
    about_month: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What a paper says besides its lines."""

    number: str
    issued_on: date
    month: date
    corrects: Corrected | None
    seller: Named
    buyer: Named
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what charges are converted and taxed; without a treatment nothing is said of taxes."""

    rates: Sequence[Rate]
    taxes: Sequence[Tax]
    treatment: Treatment | None


def write_number(*, kind: PaperKind, year: int, number: int) -> str:
    """Return a number as it stands on the paper.

    >>> write_number(kind=PaperKind.INVOICE, year=2026, number=7)
    'INV-2026-000007'
    """
    return f"{PREFIXES[kind]}-{year}-{number:06d}"


def write_document(*, document: Document) -> str:
    """Return the document as the text whose SHA-256 is recorded."""
    return canonical_json(document.model_dump(mode="json")).decode()


def read_document(*, content: str) -> Document:
    """Return the document that `write_document` wrote."""
    return Document.model_validate_json(content)


def file_charges(*, charges: Iterable[Charge], rates: Sequence[Rate]) -> dict[Paper, list[Charge]]:
    """Return the papers of one month with their charges: by currency, and by the month that they are about.

    What is about earlier months, and gives nothing back together, such as usage that was told late, joins the month's
    invoice. Raises RateMissing.
    """
    papers: dict[Paper, list[Charge]] = defaultdict(list)
    for charge in charges:
        currency = choose_rate(rates=rates, at=charge.effective_at).currency
        papers[Paper(currency, find_about_month(charge=charge))].append(charge)
    for paper in [*papers]:
        month = find_month(papers[paper][0].effective_at)[0].date()
        if paper.about_month != month and _sum_supplied(papers[paper]) >= 0:
            papers[Paper(paper.currency, month)] += papers.pop(paper)
    return dict(papers)


def find_about_month(*, charge: Charge) -> date:
    """Return the first day of the month that a charge is about: that in which its order was settled, else its own."""
    settled_at = charge.order.settled_at if charge.order else charge.effective_at
    return find_month(min(settled_at, charge.effective_at))[0].date()


def choose_kind(*, charges: Iterable[Charge]) -> PaperKind:
    """Return which paper charges need: what gives back more than it takes is a credit note."""
    return PaperKind.CREDIT_NOTE if _sum_supplied(charges) < 0 else PaperKind.INVOICE


def build_document(
    *, paper: Paper, heading: Heading, charges: Sequence[Charge], parties: Parties, terms: Terms
) -> Document:
    """Return the document of a paper's charges. Raises RateMissing and TaxRateMissing.

    The total is rounded once, half up; a line is what the rounded sum grows by, so that lines add up to it. A tax is
    reckoned once for each rate on the sum of its lines.
    """
    rated = [(charge, choose_rate(rates=terms.rates, at=charge.effective_at)) for charge in charges]
    rates = list(dict.fromkeys(rate for _, rate in rated))
    supplied = [(charge, rates.index(rate)) for charge, rate in rated if not charge.voucher_id]
    taxes = [_choose_tax(charge, terms) for charge, _ in supplied]
    used = list(dict.fromkeys(tax for tax in taxes if tax))
    groups: dict[tuple[object, ...], list[tuple[Charge, int, int]]] = defaultdict(list)
    for (charge, rate), tax in zip(supplied, taxes, strict=True):
        groups[_name_line(charge, rate)].append((charge, rate, used.index(tax) if tax else -1))
    exact = [sum(_weigh(charge, rates[rate]) for charge, rate, _ in group) for group in groups.values()]
    minors = [*_spread(exact, decimals=heading.decimals)]
    lines = [_write_line(group, minor, parties) for group, minor in zip(groups.values(), minors, strict=True)]
    vouchers = [(charge, rate) for charge, rate in rated if charge.voucher_id]
    return Document(
        kind=choose_kind(charges=charges),
        number=heading.number,
        issued_on=heading.issued_on,
        month=heading.month,
        about_month=paper.about_month,
        corrects=heading.corrects,
        seller=heading.seller,
        buyer=heading.buyer,
        currency=paper.currency,
        decimals=heading.decimals,
        rates=tuple(_write_rate(rate) for rate in rates),
        lines=tuple(lines),
        taxes=tuple(_sum_tax(tax, lines, place) for place, tax in enumerate(used)),
        total_uc=sum(line.amount_uc for line in lines),
        total_minor=sum(minors),
        voucher_uc=-sum(charge.amount_uc for charge, _ in vouchers),
        voucher_minor=_round(-sum(_weigh(charge, rate) for charge, rate in vouchers), heading.decimals),
    )


def _choose_tax(charge: Charge, terms: Terms) -> Tax | None:
    """Return the rate at the moment of what was supplied: what is put right later is put right at the same rate."""
    if terms.treatment is None:
        return None
    at = charge.order.settled_at if charge.order else charge.effective_at
    return choose_tax(taxes=terms.taxes, treatment=terms.treatment, at=at)


def _name_line(charge: Charge, rate: int) -> tuple[object, ...]:
    """Return what charges of one line have in common: attempts of an order at one price are one."""
    if charge.order and charge.line:
        return charge.order.id, charge.line.terms.offer_id, charge.line.terms.price_row_id, rate
    return charge.group_id, charge.code, charge.order.id if charge.order else ""


def _write_line(group: Sequence[tuple[Charge, int, int]], amount_minor: int, parties: Parties) -> Line:
    first, rate, tax = group[0]
    used = [charge.line for charge, _, _ in group if charge.line]
    terms = used[0].terms if used else None
    amount_uc = sum(charge.amount_uc for charge, _, _ in group)
    unit_ms = sum(line.terms.units * line.usage.billable_ms for line in used)
    price_uc = terms.price_uc if terms else 0
    return Line(
        kind=_choose_line_kind(first),
        code=first.code,
        order_id=first.order.id if first.order else "",
        order_name=first.order.name if first.order else "",
        provider=parties.publishers[terms.offer_id] if terms else "",
        offer=parties.offers[terms.offer_id] if terms else "",
        unit=terms.unit if terms else None,
        unit_ms=unit_ms,
        price_uc=price_uc,
        attempts=len(used),
        # Each attempt is rounded down by less than one micro-credit; whatever else is missing, the maximum cut.
        is_capped=price_uc * unit_ms // UNIT_MS_PER_PRICE - amount_uc >= max(1, len(used)) and bool(used),
        charged_on=first.effective_at.astimezone(UTC).date(),
        rate=rate,
        tax=tax,
        amount_uc=amount_uc,
        amount_minor=amount_minor,
    )


def _choose_line_kind(charge: Charge) -> LineKind:
    if charge.category is Category.USAGE:
        return LineKind.USAGE
    known: Mapping[str, LineKind] = {SERVICE_CREDIT: LineKind.SERVICE_CREDIT, CORRECTION: LineKind.CORRECTION}
    return known.get(charge.code, LineKind.OTHER)


def _sum_tax(tax: Tax, lines: Iterable[Line], place: int) -> TaxSum:
    gross_minor = sum(line.amount_minor for line in lines if line.tax == place)
    return TaxSum(
        jurisdiction=tax.jurisdiction,
        category=tax.category,
        name=tax.name,
        rate_ppm=tax.rate_ppm,
        reason=tax.reason,
        reason_code=tax.reason_code,
        source=tax.source,
        gross_minor=gross_minor,
        tax_minor=find_contained(gross_minor=gross_minor, rate_ppm=tax.rate_ppm),
    )


def _write_rate(rate: Rate) -> UsedRate:
    return UsedRate(
        millionths=rate.millionths,
        valid_from=rate.valid_from.astimezone(UTC).date(),
        source=rate.source,
        is_example=rate.is_example,
    )


def _sum_supplied(charges: Iterable[Charge]) -> int:
    return sum(charge.amount_uc for charge in charges if not charge.voucher_id)


def _weigh(charge: Charge, rate: Rate) -> int:
    return charge.amount_uc * rate.millionths


def _spread(exact: Iterable[int], *, decimals: int) -> Iterator[int]:
    """Yield for each exact amount what the rounded sum grows by."""
    sums = [_round(amount, decimals) for amount in accumulate(exact, initial=0)]
    return (after - before for before, after in pairwise(sums))


def _round(exact: int, decimals: int) -> int:
    return round_half_up(exact * 10**decimals, EXACT_PER_UNIT)
