"""What a rule pays a member on an offer, or why it pays nothing: pure, from facts that the caller froze."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from enum import StrEnum
from functools import reduce

from lilong.common.money import format_credits
from lilong.common.sentences import Sentence, join_sentences, say
from lilong.common.time import format_moment
from lilong.platforms.funding.core.rules import Earmark, Origin, Purpose, Rate, VoucherRule

MONTHS_OF_YEAR = 12


class Code(StrEnum):
    """Why a voucher pays nothing; stable."""

    NOT_ADMITTED = "voucher.not_admitted"
    EARMARK_UNSOLD = "voucher.earmark_unsold"
    RELATED_PARTY = "voucher.related_party"
    NO_RATE = "voucher.no_rate"
    EXPIRED = "voucher.expired"
    YEAR_CAP_REACHED = "voucher.year_cap_reached"
    YEAR_BUDGET_REACHED = "voucher.year_budget_reached"
    RESERVED = "voucher.reserved"
    SPENT = "voucher.spent"
    PROGRAMME_PAYS_ALREADY = "voucher.programme_pays_already"
    PRICE_CARRIED = "voucher.price_carried"
    HIGHER_RATE_PAYS = "voucher.higher_rate_pays"


class Condition(StrEnum):
    """What a rate may ask for; names of `Threshold`."""

    ACCELERATOR = "accelerator"
    PROVIDER = "provider"
    AGE_MONTHS = "age_months"
    HEAD_COUNT = "head_count"
    PURPOSE = "purpose"
    YEAR_UC = "year_uc"
    BUDGET_UC = "budget_uc"


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """An organisation as it stands. founded_on and head_count: as it declares them, None where it does not.

    since: the day from which its age counts where it declares no founding: that of its application.
    """

    is_admitted: bool
    since: date
    founded_on: date | None = None
    head_count: int | None = None
    purposes: frozenset[Purpose] = frozenset()


@dataclass(frozen=True, slots=True)
class OfferFacts:
    """Where an offer comes from: countries by two letters.

    accelerator_country: of the vendor, empty for a job without accelerators; provider_country: as the provider
    declares it, empty where it does not; related_by: who holds enough of member and provider, empty for nobody.
    """

    offer_id: str
    accelerator_country: str
    provider_country: str
    related_by: str = ""


@dataclass(frozen=True, slots=True)
class Purse:
    """What one voucher has: available_uc is neither spent nor reserved, reserved_uc is held by quotes and orders."""

    available_uc: int
    reserved_uc: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Threshold:
    """How far a fact is from what is asked: `wanted` and `actual` as texts, the distance where both are figures."""

    condition: Condition
    wanted: str
    actual: str
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The rule pays this share of the price, and for one order at most this much."""

    rate_ppm: int
    cap_uc: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The rule pays nothing. ways: what would make it pass, each a set of thresholds to be met together.

    until: when it passes by itself, if it does.
    """

    code: Code
    ways: tuple[tuple[Threshold, ...], ...] = ()
    detail: str = ""
    until: datetime | None = None


def decide(
    *,
    rule: VoucherRule,
    member: MemberFacts,
    offer: OfferFacts,
    year_used_uc: int,
    purse: Purse | None,
    now: datetime,
    zone: tzinfo,
) -> Granted | Refused:
    """Return what the rule pays the member on an offer.

    year_used_uc: what the programme paid for the member in the calendar year of `zone`, live quotes and orders
    included; purse: of the voucher that would pay, None to ask about the rule alone.

    >>> from datetime import UTC
    >>> rule = VoucherRule(
    ...     rate_ppm=200_000, cap_uc=9, expires_in_days=1, jurisdiction="CN",
    ...     rates=(Rate(rate_ppm=300_000, accelerator=Origin.HOME),),
    ... )
    >>> member = MemberFacts(is_admitted=True, since=date(2026, 1, 1))
    >>> now, offer = datetime(2026, 3, 1, tzinfo=UTC), OfferFacts("off_1", "CN", "")
    >>> decide(rule=rule, member=member, offer=offer, year_used_uc=0, purse=None, now=now, zone=UTC)
    Granted(rate_ppm=300000, cap_uc=9)
    """
    refused = _refuse_always(rule, member, offer)
    if refused:
        return refused
    today = now.astimezone(zone).date()
    rate_ppm, ways = find_rate(rule=rule, member=member, offer=offer, today=today)
    if not rate_ppm:
        return Refused(Code.NO_RATE, ways=ways)
    cap_uc = rule.cap_uc
    if purse is not None:
        refused = _refuse_purse(purse, now=now)
        if refused:
            return refused
        cap_uc = min(cap_uc, purse.available_uc)
    if rule.year_cap_uc is not None:
        left_uc = rule.year_cap_uc - year_used_uc
        if left_uc <= 0:
            threshold = Threshold(
                Condition.YEAR_UC, format_credits(rule.year_cap_uc), format_credits(year_used_uc), -left_uc
            )
            return Refused(Code.YEAR_CAP_REACHED, ways=((threshold,),), until=_find_next_year(today, zone))
        cap_uc = min(cap_uc, left_uc)
    return Granted(rate_ppm=rate_ppm, cap_uc=cap_uc)


def check_budget(*, rule: VoucherRule, issued_uc: int, amount_uc: int, now: datetime, zone: tzinfo) -> Refused | None:
    """Return why a programme cannot issue a voucher of this amount in this calendar year, or None.

    issued_uc: what it issued in the year, vouchers included that have expired: money that returns is issued next year.
    """
    if rule.year_budget_uc is None or issued_uc + amount_uc <= rule.year_budget_uc:
        return None
    budget, issued = format_credits(rule.year_budget_uc), format_credits(issued_uc)
    threshold = Threshold(Condition.BUDGET_UC, budget, issued, issued_uc + amount_uc - rule.year_budget_uc)
    until = _find_next_year(now.astimezone(zone).date(), zone)
    return Refused(Code.YEAR_BUDGET_REACHED, ways=((threshold,),), until=until)


def find_rate(
    *, rule: VoucherRule, member: MemberFacts, offer: OfferFacts, today: date
) -> tuple[int, tuple[tuple[Threshold, ...], ...]]:
    """Return the highest rate that applies, 0 for none, and for every higher one what is missing for it."""
    rate_ppm = rule.rate_ppm
    missing: list[tuple[int, tuple[Threshold, ...]]] = []
    for rate in rule.rates:
        unmet = tuple(_list_unmet(rate, rule.jurisdiction, member, offer, today))
        if unmet:
            missing.append((rate.rate_ppm, unmet))
        else:
            rate_ppm = max(rate_ppm, rate.rate_ppm)
    ways = sorted((way for way in missing if way[0] > rate_ppm), key=_way_key)
    return rate_ppm, tuple(unmet for _, unmet in ways)


def count_months(*, since: date, until: date) -> int:
    """Return how many whole months lie between two days; the day of the month has to be reached.

    >>> count_months(since=date(2024, 2, 29), until=date(2025, 2, 28))
    11
    >>> count_months(since=date(2024, 2, 29), until=date(2025, 3, 1))
    12
    """
    months = (until.year - since.year) * MONTHS_OF_YEAR + until.month - since.month
    return months - (until.day < since.day)


def explain(*, refused: Refused) -> str:
    """Return why, and what would make it pass, in one text."""
    why = _say_why(refused.code, refused.detail, ways=_say_ways(refused.ways))
    if refused.until is None or refused.code not in {Code.YEAR_CAP_REACHED, Code.YEAR_BUDGET_REACHED}:
        return why
    return join_sentences(why, say("It passes by itself at {until}.", until=format_moment(refused.until)))


def list_facts(*, refused: Refused) -> Sequence[dict[str, str | int | None]]:
    """Return the nearest way as it is stored with a decision."""
    return [
        {"condition": each.condition.value, "wanted": each.wanted, "actual": each.actual, "distance": each.distance}
        for each in (refused.ways[0] if refused.ways else ())
    ]


def _refuse_always(rule: VoucherRule, member: MemberFacts, offer: OfferFacts) -> Refused | None:
    if not member.is_admitted:
        return Refused(Code.NOT_ADMITTED)
    if rule.earmark is not Earmark.COMPUTE:
        return Refused(Code.EARMARK_UNSOLD, detail=rule.earmark.value)
    if offer.related_by:
        return Refused(Code.RELATED_PARTY, detail=offer.related_by)
    return None


def _refuse_purse(purse: Purse, *, now: datetime) -> Refused | None:
    if purse.expires_at <= now:
        return Refused(Code.EXPIRED, detail=format_moment(purse.expires_at))
    if purse.available_uc <= 0 and purse.reserved_uc > 0:
        return Refused(Code.RESERVED, detail=format_credits(purse.reserved_uc))
    return Refused(Code.SPENT) if purse.available_uc <= 0 else None


def _list_unmet(
    rate: Rate, jurisdiction: str, member: MemberFacts, offer: OfferFacts, today: date
) -> Iterator[Threshold]:
    if rate.accelerator is not None:
        origin = _find_origin(offer.accelerator_country, jurisdiction)
        if origin is not rate.accelerator:
            yield Threshold(Condition.ACCELERATOR, rate.accelerator.value, origin.value)
    if rate.provider is not None:
        # Who declares no country is not known to be from home.
        origin = Origin.HOME if offer.provider_country == jurisdiction else Origin.OTHER
        if origin is not rate.provider:
            yield Threshold(Condition.PROVIDER, rate.provider.value, origin.value)
    if rate.age_months_below is not None:
        months = count_months(since=member.founded_on or member.since, until=today)
        if months >= rate.age_months_below:
            distance = months - rate.age_months_below + 1
            yield Threshold(Condition.AGE_MONTHS, str(rate.age_months_below), str(months), distance)
    if rate.head_count_at_most is not None and not _has_at_most(member.head_count, rate.head_count_at_most):
        heads = member.head_count
        actual, beyond = ("", None) if heads is None else (str(heads), heads - rate.head_count_at_most)
        yield Threshold(Condition.HEAD_COUNT, str(rate.head_count_at_most), actual, beyond)
    if rate.purposes and not member.purposes & set(rate.purposes):
        yield Threshold(Condition.PURPOSE, ", ".join(rate.purposes), ", ".join(sorted(member.purposes)))


def _way_key(way: tuple[int, tuple[Threshold, ...]]) -> tuple[int, int, int]:
    """Order ways by how many facts would have to change, how far, and what it would bring."""
    rate_ppm, unmet = way
    return len(unmet), sum(each.distance or 0 for each in unmet), -rate_ppm


def _find_next_year(today: date, zone: tzinfo) -> datetime:
    return datetime(today.year + 1, 1, 1, tzinfo=zone)


def _has_at_most(head_count: int | None, most: int) -> bool:
    return head_count is not None and head_count <= most


def _find_origin(country: str, jurisdiction: str) -> Origin:
    if not country:
        return Origin.NONE
    return Origin.HOME if country == jurisdiction else Origin.OTHER


def _say_why(code: Code, detail: str, *, ways: str) -> Sentence:
    texts = {
        Code.NOT_ADMITTED: say("The organisation is not admitted. It follows with its admission."),
        Code.EARMARK_UNSOLD: say("It pays for {earmark}, which this hub does not sell yet.", earmark=detail),
        Code.RELATED_PARTY: say(
            "You and the provider are related parties: {organisation} holds enough of both. "
            "Choose an offer of another provider.",
            organisation=detail,
        ),
        Code.NO_RATE: say("Its rule has no rate for this. It needs: {ways}.", ways=ways),
        Code.EXPIRED: say("It expired at {expires_at}. Ask the programme for a new one.", expires_at=detail),
        Code.YEAR_CAP_REACHED: say("The most of this calendar year is used: {ways}.", ways=ways),
        Code.YEAR_BUDGET_REACHED: say(
            "The programme's budget of this calendar year does not cover it: {ways}.", ways=ways
        ),
        Code.RESERVED: say(
            "Its last {reserved} credits are reserved. They return when the quotes and orders that hold them end.",
            reserved=detail,
        ),
        Code.SPENT: say("It is spent. Ask the programme for a new one."),
        Code.PROGRAMME_PAYS_ALREADY: say(
            "Another voucher of its programme pays for this order. It follows when that one is spent."
        ),
        Code.PRICE_CARRIED: say("Vouchers that come before it carry the whole price. It follows when they are spent."),
        Code.HIGHER_RATE_PAYS: say(
            "Vouchers with a higher rate pay alone, and nothing is claimed twice. It follows when they are spent."
        ),
    }
    return texts[code]


def _say_ways(ways: Sequence[Sequence[Threshold]]) -> str:
    told = [reduce(_and, map(_say_threshold, way)) for way in ways if way]
    return reduce(_or, told) if told else ""


def _say_threshold(threshold: Threshold) -> Sentence:
    wanted, actual = threshold.wanted, threshold.actual or say("not declared")
    texts = {
        Condition.ACCELERATOR: say("an accelerator from {wanted} (this one: {actual})", wanted=wanted, actual=actual),
        Condition.PROVIDER: say("a provider from {wanted} (this one: {actual})", wanted=wanted, actual=actual),
        Condition.AGE_MONTHS: say(
            "an organisation founded less than {wanted} months ago (yours: {actual})", wanted=wanted, actual=actual
        ),
        Condition.HEAD_COUNT: say("at most {wanted} people (yours: {actual})", wanted=wanted, actual=actual),
        Condition.PURPOSE: say(
            "one of these purposes declared: {wanted} (yours: {actual})", wanted=wanted, actual=actual
        ),
        Condition.YEAR_UC: say("{actual} of {wanted} credits", wanted=wanted, actual=threshold.actual),
        Condition.BUDGET_UC: say("{actual} of {wanted} credits are issued", wanted=wanted, actual=threshold.actual),
    }
    return texts[threshold.condition]


def _and(first: Sentence, then: Sentence) -> Sentence:
    return say("{first} and {then}", first=first, then=then)


def _or(first: Sentence, then: Sentence) -> Sentence:
    return say("{first}; or {then}", first=first, then=then)
