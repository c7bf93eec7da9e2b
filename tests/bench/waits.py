"""Estimates of waits on a real cluster's trace: `python -m tests.bench.waits`, with LILONG_TEST_TRACES set.

The trace (`tests/traces.py`) tells when each task was created and scheduled. The tasks come in their order; each is
estimated from the last ones that had come by then, as far as was known then, and scored by pinball loss once it began.
The constants of the estimator were chosen by the weeks before the last three; those three are held out. All are one
pool here, because the trace does not tell which nodes a task could have had.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean

from lilong.foundation.runs.core.estimates import HISTORY, HISTORY_WAITS_MAX, PastWait, estimate_start
from lilong.platforms.supermarket.core.scores import HALF_PPM, NINE_TENTHS_PPM, lose_pinball
from tests.traces import find_trace, read_waits

HELD_OUT = timedelta(weeks=3)
SHARES = (HALF_PPM, NINE_TENTHS_PPM)
NAMES = {
    "ours": "ours",
    "last": "last wait",
    "median": "median",
    "quantiles": "median and 9 of 10",
}
"""ours; the wait of the last one that had begun; the median of the same history, for both shares; and, the hardest of
the four, that median for the one and the history's ninth decile for the other."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One task that began: how long it waited, and what each way of estimating had said for both shares, in ms."""

    waited_ms: int
    said_ms: dict[str, tuple[int, int]]


def main() -> None:
    """Print the mean pinball losses at both shares, by week and for the three held-out weeks together."""
    path = find_trace()
    if path is None:
        print("The trace is absent: set LILONG_TEST_TRACES to the folder that holds openb/. Nothing was measured.")
        return
    waits = read_waits(path)
    ends_at = waits[-1].came_at
    guesses: list[Guess] = []
    print(f"{'held-out week':<16}{'tasks':>7}{'given up':>10}" + "".join(f"{name:>24}" for name in NAMES.values()))
    for week in range(3):
        begins_at = ends_at - HELD_OUT + timedelta(weeks=week)
        mine = [wait for wait in waits if begins_at < wait.came_at <= begins_at + timedelta(weeks=1)]
        found = list(guess_waits(waits, first=waits.index(mine[0]), count=len(mine)))
        guesses += found
        given_up = sum(not wait.began for wait in mine)
        print(f"{week + 1:<16}{len(found):>7}{given_up:>10}" + "".join(_write(found, name) for name in NAMES))
    print(f"{'all':<16}{len(guesses):>7}{'':>10}" + "".join(_write(guesses, name) for name in NAMES))
    print("pinball loss in seconds: at one half + at nine tenths; tasks that never began cannot be scored")
    within = [fmean(guess.waited_ms <= guess.said_ms["ours"][place] for guess in guesses) for place in (0, 1)]
    print(f"ours: {within[0]:.1%} began within p50, {within[1]:.1%} within p90")
    sums = {name: sum(lose(guesses, name=name)) for name in NAMES}
    print(", ".join(f"{NAMES[name]} {sums[name]:.1f} s" for name in ("ours", "last", "median")))


def guess_waits(waits: Sequence[PastWait], *, first: int, count: int) -> Iterator[Guess]:
    """Yield a guess for each of `count` waits from number `first` on that began, where all ways can say something."""
    for place in range(first, first + count):
        wait = waits[place]
        history = [
            past for past in waits[max(place - HISTORY_WAITS_MAX, 0) : place] if past.came_at > wait.came_at - HISTORY
        ]
        estimate = estimate_start(history=history, accelerators=wait.accelerators, now=wait.came_at)
        known = [past for past in history if past.began and past.left_at and past.left_at <= wait.came_at]
        if not wait.began or estimate is None:
            continue
        begun_ms = sorted(map(_measure, known))
        last_ms = _measure(max(known, key=lambda past: (past.left_at, past.came_at)))
        median_ms, most_ms = (begun_ms[min(len(begun_ms) * share // 10, len(begun_ms) - 1)] for share in (5, 9))
        said = {
            "ours": (estimate.p50_s * 1000, estimate.p90_s * 1000),
            "last": (last_ms, last_ms),
            "median": (median_ms, median_ms),
            "quantiles": (median_ms, most_ms),
        }
        yield Guess(waited_ms=_measure(wait), said_ms=said)


def lose(guesses: Sequence[Guess], *, name: str) -> tuple[float, float]:
    """Return the mean pinball losses at one half and nine tenths, in seconds."""
    losses = [
        [
            lose_pinball(estimate_ms=guess.said_ms[name][place], waited_ms=guess.waited_ms, share_ppm=share)
            for guess in guesses
        ]
        for place, share in enumerate(SHARES)
    ]
    return fmean(losses[0]) / 1000, fmean(losses[1]) / 1000


def _write(guesses: Sequence[Guess], name: str) -> str:
    half, most = lose(guesses, name=name)
    return f"{f'{half:.1f} + {most:.1f}':>24}"


def _measure(wait: PastWait) -> int:
    return round((wait.left_at - wait.came_at).total_seconds() * 1000) if wait.left_at else 0


if __name__ == "__main__":
    main()
