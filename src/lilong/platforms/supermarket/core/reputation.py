"""How providers did what they sold, as facts that were counted: k of n with an interval, and never an opinion.

A fact is one order on one pool, or one measurement. What the hub or a member caused is no fact about a provider.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from lilong.common.money import PPM
from lilong.platforms.supermarket.core.scores import Score
from lilong.protocol.messages import Fault

WINDOW = timedelta(days=90)
FACTS_MIN = 20
"""Of fewer facts nothing is said."""

STEP_PPM = 1_000
"""Bounds are told in tenths of a per cent: more than that nobody knows."""

_Z = 1.959963984540054  # of the standard normal distribution, 2.5 % lies above it
TOO_FEW = "too_few"


class Share(StrEnum):
    """What is counted, and the column of the search that holds the lower bound. More is always better."""

    ENDED_WELL = "ended_well"
    STARTED_IN_TIME = "started_in_time"
    LEVEL_KEPT = "level_kept"
    UNDISPUTED = "undisputed"
    STEADY_SPEED = "steady_speed"


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a share lies with 95 % confidence, in parts per million, multiples of STEP_PPM."""

    lower_ppm: int
    upper_ppm: int

    @property
    def width_ppm(self) -> int:
        """How much is not known of the share."""
        return self.upper_ppm - self.lower_ppm


@dataclass(frozen=True, slots=True)
class Tally:
    """`kept` of `count` facts."""

    kept: int
    count: int

    @property
    def share_ppm(self) -> int:
        """The share of the facts that were counted, rounded down; of none, 0."""
        return self.kept * PPM // self.count if self.count else 0

    @property
    def interval(self) -> Interval | None:
        """Where the share lies; None where there are too few facts to say."""
        return find_interval(kept=self.kept, count=self.count) if self.count >= FACTS_MIN else None

    @property
    def lower_ppm(self) -> int | None:
        """The lower bound, by which offers are found and put in order; None where there are too few facts."""
        return self.interval.lower_ppm if self.interval else None


NOTHING = Tally(kept=0, count=0)

Reputation = Mapping[Share, Tally]
"""What is known of a pool, or of all pools of a provider; a share without facts is left out."""

BANDS: Mapping[str, int] = MappingProxyType({"99+": 990_000, "95+": 950_000, "90+": 900_000, "80+": 800_000})
"""The words for the lower bound of ENDED_WELL, the highest first; what lies below all is BELOW."""
BELOW = "below_80"


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt on a pool. began: its command was started."""

    attempt_id: str
    began: bool
    fault: Fault | None
    reason: str


@dataclass(frozen=True, slots=True)
class Conduct:
    """How one order went on one pool: for each share whether it was kept, None where that says nothing of the provider.

    cause: the reason of the first end that was the provider's fault, empty without one.
    """

    started_in_time: bool | None
    ended_well: bool | None
    level_kept: bool | None
    cause: str


def find_interval(*, kept: int, count: int) -> Interval:
    """Return the 95 % score interval of a share of at least one fact, rounded outwards.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212; the
    third of the methods in R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872. Unlike the usual one it stays
    within 0 and 1 and has a length where all facts are alike.

    >>> find_interval(kept=29, count=29)
    Interval(lower_ppm=883000, upper_ppm=1000000)
    """
    middle = kept + _Z**2 / 2
    half = _Z * math.sqrt(kept * (count - kept) / count + _Z**2 / 4)
    step = (count + _Z**2) * STEP_PPM / PPM
    return Interval(
        lower_ppm=max(math.floor((middle - half) / step) * STEP_PPM, 0),
        upper_ppm=min(math.ceil((middle + half) / step) * STEP_PPM, PPM),
    )


def judge_conduct(*, tries: Sequence[Try], wait: Score | None, promised_ppm: int, credited_uc: int) -> Conduct:
    """Return what an order's tries on one pool say of its provider.

    wait: None where no start was estimated. promised_ppm: of the value of lost time, by the service level of the quote;
    credited_uc: what of it came due. What never began, and what the hub ended, says nothing of how jobs end, unless the
    provider was at fault.
    """
    ended = [each.fault for each in tries if each.began]
    faults = [each.reason for each in tries if each.fault is Fault.PROVIDER]
    ended_well = True if ended and ended[-1] is not Fault.HUB else None
    return Conduct(
        started_in_time=_judge_wait(wait) if wait else None,
        ended_well=False if faults else ended_well,
        level_kept=not credited_uc if promised_ppm and ended else None,
        cause=faults[0] if faults else "",
    )


def _judge_wait(wait: Score) -> bool | None:
    """Say whether a job began in the time in which nine of ten were to; None where it was called off before that."""
    if not wait.began and wait.waited_ms <= wait.p90_ms:
        return None
    return wait.began and wait.waited_ms <= wait.p90_ms


def is_about(*, dispute_attempt_ids: Collection[str], attempt_ids: Collection[str]) -> bool:
    """Say whether a dispute is about a pool whose attempts these are; a member's is about all that was charged."""
    return not dispute_attempt_ids or not set(dispute_attempt_ids).isdisjoint(attempt_ids)


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return what several come to."""
    found = list(tallies)
    return Tally(kept=sum(each.kept for each in found), count=sum(each.count for each in found))


def name_band(reputation: Reputation) -> str:
    """Return the word for how surely jobs end well: TOO_FEW, a key of BANDS, or BELOW.

    >>> name_band({Share.ENDED_WELL: Tally(kept=400, count=400)}), name_band({Share.ENDED_WELL: Tally(19, 19)})
    ('99+', 'too_few')
    """
    tally = reputation.get(Share.ENDED_WELL)
    lower_ppm = tally.lower_ppm if tally else None
    if lower_ppm is None:
        return TOO_FEW
    return next((band for band, least_ppm in BANDS.items() if lower_ppm >= least_ppm), BELOW)


def count_shares(reputation: Reputation) -> dict[str, int | None]:
    """Return the lower bounds in ppm by the column of the search that holds them."""
    return {share: reputation[share].lower_ppm if share in reputation else None for share in Share}
