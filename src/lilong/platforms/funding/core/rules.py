"""Voucher rules as data: what a programme's vouchers pay for, how much, to whom; checked, and frozen by their hash."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lilong.common.canonical import Json, canonical_json, sha256_hex
from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.money import PPM
from lilong.common.sentences import say

AMOUNT_MAX_UC = 10**15
VALID_DAYS_MAX = 3660
AGE_MONTHS_MAX = 1200
HEAD_COUNT_MAX = 10_000_000
PRIORITY_MAX = 1000
RATES_MAX = 20
TEXT_MAX = 2000
_COUNTRY = re.compile(r"[A-Z]{2}")
_LINK = re.compile(r"https?://\S+")


class VoucherRuleInvalid(InputInvalid):
    """A figure of the rule is out of its range."""

    code = "funding.rule_invalid"
    title = "This voucher rule is not valid"
    next_step = "Correct the figures named here."


class Earmark(StrEnum):
    """What a voucher pays for. A hub sells computing power; the others can be named before they are sold."""

    COMPUTE = "compute"
    MODEL = "model"
    CORPUS = "corpus"
    STORAGE = "storage"
    LABELLING = "labelling"


class Origin(StrEnum):
    """Where something comes from, seen from the jurisdiction of the rule; a job without accelerators has `none`."""

    HOME = "home"
    OTHER = "other"
    NONE = "none"


class Purpose(StrEnum):
    """What an organisation declares that it uses computing power for."""

    FILED_MODEL = "filed_model"
    RESEARCH = "research"
    TEACHING = "teaching"
    PUBLIC_SERVICE = "public_service"


class Stacking(StrEnum):
    """Whether vouchers of several programmes share a price, or the one with the highest rate pays alone."""

    COMBINES = "combines"
    HIGHEST_ALONE = "highest_alone"


class ClawBackReason(StrEnum):
    """For what a programme may ask its money back."""

    FALSE_DECLARATION = "false_declaration"
    RELATED_PARTY = "related_party"
    CLAIMED_TWICE = "claimed_twice"
    OTHER_PURPOSE = "other_purpose"
    PRODUCT_WITHDRAWN = "product_withdrawn"


class _Strict:
    """Nothing unknown is read over in any part of a rule."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Words(_Strict):
    """One text in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Source(_Strict):
    """Where something is published: where to read it, and of which day it is, when that is known."""

    title: str
    link: str
    published_on: date | None = None


@dataclass(frozen=True, slots=True)
class About(_Strict):
    """What people read of a programme. is_example: modelled on what a source says, by nobody's order."""

    name: Words
    purpose: Words
    sources: tuple[Source, ...] = ()
    is_example: bool = False


@dataclass(frozen=True, slots=True)
class Rate(_Strict):
    """A share of the price that applies where all of its conditions hold; the highest that applies is paid.

    age_months_below: whole months since the organisation was founded; head_count_at_most: people, as it declares them;
    purposes: one of these is declared.
    """

    rate_ppm: int
    accelerator: Origin | None = None
    provider: Origin | None = None
    age_months_below: int | None = None
    head_count_at_most: int | None = None
    purposes: tuple[Purpose, ...] = ()


@dataclass(frozen=True, slots=True)
class ClawBack(_Strict):
    """Within how many months after a payment a programme may ask for it back, and for what."""

    within_months: int
    reasons: tuple[ClawBackReason, ...]


@dataclass(frozen=True, slots=True)
class VoucherRule(_Strict):
    """What a programme's vouchers carry.

    rate_ppm: share of the price where no other rate applies; cap_uc: most that a voucher pays for one order;
    expires_in_days: life of a voucher; starter_uc: worth of the voucher that a newly admitted organisation gets
    unasked, 0 for none; jurisdiction: the country that is home to the rule; year_cap_uc: most that the programme pays
    for one organisation in a calendar year; year_budget_uc: most that it issues in one; priority: of vouchers that
    pay for the same order the highest pays first. Related parties of a provider are never paid for, by any rule.
    """

    rate_ppm: int
    cap_uc: int
    expires_in_days: int
    starter_uc: int = 0
    rates: tuple[Rate, ...] = ()
    jurisdiction: str = ""
    earmark: Earmark = Earmark.COMPUTE
    year_cap_uc: int | None = None
    year_budget_uc: int | None = None
    priority: int = 0
    stacking: Stacking = Stacking.COMBINES
    claw_back: ClawBack | None = None
    about: About | None = None

    @property
    def document(self) -> dict[str, Json]:
        """Return the rule as it is hashed, recorded and stored; what says nothing is left out, so that hashes stay."""
        said: dict[str, Json] = _rules().dump_python(self, mode="json", exclude_defaults=True)
        return {"starter_uc": 0, **said}

    @property
    def sha256(self) -> str:
        """Return the hash by which vouchers name the rule that they were issued under.

        >>> VoucherRule(rate_ppm=300_000, cap_uc=8_000_000, expires_in_days=365).sha256[:8]
        'e9713d44'
        """
        return sha256_hex(canonical_json(self.document))

    @property
    def highest_ppm(self) -> int:
        """Return the highest rate that anybody can get."""
        return max([self.rate_ppm, *(rate.rate_ppm for rate in self.rates)])


def read_rule(*, document: Mapping[str, Any]) -> VoucherRule:
    """Return the rule that a document says; raises VoucherRuleInvalid, naming every part that is wrong."""
    try:
        rule = _rules().validate_json(json.dumps(document, default=str), strict=True)
    except ValidationError as error:
        raise VoucherRuleInvalid(fields=name_problems(error=error)) from error
    check_rule(rule=rule)
    return rule


def name_problems(*, error: ValidationError, prefix: str = "") -> list[FieldProblem]:
    """Return what is wrong with a document, by the path of each part."""
    begin = (prefix,) if prefix else ()
    return [
        FieldProblem(
            path=".".join(map(str, (*begin, *each["loc"]))), code=f"funding.{each['type']}", message=each["msg"]
        )
        for each in error.errors()
    ]


def check_rule(*, rule: VoucherRule) -> None:
    """Raise VoucherRuleInvalid, naming every figure that is out of range."""
    problems = [*_check_figures(rule), *_check_rates(rule), *_check_about(rule.about)]
    if problems:
        raise VoucherRuleInvalid(fields=problems)


def expiry_of(*, rule: VoucherRule, issued_at: datetime) -> datetime:
    """Return the moment from which a voucher issued at `issued_at` pays no more."""
    return issued_at + timedelta(days=rule.expires_in_days)


@lru_cache(maxsize=1)
def _rules() -> TypeAdapter[VoucherRule]:
    return TypeAdapter(VoucherRule)


def _check_figures(rule: VoucherRule) -> Iterable[FieldProblem]:
    ranges: dict[str, tuple[int | None, int, int]] = {
        "rate_ppm": (rule.rate_ppm, 0 if rule.rates else 1, PPM),
        "cap_uc": (rule.cap_uc, 1, AMOUNT_MAX_UC),
        "expires_in_days": (rule.expires_in_days, 1, VALID_DAYS_MAX),
        "starter_uc": (rule.starter_uc, 0, AMOUNT_MAX_UC),
        "year_cap_uc": (rule.year_cap_uc, 1, AMOUNT_MAX_UC),
        "year_budget_uc": (rule.year_budget_uc, 1, AMOUNT_MAX_UC),
        "priority": (rule.priority, -PRIORITY_MAX, PRIORITY_MAX),
        "rates": (len(rule.rates), 0, RATES_MAX),
    }
    if rule.claw_back:
        ranges["claw_back.within_months"] = (rule.claw_back.within_months, 1, AGE_MONTHS_MAX)
    yield from _check_ranges(ranges)
    if rule.jurisdiction and not _COUNTRY.fullmatch(rule.jurisdiction):
        message = say("It must be a country by two capital letters, such as CN.")
        yield FieldProblem(path="jurisdiction", code="funding.no_country", message=message)
    if rule.starter_uc and rule.earmark is not Earmark.COMPUTE:
        message = say("The hub sells no {earmark} yet, so that nobody could use a starter.", earmark=rule.earmark)
        yield FieldProblem(path="starter_uc", code="funding.earmark_unsold", message=message)


def _check_rates(rule: VoucherRule) -> Iterable[FieldProblem]:
    for number, rate in enumerate(rule.rates):
        path = f"rates.{number}"
        yield from _check_ranges(
            {
                f"{path}.rate_ppm": (rate.rate_ppm, 1, PPM),
                f"{path}.age_months_below": (rate.age_months_below, 1, AGE_MONTHS_MAX),
                f"{path}.head_count_at_most": (rate.head_count_at_most, 1, HEAD_COUNT_MAX),
            }
        )
        if rate == Rate(rate_ppm=rate.rate_ppm):
            message = say("It has no condition. Say it as the rule's own rate_ppm.")
            yield FieldProblem(path=path, code="funding.no_condition", message=message)
        if rate.rate_ppm <= rule.rate_ppm:
            message = say("It is not above the rule's own rate_ppm, so that it could never be paid.")
            yield FieldProblem(path=f"{path}.rate_ppm", code="funding.never_paid", message=message)
        if rate.provider is Origin.NONE:
            message = say("A provider is from home or from elsewhere.")
            yield FieldProblem(path=f"{path}.provider", code="funding.no_origin", message=message)
        if {rate.accelerator, rate.provider} & {Origin.HOME, Origin.OTHER} and not rule.jurisdiction:
            message = say("Say which country is home to the rule: {path} asks for it.", path=path)
            yield FieldProblem(path="jurisdiction", code="funding.no_jurisdiction", message=message)


def _check_about(about: About | None) -> Iterable[FieldProblem]:
    if about is None:
        return
    texts = {
        "about.name.en": about.name.en,
        "about.name.zh": about.name.zh,
        "about.purpose.en": about.purpose.en,
        "about.purpose.zh": about.purpose.zh,
        **{f"about.sources.{number}.title": source.title for number, source in enumerate(about.sources)},
    }
    for path, text in texts.items():
        if not 1 <= len(text.strip()) <= TEXT_MAX:
            message = say("It must have from 1 to {most} characters.", most=TEXT_MAX)
            yield FieldProblem(path=path, code="funding.text_length", message=message)
    for number, source in enumerate(about.sources):
        if not _LINK.fullmatch(source.link):
            message = say("It must begin with https:// or http://.")
            yield FieldProblem(path=f"about.sources.{number}.link", code="funding.no_link", message=message)


def _check_ranges(ranges: Mapping[str, tuple[int | None, int, int]]) -> Iterable[FieldProblem]:
    for path, (figure, low, high) in ranges.items():
        if figure is not None and not low <= figure <= high:
            yield FieldProblem(
                path=path,
                code="funding.out_of_range",
                message=say("It must be from {least} to {most}.", least=low, most=high),
            )
