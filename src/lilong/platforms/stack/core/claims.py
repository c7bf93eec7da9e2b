"""Claims: which comes first, and which contradict each other."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from lilong.common.money import PPM
from lilong.platforms.stack.core.properties import PROPERTIES, Kind, Property


class Tier(StrEnum):
    """Who says it, best first: whoever measured it, its maker, who runs it, anybody else. Told of the source cited."""

    MEASURED = "measured"
    DATASHEET = "datasheet"
    OPERATOR = "operator"
    PRESS = "press"


class Confidence(StrEnum):
    """How sure whoever entered a claim is of it, best first."""

    HIGH = "high"
    MEDIUM_HIGH = "medium-high"
    MEDIUM = "medium"
    LOW_MEDIUM = "low-medium"
    LOW = "low"


DOUBTFUL = frozenset({Confidence.LOW, Confidence.LOW_MEDIUM})
"""Marked wherever they are shown."""

TIER_RANKS: Mapping[str, int] = {tier: rank for rank, tier in enumerate(Tier)}
CONFIDENCE_RANKS: Mapping[str, int] = {confidence: rank for rank, confidence in enumerate(Confidence)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a claim was read. url: empty where there is none; commit: of a repository; dated_on: None where unknown."""

    title: str
    url: str = ""
    commit: str = ""
    dated_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that somebody says of one accelerator.

    value: a decimal without exponent where the property is a number. conditions: in which case it holds; empty: always.
    release: the first that had it, if it ships with Lilong; None for what was added at this hub, at added_at.
    run_id: the run that measured it, if it was one of this hub.
    """

    id: str
    accelerator: str
    property: str
    value: str
    conditions: str
    tier: Tier
    confidence: Confidence
    sources: tuple[Source, ...]
    note: str = ""
    release: int | None = None
    added_at: datetime | None = None
    run_id: str = ""

    def read_number(self) -> Decimal:
        """Return the value of a property that is a number."""
        return Decimal(self.value)

    def is_doubtful(self) -> bool:
        """Say whether whoever entered it is not sure of it."""
        return self.confidence in DOUBTFUL


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is claimed of one property, best claim first. conflicting: ids of claims that another one contradicts."""

    property: Property
    claims: tuple[Claim, ...]
    conflicting: frozenset[str]


def arrange_claims(claims: Iterable[Claim]) -> tuple[Finding, ...]:
    """Return what is claimed by property, in the order of PROPERTIES; nothing for a property without a claim."""
    by_property: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_property[claim.property].append(claim)
    return tuple(
        Finding(property=known, claims=rank_claims(by_property[code]), conflicting=find_conflicts(by_property[code]))
        for code, known in PROPERTIES.items()
        if code in by_property
    )


def rank_claims(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Return claims best first: by tier, by confidence, then the newer source, and one with a date before one without.

    What was added later comes before what was added earlier or came with Lilong; of claims that are alike in all this,
    the lower number comes first.
    """
    return tuple(sorted(claims, key=_rank))


def find_conflicts(claims: Sequence[Claim]) -> frozenset[str]:
    """Return the ids of the claims about one property that another one contradicts. Cost: linear.

    Two claims contradict each other when they hold under the same conditions and their values differ: numbers by more
    than the property's tolerance, texts in more than case and spaces. Names hold beside each other.

    >>> from lilong.platforms.stack.core.claims import Claim, Confidence, Tier
    >>> def claim(id: str, value: str, conditions: str = "") -> Claim:
    ...     return Claim(id=id, accelerator="x", property="memory_gb", value=value, conditions=conditions,
    ...                  tier=Tier.PRESS, confidence=Confidence.LOW, sources=())
    >>> sorted(find_conflicts([claim("a", "32"), claim("b", "64"), claim("c", "80", "another board")]))
    ['a', 'b']
    """
    by_conditions: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_conditions[_fold(claim.conditions)].append(claim)
    return frozenset(claim.id for group in by_conditions.values() for claim in _find_contradicted(group))


def _find_contradicted(group: Sequence[Claim]) -> Iterable[Claim]:
    known = PROPERTIES[group[0].property]
    if known.kind is Kind.NAME:
        return ()
    if not known.is_number:
        return group if len({_fold(claim.value) for claim in group}) > 1 else ()
    least, most = min(claim.read_number() for claim in group), max(claim.read_number() for claim in group)
    return [
        claim
        for claim in group
        if _differ(claim.read_number(), least, known.tolerance_ppm)
        or _differ(claim.read_number(), most, known.tolerance_ppm)
    ]


def _differ(one: Decimal, other: Decimal, tolerance_ppm: int) -> bool:
    return abs(one - other) * PPM > max(abs(one), abs(other)) * tolerance_ppm


def _fold(text: str) -> str:
    return "".join(text.casefold().split())


def _rank(claim: Claim) -> tuple[int, int, int, float, Decimal, str, str]:
    newest = max((source.dated_on.toordinal() for source in claim.sources if source.dated_on), default=0)
    added_s = claim.added_at.timestamp() if claim.added_at else 0.0
    number = claim.read_number() if PROPERTIES[claim.property].is_number else Decimal(0)
    return (
        TIER_RANKS[claim.tier],
        CONFIDENCE_RANKS[claim.confidence],
        -newest,
        -added_s,
        number,
        claim.value.casefold(),
        claim.id,
    )
