"""Estimate how long a new attempt would wait on a pool, by how long earlier ones did. See docs/explanation/waits.md.

The estimate is Beran's: a Kaplan-Meier curve over the earlier waits that began most like this one would. A wait that is
not over, or ended for want of room, counts as "at least so long": a queue that stands still is no short one. What its
owner called off says nothing of those who stay, so it is left out once it is known.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import groupby
from math import ceil, log1p, log2

HISTORY = timedelta(days=28)
HISTORY_WAITS_MAX = 800
BEGUN_MIN = 20
ALIKE_MIN = 60
HALF, NINE_TENTHS = 0.5, 0.9
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PastWait:
    """One attempt that came to a pool. left_at: when it began or ended without; None while it waits.

    accelerators: over all its nodes; 0 for work without any. called_off: its owner ended it before it began.
    """

    came_at: datetime
    left_at: datetime | None
    began: bool
    accelerators: int
    called_off: bool = False


@dataclass(frozen=True, slots=True)
class StartEstimate:
    """In how many seconds every second one (p50_s) and nine of ten (p90_s) would begin; waits: what that rests on."""

    p50_s: int
    p90_s: int
    waits: int


@dataclass(frozen=True, slots=True)
class _Scene:
    """What an attempt finds when it comes, in measures of which the sum of differences says how unlike two are."""

    oldest: float
    ahead: float
    size: float


def estimate_start(*, history: Iterable[PastWait], accelerators: int, now: datetime) -> StartEstimate | None:
    """Return how long an attempt that comes now would wait; None where fewer than BEGUN_MIN of the earlier ones began.

    What is after `now` is not looked at, and the order of the history changes nothing. Cost: n log n.

    >>> from datetime import UTC, timedelta
    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> came = [noon - timedelta(minutes=10 * count) for count in range(1, 31)]
    >>> waits = [PastWait(at, at + timedelta(seconds=60 + number), True, 1) for number, at in enumerate(came)]
    >>> estimate_start(history=waits, accelerators=1, now=noon)
    StartEstimate(p50_s=74, p90_s=86, waits=30)
    """
    known = sorted((_know(wait, now) for wait in history if wait.came_at <= now), key=_place)
    if sum(wait.began for wait in known) < BEGUN_MIN:
        return None
    *scenes, here = _set_scenes([*known, PastWait(now, None, began=False, accelerators=accelerators)])
    staying = [(scene, wait) for scene, wait in zip(scenes, known, strict=True) if not wait.called_off]
    staying.sort(key=lambda each: (_compare(each[0], here), now - each[1].came_at, _place(each[1])))
    alike = staying[: max(len(staying) // 2, ALIKE_MIN)]
    waited = [(((wait.left_at or now) - wait.came_at).total_seconds(), wait.began) for _, wait in alike]
    return StartEstimate(
        p50_s=ceil(find_quantile(waited=waited, share=HALF)),
        p90_s=ceil(find_quantile(waited=waited, share=NINE_TENTHS)),
        waits=len(waited),
    )


def find_quantile(*, waited: Sequence[tuple[float, bool]], share: float) -> float:
    """Return in how many seconds this share has begun, by Kaplan and Meier. waited: seconds, and whether it then began.

    Where those that never began leave the curve open, the longest wait ends it (Efron): nothing longer was ever seen.

    >>> find_quantile(waited=[(10, True), (20, True), (30, False), (40, True)], share=0.5)
    20
    >>> find_quantile(waited=[(10, True), (20, False), (30, False), (40, True)], share=0.5)
    40
    """
    at_risk, waiting = len(waited), 1.0
    for seconds, group in groupby(sorted(waited), key=_read_seconds):
        begun = [began for _, began in group]
        waiting *= 1 - sum(begun) / at_risk
        at_risk -= len(begun)
        if waiting <= 1 - share + ROUNDING or not at_risk:
            return seconds
    raise ValueError("Nobody has waited.")


def _read_seconds(waited: tuple[float, bool]) -> float:
    return waited[0]


def _know(wait: PastWait, now: datetime) -> PastWait:
    """Return the wait as it stood at `now`."""
    return (
        wait
        if wait.left_at is None or wait.left_at <= now
        else replace(wait, left_at=None, began=False, called_off=False)
    )


def _place(wait: PastWait) -> tuple[datetime, bool, datetime, bool, int]:
    return wait.came_at, wait.left_at is None, wait.left_at or wait.came_at, wait.began, wait.accelerators


def _set_scenes(waits: Sequence[PastWait]) -> list[_Scene]:
    """Return what each found, in the order in which they came."""
    scenes: list[_Scene] = []
    in_order: deque[PastWait] = deque()
    leaving: list[datetime] = []
    staying = 0
    for wait in waits:
        while in_order and in_order[0].left_at is not None and in_order[0].left_at <= wait.came_at:
            in_order.popleft()
        while leaving and leaving[0] <= wait.came_at:
            heappop(leaving)
        oldest_s = (wait.came_at - in_order[0].came_at).total_seconds() if in_order else 0.0
        scenes.append(_Scene(log1p(oldest_s), log1p(len(leaving) + staying), log2(1 + wait.accelerators)))
        in_order.append(wait)
        if wait.left_at is None:
            staying += 1
        else:
            heappush(leaving, wait.left_at)
    return scenes


def _compare(one: _Scene, other: _Scene) -> float:
    return abs(one.oldest - other.oldest) + abs(one.ahead - other.ahead) + abs(one.size - other.size)
