"""What a room puts into a chart: amounts of money by day, week or month.

`web/charts.py` draws them, and lists them below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


class Paint(StrEnum):
    """The token that a series is drawn in: of what matters most, of what stands beside it, of what takes away."""

    INK = "ink"
    CONTROL = "control"
    BRICK = "brick"


class Step(StrEnum):
    """How long each column of a chart is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One amount for each column, oldest first. What is below zero hangs below the line."""

    label: "_StrOrPromise"
    paint: Paint
    amounts_uc: Sequence[int]

    @property
    def sum_uc(self) -> int:
        """Return all amounts together."""
        return sum(self.amounts_uc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Series that are stacked upon each other, the first at the line.

    name: of the chart in its page. edges: when each column begins, oldest first, and when the last one ends.
    addresses: for each column the page that its figures come from, or none at all. is_over: the last column has ended;
    else the present moment is in it.
    """

    name: str
    title: "_StrOrPromise"
    step: Step
    edges: Sequence[datetime]
    series: Sequence[Series]
    addresses: Sequence[str] = ()
    is_over: bool = False

    @property
    def has_figures(self) -> bool:
        """Whether there is anything but zeros to show."""
        return any(amount_uc for each in self.series for amount_uc in each.amounts_uc)
