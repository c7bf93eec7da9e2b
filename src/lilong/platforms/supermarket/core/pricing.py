"""What time on an offer costs. A price is micro-credits per 1 000 unit-seconds, time is milliseconds, rounding is down.

Whatever is charged is computed here once per attempt; nothing else multiplies a price.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from lilong.protocol.messages import Fault

UNIT_MS_PER_PRICE = 1_000_000
HOUR_MS = 3_600_000


class Unit(StrEnum):
    """What a price row counts by the second."""

    CORE = "core_s"
    ACCELERATOR = "accelerator_s"


@dataclass(frozen=True, slots=True)
class Shape:
    """What comes with one unit on one node; a job that takes more of anything pays for as many units as hold it."""

    unit: Unit
    cores: int
    memory_mib: int


class Terms(BaseModel):
    """Everything about an offer that decides what a run there costs, as the quote freezes it.

    price_uc: per 1 000 unit-seconds; units: of the whole gang; fee_ppm: the hub's part of what is due;
    credit_ppm: the service level's credit, as a part of the value of the time that the provider lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offer_id: str
    pool_id: str
    provider_id: str
    price_row_id: str
    price_uc: int
    unit: Unit
    units: int
    fee_ppm: int
    credit_ppm: int


@dataclass(frozen=True, slots=True)
class AttemptUsage:
    """Cumulative use of one attempt as the hub reckons it; offer_id names its price.

    supported_ms: what both meters say of its time; longest_ms: what either says. See `reckon_relief`.
    """

    attempt_id: str
    number: int
    offer_id: str
    metered_ms: int
    billable_ms: int
    supported_ms: int
    longest_ms: int
    fault: Fault | None
    state: str


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """What one attempt costs after the cap of the whole order."""

    usage: AttemptUsage
    terms: Terms
    due_uc: int


def count_units(*, shape: Shape, accelerators: int, cores: int, memory_mib: int, nodes: int) -> int:
    """Return how many units a gang takes: per node the most that accelerators, cores or memory ask for.

    >>> shape = Shape(unit=Unit.CORE, cores=1, memory_mib=4096)
    >>> count_units(shape=shape, accelerators=0, cores=2, memory_mib=16_384, nodes=3)
    12
    """
    per_node = max(-(-cores // shape.cores), -(-memory_mib // shape.memory_mib), accelerators)
    return per_node * nodes


def price_time(*, price_uc: int, units: int, duration_ms: int) -> int:
    """Return what `units` cost for `duration_ms`, rounded down once.

    >>> price_time(price_uc=27_778, units=2, duration_ms=3_600_000)  # 0.1 credit per core-hour, two cores
    200001
    """
    return price_uc * units * duration_ms // UNIT_MS_PER_PRICE


def merge_usage(*, reports: Iterable[AttemptUsage]) -> tuple[AttemptUsage, ...]:
    """Return one usage per attempt, the furthest of its reports, by number: order and repetition change nothing."""
    furthest: dict[str, AttemptUsage] = {}
    for report in reports:
        known = furthest.get(report.attempt_id)
        if known is None or (report.metered_ms, report.billable_ms) > (known.metered_ms, known.billable_ms):
            furthest[report.attempt_id] = report
    return tuple(sorted(furthest.values(), key=lambda usage: usage.number))


def charge_usage(*, usages: Iterable[AttemptUsage], terms: Mapping[str, Terms], max_uc: int) -> tuple[ChargeLine, ...]:
    """Return a line per attempt; their sum never exceeds `max_uc`, and what the cap cuts is the latest attempts'.

    terms: by offer id; raises KeyError for an attempt on an offer that the quote does not name.
    """
    lines: list[ChargeLine] = []
    left_uc = max_uc
    for usage in merge_usage(reports=usages):
        offer = terms[usage.offer_id]
        due_uc = price_time(price_uc=offer.price_uc, units=offer.units, duration_ms=usage.billable_ms)
        lines.append(ChargeLine(usage=usage, terms=offer, due_uc=min(due_uc, left_uc)))
        left_uc -= lines[-1].due_uc
    return tuple(lines)


def concede(
    *, lines: Sequence[ChargeLine], claim_uc: int, attempt_ids: Container[str] | None
) -> tuple[ChargeLine, ...]:
    """Return the lines less a claim that was upheld: off these attempts alone, or off all (None).

    The latest give first; what is claimed beyond what they were charged is not given.
    """
    conceded: list[ChargeLine] = []
    for line in reversed(lines):
        is_meant = attempt_ids is None or line.usage.attempt_id in attempt_ids
        given_uc = min(line.due_uc, claim_uc) if is_meant else 0
        conceded.append(replace(line, due_uc=line.due_uc - given_uc))
        claim_uc -= given_uc
    return tuple(reversed(conceded))
