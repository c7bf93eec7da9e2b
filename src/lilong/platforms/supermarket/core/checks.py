"""One check of an order, used when it is quoted and again when its money is held and its run submitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.errors import Conflict, FieldProblem, InputInvalid, LilongError, LimitReached, NotAllowed
from lilong.common.money import format_credits
from lilong.common.sentences import Sentence, join_sentences, say
from lilong.common.time import format_moment
from lilong.platforms.supermarket.core.budgets import BudgetRoom, check_budget
from lilong.platforms.supermarket.core.policy import LIVE_QUOTES_MAX, ORDER_MAX_UC
from lilong.platforms.supermarket.core.pricing import Terms
from lilong.platforms.supermarket.core.routes import RouteVerdict, check_route


class NotAdmitted(NotAllowed):
    """Only admitted organisations may order."""

    code = "order.not_admitted"
    title = "Your organisation is not admitted"
    next_step = "Wait for the decision on your admission, or read its reason with `lilong cases`."


class StandingLacking(NotAllowed):
    """Only an organisation that is something at the hub today may order; what runs already goes on."""

    code = "order.no_standing"
    title = "Your organisation's standing does not allow new orders"
    next_step = "Ask the hub's operators to prolong it; `lilong whoami` shows it. What runs already goes on."


class LiveQuotesReached(LimitReached):
    """The person has as many live quotes as anyone may have."""

    code = "quote.too_many_live"
    title = "You have too many live quotes"
    next_step = "Place or hand back one of them, or wait until one expires."


class QuoteExpired(Conflict):
    """The quote was honoured until it expired; it is never re-priced silently."""

    code = "quote.expired"
    title = "This quote has expired"
    next_step = "Ask for a new quote; nothing was held."


class PriceWithdrawn(Conflict):
    """A price row that the quote cites is missing or says another price."""

    code = "quote.price_withdrawn"
    title = "A price of this quote does not stand in the books"
    next_step = "Ask for a new quote; nothing was held."


class SpecDiffers(Conflict):
    """The work is not what was quoted."""

    code = "quote.spec_differs"
    title = "The job differs from the one that was quoted"
    next_step = "Ask for a quote of the job as it is now."


class MaxCostExceeded(InputInvalid):
    """The hold would exceed the limit that the member set."""

    code = "order.max_cost_exceeded"
    title = "This can cost more than you allow"
    next_step = "Raise --max-cost, shorten walltime_s or take less."


class WalltimeTooLong(InputInvalid):
    """The work may run longer than the quote authorises."""

    code = "order.walltime_too_long"
    title = "The job may run longer than the quote covers"
    next_step = "Shorten walltime_s or ask for a new quote."


class OrderTooLarge(LimitReached):
    """The hold exceeds what one order may cost."""

    code = "order.too_large"
    title = "This order is larger than one order may be"
    status = 402
    next_step = "Split the work into several orders."


class FundsShort(LimitReached):
    """Wallet or vouchers do not cover the hold."""

    code = "order.funds_short"
    title = "The funds do not cover this order"
    status = 402
    next_step = "Top up the wallet, shorten walltime_s or take less."


@dataclass(frozen=True, slots=True)
class Source:
    """Who pays at most how much of the hold, and what is there for it (reserved for this quote included).

    remedy: what else would make it pass.
    """

    name: str
    needed_uc: int
    available_uc: int
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """Everything that decides whether an order may be: as quoted on one side, as it stands now on the other.

    prices_now: price in micro-credits by price row id, of the rows that still stand in the books.
    standing_refusal: why the organisation's standing allows no orders, or empty.
    other_live_quotes: of the same person. authorised_ms: the time that the hold pays for. budgets: those that the order
    counts against, without it. route: what the rule of sizes says, None of an order without a card.
    """

    admitted: bool
    standing_refusal: str
    other_live_quotes: int
    expires_at: datetime
    terms: Sequence[Terms]
    prices_now: dict[str, int]
    quoted_spec_sha256: str
    spec_sha256: str
    walltime_ms: int
    authorised_ms: int
    max_uc: int
    max_cost_uc: int | None
    budgets: Sequence[BudgetRoom]
    route: RouteVerdict | None
    sources: Sequence[Source]


def check_order(*, facts: OrderFacts, now: datetime) -> tuple[LilongError, ...]:
    """Return every reason against the order as the error that says it; empty: it may be.

    Each says why and what would make it pass. The same function decides at the quote and at the hold.
    """
    found = (
        _check_member(facts),
        _check_expiry(facts, now=now),
        _check_prices(facts),
        _check_spec(facts),
        _check_walltime(facts),
        _check_cost(facts),
        _check_budgets(facts),
        _check_size(facts),
        *(_check_source(source) for source in facts.sources),
    )
    return tuple(error for errors in found for error in errors)


def gather_refusals(*, refusals: Sequence[LilongError]) -> LilongError:
    """Return the first refusal as the error to raise, with all of them as its fields."""
    first = refusals[0]
    first.fields = tuple(FieldProblem(path="order", code=each.code, message=_sentence(each)) for each in refusals)
    return first


def _sentence(error: LilongError) -> str:
    if error.detail:
        return join_sentences(error.detail, error.next_step)
    return say("{title} {next_step}", title=Sentence(error.title), next_step=Sentence(error.next_step))


def _check_member(facts: OrderFacts) -> list[LilongError]:
    found: list[LilongError] = []
    if not facts.admitted:
        found.append(NotAdmitted())
    elif facts.standing_refusal:
        found.append(StandingLacking(detail=facts.standing_refusal))
    if facts.other_live_quotes >= LIVE_QUOTES_MAX:
        found.append(LiveQuotesReached(facts={"limit": LIVE_QUOTES_MAX, "used": facts.other_live_quotes}))
    return found


def _check_expiry(facts: OrderFacts, *, now: datetime) -> list[LilongError]:
    if facts.expires_at > now:
        return []
    return [QuoteExpired(detail=say("It expired at {expires_at}.", expires_at=format_moment(facts.expires_at)))]


def _check_prices(facts: OrderFacts) -> list[LilongError]:
    gone = [
        terms.offer_id
        for terms in facts.terms
        if terms.price_uc <= 0 or facts.prices_now.get(terms.price_row_id) != terms.price_uc
    ]
    return [PriceWithdrawn(detail=say("Offers: {offer_ids}.", offer_ids=", ".join(gone)))] if gone else []


def _check_spec(facts: OrderFacts) -> list[LilongError]:
    return [] if facts.spec_sha256 == facts.quoted_spec_sha256 else [SpecDiffers()]


def _check_walltime(facts: OrderFacts) -> list[LilongError]:
    if facts.walltime_ms <= facts.authorised_ms:
        return []
    return [WalltimeTooLong(facts={"limit_ms": facts.authorised_ms, "asked_ms": facts.walltime_ms})]


def _check_cost(facts: OrderFacts) -> list[LilongError]:
    found: list[LilongError] = []
    if facts.max_cost_uc is not None and facts.max_uc > facts.max_cost_uc:
        most, allowed = format_credits(facts.max_uc), format_credits(facts.max_cost_uc)
        detail = say("It can cost {most} credits, your limit is {allowed}.", most=most, allowed=allowed)
        found.append(MaxCostExceeded(detail=detail, facts={"limit_uc": facts.max_cost_uc, "max_uc": facts.max_uc}))
    if facts.max_uc > ORDER_MAX_UC:
        found.append(OrderTooLarge(facts={"limit_uc": ORDER_MAX_UC, "max_uc": facts.max_uc}))
    return found


def _check_budgets(facts: OrderFacts) -> list[LilongError]:
    found = (check_budget(room=room, asked_uc=facts.max_uc) for room in facts.budgets)
    return [refusal for refusal in found if refusal is not None]


def _check_size(facts: OrderFacts) -> list[LilongError]:
    refusal = check_route(facts.route)
    return [refusal] if refusal else []


def _check_source(source: Source) -> list[LilongError]:
    short_uc = source.needed_uc - source.available_uc
    if short_uc <= 0:
        return []
    detail = say(
        "The {payer} must hold {needed} credits and has {available}: {short} are missing.",
        payer=source.name,
        needed=format_credits(source.needed_uc),
        available=format_credits(source.available_uc),
        short=format_credits(short_uc),
    )
    amounts = {"limit_uc": source.available_uc, "needed_uc": source.needed_uc, "short_uc": short_uc}
    return [FundsShort(detail=join_sentences(detail, source.remedy), facts=amounts)]
