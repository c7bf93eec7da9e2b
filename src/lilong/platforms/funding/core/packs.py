"""A rule with its number and its own cases, as the file in which it is handed in: what it must pay, worked out by hand.

A pack is what people publish; its rule alone is what is hashed into vouchers, so that a case more changes no voucher.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from lilong.common.errors import FieldProblem
from lilong.common.sentences import say
from lilong.common.time import find_zone
from lilong.platforms.funding.core.deciding import Granted, MemberFacts, OfferFacts, Purse, decide
from lilong.platforms.funding.core.rules import Purpose, VoucherRule, VoucherRuleInvalid, name_problems, read_rule

PACK_LENGTH_MAX = 65_536
CASES_MAX = 200
VERSION_MAX = 10_000
OF_PACK = ("version", "cases")
ONE_DAY = timedelta(days=1)


class ProposalState(StrEnum):
    """Where a pack that was handed in stands."""

    OPEN = "open"
    PUBLISHED = "published"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RuleCase:
    """A member, an offer and a moment, and what the rule pays then: a rate and a cap, or the code of its refusal.

    zone: in which days and years begin; accelerator and provider: their countries, empty for none; related_by: who
    holds enough of both; since: when the member applied; available_uc: what is left of the voucher.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    at: datetime
    since: date
    zone: str = "UTC"
    accelerator: str = ""
    provider: str = ""
    related_by: str = ""
    founded_on: date | None = None
    head_count: int | None = None
    purposes: tuple[Purpose, ...] = ()
    used_uc: int = 0
    available_uc: int = 0
    rate_ppm: int = 0
    cap_uc: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class Pays:
    """What a case says is paid, or what is: a rate and a cap, or the code of the refusal."""

    rate_ppm: int = 0
    cap_uc: int = 0
    code: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with what it wants and what the rule pays."""

    name: str
    wanted: Pays
    paid: Pays

    @property
    def has_passed(self) -> bool:
        """Whether the rule pays what the case says."""
        return self.wanted == self.paid


@dataclass(frozen=True, slots=True)
class RulePack:
    """What a file says: version: the number under which it is to be published, None where it says none."""

    rule: VoucherRule
    version: int | None
    cases: tuple[RuleCase, ...]


def read_pack(*, text: str) -> RulePack:
    """Return what a TOML text says; raises VoucherRuleInvalid, naming every part that is wrong."""
    if len(text) > PACK_LENGTH_MAX:
        raise VoucherRuleInvalid(detail=say("A pack has at most {most} characters.", most=PACK_LENGTH_MAX))
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise VoucherRuleInvalid(detail=say("It is no TOML: {why}", why=str(error))) from error
    rule = read_rule(document={name: said for name, said in document.items() if name not in OF_PACK})
    version = document.get("version")
    if version is not None and not (type(version) is int and 1 <= version <= VERSION_MAX):
        message = say("It must be from {least} to {most}.", least=1, most=VERSION_MAX)
        raise VoucherRuleInvalid(fields=[FieldProblem(path="version", code="funding.out_of_range", message=message)])
    return RulePack(rule=rule, version=version, cases=_read_cases(document))


def run_cases(*, pack: RulePack) -> tuple[CaseResult, ...]:
    """Return of each of the pack's cases what it wants and what the rule pays."""
    return tuple(_run(pack.rule, case) for case in pack.cases)


def _read_cases(document: Mapping[str, Any]) -> tuple[RuleCase, ...]:
    try:
        cases = _cases().validate_json(json.dumps(document.get("cases", []), default=str), strict=True)
    except ValidationError as error:
        raise VoucherRuleInvalid(fields=name_problems(error=error, prefix="cases")) from error
    problems = [problem for number, case in enumerate(cases) for problem in _find_faults(case, path=f"cases.{number}")]
    if len(cases) > CASES_MAX:
        message = say("There are at most {most} cases.", most=CASES_MAX)
        problems.append(FieldProblem(path="cases", code="funding.out_of_range", message=message))
    if problems:
        raise VoucherRuleInvalid(fields=problems)
    return cases


def _find_faults(case: RuleCase, *, path: str) -> Iterator[FieldProblem]:
    try:
        find_zone(name=case.zone)
    except ValueError:
        message = say("There is no time zone {zone}.", zone=case.zone)
        yield FieldProblem(path=path, code="funding.case_invalid", message=message)
    if case.at.tzinfo is None:
        message = say("Its moment has to say its offset, such as Z for UTC.")
        yield FieldProblem(path=path, code="funding.case_invalid", message=message)
    if not case.name.strip():
        message = say("It has to have a name.")
        yield FieldProblem(path=path, code="funding.case_invalid", message=message)


def _run(rule: VoucherRule, case: RuleCase) -> CaseResult:
    decision = decide(
        rule=rule,
        member=MemberFacts(
            is_admitted=True,
            since=case.since,
            founded_on=case.founded_on,
            head_count=case.head_count,
            purposes=frozenset(case.purposes),
        ),
        offer=OfferFacts("", case.accelerator, case.provider, case.related_by),
        year_used_uc=case.used_uc,
        purse=Purse(case.available_uc, 0, case.at + ONE_DAY),
        now=case.at,
        zone=find_zone(name=case.zone),
    )
    if isinstance(decision, Granted):
        paid = Pays(rate_ppm=decision.rate_ppm, cap_uc=decision.cap_uc)
    else:
        paid = Pays(code=decision.code.value)
    return CaseResult(case.name, Pays(rate_ppm=case.rate_ppm, cap_uc=case.cap_uc, code=case.code), paid)


@lru_cache(maxsize=1)
def _cases() -> TypeAdapter[tuple[RuleCase, ...]]:
    return TypeAdapter(tuple[RuleCase, ...])
