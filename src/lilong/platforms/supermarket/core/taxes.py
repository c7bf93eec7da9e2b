"""Which tax a charge contains: by rates with a date, which operators publish and nobody changes.

The hub knows no country's law: category, rate and reason are data, and the operator has to know whether they are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lilong.common.errors import Conflict, FieldProblem, InputInvalid
from lilong.common.money import PPM
from lilong.common.sentences import say
from lilong.common.time import format_moment


class TaxCategory(StrEnum):
    """How something is taxed, as EN 16931 and its code list UNTDID 5305 tell kinds apart: S, AA, Z, E, AE and O."""

    STANDARD = "standard"
    REDUCED = "reduced"
    ZERO = "zero"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    OUTSIDE = "outside"


TAXED = frozenset({TaxCategory.STANDARD, TaxCategory.REDUCED})
REASONED = frozenset({TaxCategory.EXEMPT, TaxCategory.REVERSE_CHARGE, TaxCategory.OUTSIDE})


class TaxRateMissing(Conflict):
    """No published rate says how something was taxed."""

    code = "supermarket.tax_rate_missing"
    title = "It is not said how this is taxed"
    next_step = "Publish the rate at the desk under Invoices, or decide another treatment of the organisation."


class TaxRateInvalid(InputInvalid):
    """The rate contradicts its category."""

    code = "supermarket.tax_rate_invalid"
    title = "This is no rate of tax"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """A rate of tax from `valid_from` on; reason and its code say why a category has none."""

    id: str
    jurisdiction: str
    category: TaxCategory
    name: str
    rate_ppm: int
    reason: str
    reason_code: str
    valid_from: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Treatment:
    """Where an organisation is taxed and how."""

    jurisdiction: str
    category: TaxCategory


def check_rate(*, category: TaxCategory, rate_ppm: int, reason: str) -> None:
    """Raise TaxRateInvalid where a category is taxed and has no rate, is not and has one, or lacks its reason."""
    problems: list[FieldProblem] = []
    if (category in TAXED) != (rate_ppm > 0):
        wanted = say("it needs a rate above zero") if category in TAXED else say("its rate is zero")
        problems.append(FieldProblem(path="rate_ppm", code="tax.rate_wrong", message=wanted))
    if category in REASONED and not reason:
        missing = say("say why no tax is charged, as it has to stand on the invoice")
        problems.append(FieldProblem(path="reason", code="tax.reason_missing", message=missing))
    if problems:
        raise TaxRateInvalid(fields=problems)


def choose_tax(*, taxes: Sequence[Tax], treatment: Treatment, at: datetime) -> Tax:
    """Return the rate in force at a moment for a treatment: the latest that has begun. Raises TaxRateMissing."""
    begun = [
        tax
        for tax in taxes
        if (tax.jurisdiction, tax.category) == (treatment.jurisdiction, treatment.category) and tax.valid_from <= at
    ]
    if not begun:
        raise TaxRateMissing(
            detail=say(
                "No rate {category} of {jurisdiction} was in force at {moment}.",
                category=treatment.category,
                jurisdiction=treatment.jurisdiction,
                moment=format_moment(at),
            )
        )
    return max(begun, key=lambda tax: tax.valid_from)


def find_contained(*, gross_minor: int, rate_ppm: int) -> int:
    """Return the tax that an amount contains, in the same minor units: half up, away from zero.

    >>> find_contained(gross_minor=11_300, rate_ppm=130_000), find_contained(gross_minor=-5, rate_ppm=1_000_000)
    (1300, -3)
    """
    return round_half_up(gross_minor * rate_ppm, PPM + rate_ppm)


def round_half_up(numerator: int, denominator: int) -> int:
    """Return the nearest whole number to a fraction; a half is rounded away from zero.

    >>> round_half_up(5, 10), round_half_up(-5, 10), round_half_up(4, 10)
    (1, -1, 0)
    """
    whole = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -whole if numerator < 0 else whole
