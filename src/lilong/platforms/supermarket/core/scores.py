"""Score what was estimated of starts, once it is known how long they took."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from lilong.common.money import PPM

HALF_PPM, NINE_TENTHS_PPM = 500_000, 900_000


@dataclass(frozen=True, slots=True)
class Score:
    """One estimate and what came of it. began: else it was given up after `waited_ms`."""

    p50_ms: int
    p90_ms: int
    waited_ms: int
    began: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """What many scores come to.

    judged_p50, judged_p90: of which it is known whether they began within that time; who gave up earlier is not among
    them. median_error_ms: of the difference from p50, whichever way. loss_p50_ms, loss_p90_ms: the mean pinball losses.
    These three are of those that began, None without any.
    """

    began: int
    given_up: int
    judged_p50: int
    within_p50: int
    judged_p90: int
    within_p90: int
    median_error_ms: int | None
    loss_p50_ms: int | None
    loss_p90_ms: int | None


def lose_pinball(*, estimate_ms: int, waited_ms: int, share_ppm: int) -> int:
    """Return the pinball loss of an estimated quantile: least on average for whoever says the true one.

    >>> [lose_pinball(estimate_ms=60_000, waited_ms=each, share_ppm=NINE_TENTHS_PPM) for each in (50_000, 70_000)]
    [1000, 9000]
    """
    late_ms = waited_ms - estimate_ms
    return (late_ms * share_ppm if late_ms >= 0 else -late_ms * (PPM - share_ppm)) // PPM


def tally_scores(*, scores: Sequence[Score]) -> Tally:
    """Return what the scores come to, whatever their order.

    >>> tally_scores(scores=[Score(10, 30, 8, True), Score(10, 30, 50, True), Score(10, 30, 20, False)]).judged_p90
    2
    """
    begun = [score for score in scores if score.began]
    judged_p50 = [score for score in scores if score.began or score.waited_ms > score.p50_ms]
    judged_p90 = [score for score in scores if score.began or score.waited_ms > score.p90_ms]
    p50_losses = [_lose(score, score.p50_ms, HALF_PPM) for score in begun]
    p90_losses = [_lose(score, score.p90_ms, NINE_TENTHS_PPM) for score in begun]
    return Tally(
        began=len(begun),
        given_up=len(scores) - len(begun),
        judged_p50=len(judged_p50),
        within_p50=sum(score.waited_ms <= score.p50_ms for score in begun),
        judged_p90=len(judged_p90),
        within_p90=sum(score.waited_ms <= score.p90_ms for score in begun),
        median_error_ms=median_low(abs(score.waited_ms - score.p50_ms) for score in begun) if begun else None,
        loss_p50_ms=sum(p50_losses) // len(begun) if begun else None,
        loss_p90_ms=sum(p90_losses) // len(begun) if begun else None,
    )


def _lose(score: Score, estimate_ms: int, share_ppm: int) -> int:
    return lose_pinball(estimate_ms=estimate_ms, waited_ms=score.waited_ms, share_ppm=share_ppm)
