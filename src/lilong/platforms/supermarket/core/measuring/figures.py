"""What is made of measured speeds: a median with its spread, whether it drifted, and what measured work costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median_low
from types import MappingProxyType

from lilong.common.money import PPM
from lilong.platforms.supermarket.core.measuring.method import METRICS, Metric

MICRO = 1_000_000
EARLIER_MAX = 5
"""How many earlier results a new one is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What several repetitions gave, in millionths of the metric's unit: the middle one, and how far they lie apart."""

    micro: int
    lowest: int
    highest: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One result of one metric of one offer: a spread, the run that gave it, and whether it drifted."""

    metric: str
    micro: int
    lowest: int
    highest: int
    count: int
    drifted: bool
    measured_at: datetime
    run_id: str

    @property
    def unit(self) -> str:
        """The unit of which the numbers are millionths."""
        return METRICS[self.metric].unit

    @property
    def middle(self) -> Decimal:
        """The middle of the repetitions, in the unit."""
        return Decimal(self.micro) / MICRO

    @property
    def bounds(self) -> tuple[Decimal, Decimal]:
        """The lowest and the highest of the repetitions, in the unit."""
        return Decimal(self.lowest) / MICRO, Decimal(self.highest) / MICRO


Results = Mapping[str, Measured]
"""The newest result by metric."""

SPEEDS: Mapping[str, str] = MappingProxyType(
    {
        "measured_fp32": "gemm_fp32",
        "measured_fp16": "gemm_fp16",
        "measured_bf16": "gemm_bf16",
        "measured_memory": "memory",
        "measured_tokens": "tokens",
        "measured_interconnect": "interconnect",
    }
)
"""The columns of a search that hold measured speeds, with their metrics."""

WORK_PRICES: Mapping[str, str] = MappingProxyType(
    {
        "fp32_price": "gemm_fp32",
        "fp16_price": "gemm_fp16",
        "bf16_price": "gemm_bf16",
        "token_price": "tokens",
    }
)
"""The columns that hold what measured work costs: of a TFLOP-hour in one precision, of a million tokens."""


def summarise(*, metric: Metric, work: Sequence[int], spent_ns: Sequence[int]) -> Spread:
    """Return the spread of repetitions, each so much work in so many nanoseconds.

    >>> summarise(metric=METRICS["gemm_fp32"], work=[2 * 10**9] * 3, spent_ns=[10**8, 4 * 10**7, 5 * 10**7])
    Spread(micro=40000, lowest=20000, highest=50000, count=3)
    """
    speeds = sorted(metric.reckon(work=done, spent_ns=spent) for done, spent in zip(work, spent_ns, strict=True))
    return Spread(micro=median_low(speeds), lowest=speeds[0], highest=speeds[-1], count=len(speeds))


def has_drifted(*, metric: Metric, micro: int, earlier: Sequence[int]) -> bool:
    """Say whether a result differs from the middle of earlier ones by more than the metric's bound.

    earlier: results of the same offer by the same method and parameters; the first one has nothing to drift from.
    After three of a new level that level is the middle, and what is there is what it is.
    """
    if not earlier:
        return False
    usual = median_low(earlier)
    return abs(micro - usual) * PPM > usual * metric.drift_ppm


def price_work(*, column: str, hour_uc: int | None, results: Results) -> int | None:
    """Return what measured work costs in micro-credits, for one column of WORK_PRICES; None where it is not known.

    hour_uc: what the measured unit costs an hour.
    """
    found = results.get(WORK_PRICES[column])
    if found is None or hour_uc is None or not found.micro:
        return None
    if column == "token_price":
        return hour_uc * MICRO * MICRO // (found.micro * 3600)
    return hour_uc * MICRO // found.micro


def count_columns(*, hour_uc: int | None, results: Results) -> dict[str, int | None]:
    """Return every measured number of an offer by the column of the search that holds it."""
    speeds = {column: results[metric].micro if metric in results else None for column, metric in SPEEDS.items()}
    return speeds | {column: price_work(column=column, hour_uc=hour_uc, results=results) for column in WORK_PRICES}
