"""Choose and order the offers of a quote by what they cost this member, and say why for each."""

from collections.abc import Sequence
from dataclasses import dataclass

from lilong.common.errors import FieldProblem
from lilong.common.money import format_credits
from lilong.common.sentences import say
from lilong.platforms.supermarket.core.policy import CANDIDATES_MAX, FAILOVER_PRICE_FACTOR
from lilong.platforms.supermarket.core.pricing import Terms


@dataclass(frozen=True, slots=True)
class Priced:
    """One offer that could run the job.

    expected_uc: for the expected time; max_uc: for the whole time; wallet_uc: what is left of the expected cost
    after the member's vouchers.
    """

    terms: Terms
    expected_uc: int
    max_uc: int
    wallet_uc: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chosen offer and the sentence that explains its place."""

    priced: Priced
    because: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """The chosen offers, first choice first, and for every other offer why it was left out."""

    chosen: tuple[Ranked, ...]
    left_out: tuple[FieldProblem, ...]


def rank_offers(*, offers: Sequence[Priced], max_cost_uc: int | None) -> Ranking:
    """Rank by cost to the member, then by whole cost, then by offer id, so that equal inputs rank alike.

    The hold must cover the dearest chosen offer. So an offer that can cost more than `max_cost_uc`, or more than
    FAILOVER_PRICE_FACTOR times the first, is left out: standing by as a failover it would only tie up money.
    Cost: n log n.
    """
    chosen: list[Ranked] = []
    left_out: list[FieldProblem] = []
    for priced in sorted(offers, key=_rank_key):
        problem = _find_problem(priced, chosen=chosen, max_cost_uc=max_cost_uc)
        if problem is None:
            chosen.append(Ranked(priced=priced, because=_explain(priced, chosen=chosen)))
        else:
            left_out.append(problem)
    return Ranking(chosen=tuple(chosen), left_out=tuple(left_out))


def expect_ms(*, earlier_ms: Sequence[int], max_ms: int) -> int:
    """Return how long the job will probably be billed: the median of earlier runs of its name, else the whole time.

    Of an even number of runs the longer middle one counts, so that the expectation errs on the dear side.

    >>> expect_ms(earlier_ms=[60_000, 90_000], max_ms=600_000), expect_ms(earlier_ms=[], max_ms=600_000)
    (90000, 600000)
    """
    if not earlier_ms:
        return max_ms
    return min(sorted(earlier_ms)[len(earlier_ms) // 2], max_ms)


def _rank_key(priced: Priced) -> tuple[int, int, int, str]:
    return priced.wallet_uc, priced.expected_uc, priced.max_uc, priced.terms.offer_id


def _find_problem(priced: Priced, *, chosen: Sequence[Ranked], max_cost_uc: int | None) -> FieldProblem | None:
    path = f"offers.{priced.terms.offer_id}"
    most = format_credits(priced.max_uc)
    if max_cost_uc is not None and priced.max_uc > max_cost_uc:
        allowed = format_credits(max_cost_uc)
        message = say(
            "It can cost {most} credits, your limit is {allowed}. Raise the limit or shorten walltime_s.",
            most=most,
            allowed=allowed,
        )
        return FieldProblem(path=path, code="offer.above_max_cost", message=message)
    if chosen and priced.max_uc > FAILOVER_PRICE_FACTOR * chosen[0].priced.max_uc:
        message = say(
            "It can cost {most} credits, more than {factor} times the first choice.",
            most=most,
            factor=FAILOVER_PRICE_FACTOR,
        )
        return FieldProblem(path=path, code="offer.dear_for_failover", message=message)
    if len(chosen) >= CANDIDATES_MAX:
        message = say("A quote names the {count} cheapest offers; it ranks after them.", count=CANDIDATES_MAX)
        return FieldProblem(path=path, code="offer.beyond_candidates", message=message)
    return None


def _explain(priced: Priced, *, chosen: Sequence[Ranked]) -> str:
    cost = f"expected {format_credits(priced.expected_uc)} credits, {format_credits(priced.wallet_uc)} after vouchers"
    if not chosen:
        return f"Cheapest for you: {cost}."
    first = chosen[0].priced
    more_uc = priced.wallet_uc - first.wallet_uc
    if more_uc:
        return f"Costs you {format_credits(more_uc)} credits more than the first choice: {cost}."
    whole_uc = priced.expected_uc - first.expected_uc
    if whole_uc:
        return f"Costs you the same, your vouchers {format_credits(whole_uc)} credits more: {cost}."
    return f"Costs the same as the first choice: {cost}."
