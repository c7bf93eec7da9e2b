"""Which orders there were in a period, for funding, which replays them under another voucher rule."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from lilong.common.errors import InputInvalid
from lilong.common.periods import DayPeriod
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.platforms.funding.public import VoucherRule
from lilong.platforms.funding.public.orders import OfferOrigin
from lilong.platforms.funding.public.replay import Outcome, SoldOrder, replay_rule
from lilong.platforms.supermarket.core.policy import REPLAYED_ORDERS_MAX
from lilong.platforms.supermarket.core.pricing import charge_usage, concede
from lilong.platforms.supermarket.core.promise import Promise, read_promise
from lilong.platforms.supermarket.core.states import OrderState, OrderStep
from lilong.platforms.supermarket.models import Dispute, Order, Quote, TimelineEntry
from lilong.platforms.supermarket.queries.candidates import trace_origins
from lilong.platforms.supermarket.queries.splits import list_shares
from lilong.platforms.supermarket.queries.usage import read_settled_usage

BATCH = 500
UNTAKEN_STATES = (OrderState.EXPIRED, OrderState.CANCELLED, OrderState.REFUSED)
UNTAKEN_STEPS = (OrderStep.LAPSE, OrderStep.HAND_BACK, OrderStep.DENY)
"""How a quote ends that nobody took."""

LAPSES_WITHIN = timedelta(days=1)
"""How late it may have ended after it expired, where the hub stood still, to be looked at."""

COLUMNS = (
    "document",
    "order__organisation_id",
    "order__due_uc",
    "order__settled_at",
    "order__settlement__usage_csv",
)


class ReplayTooLong(InputInvalid):
    """More orders were settled in the period than one request replays."""

    code = "programmes.replay_too_long"
    title = "Too many orders were settled in this period"
    next_step = "Ask for a shorter period, such as a month, and add up."


def replay_draft(*, actor: Actor, rule: VoucherRule, programme_id: str, period: DayPeriod) -> Outcome:
    """Return what a rule would have cost for the orders that were settled in a period; for operators.

    programme_id: whose vouchers carry it instead of their own rule; empty for a programme that does not exist.
    Raises VoucherRuleInvalid, NotFound, ReplayTooLong. Memory is bounded by vouchers and organisations, not by orders;
    see docs/reference/voucher-rules.md for the time that it takes.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    settled = Order.objects.filter(settled_at__gte=period.begin, settled_at__lt=period.end).count()
    if settled > REPLAYED_ORDERS_MAX:
        raise ReplayTooLong(
            detail=say(
                "There were {settled}; {most} are replayed at a time.", settled=settled, most=REPLAYED_ORDERS_MAX
            ),
            facts={"limit": REPLAYED_ORDERS_MAX, "used": settled},
        )
    return replay_rule(
        rule=rule,
        programme_id=programme_id,
        begin=period.begin,
        until=period.end,
        orders=_read_orders(period),
        settled_before=Order.objects.filter(settled_at__lt=period.begin).values("id"),
    )


def _read_orders(period: DayPeriod) -> Iterator[SoldOrder]:
    """Yield what held or took voucher value in the period, in the order of the quotes. Four queries for each BATCH."""
    origins: dict[str, OfferOrigin] = {}
    after, rows = "", _list_quotes(period)
    while batch := list(rows.filter(id__gt=after)[:BATCH]):
        promises = {quote.order_id: read_promise(content=quote.document.encode()) for quote in batch}
        unknown = {offer.offer_id: offer for promise in promises.values() for offer in promise.offers}
        terms = [offer for offer_id, offer in unknown.items() if offer_id not in origins]
        origins |= {origin.offer_id: origin for origin in trace_origins(offers=terms)}
        ends, upheld = _find_ends(promises), _find_upheld(promises)
        for quote in batch:
            promise = promises[quote.order_id]
            yield _put(quote.order, promise, upheld[quote.order_id], origins=origins, ended_at=ends.get(quote.order_id))
        after = batch[-1].id


def _list_quotes(period: DayPeriod) -> QuerySet[Quote]:
    settled = Q(order__settled_at__gte=period.begin)
    living = Q(order__settled_at=None) & ~Q(order__state__in=UNTAKEN_STATES)
    untaken = Q(order__state__in=UNTAKEN_STATES, order__expires_at__gte=period.begin - LAPSES_WITHIN)
    quotes = Quote.objects.filter(settled | living | untaken, order__created_at__lt=period.end)
    return quotes.select_related("order", "order__settlement").only(*COLUMNS).order_by("id")


def _put(
    order: Order,
    promise: Promise,
    upheld: Sequence[Dispute],
    *,
    origins: Mapping[str, OfferOrigin],
    ended_at: datetime | None,
) -> SoldOrder:
    due_uc = order.due_uc or 0
    dues_uc = _sum_dues(order, promise, upheld) if order.settled_at else {}
    is_traced = sum(dues_uc.values()) == due_uc
    names = [voucher.voucher_id for voucher in promise.vouchers]
    return SoldOrder(
        order_id=order.id,
        organisation_id=order.organisation_id,
        quoted_at=promise.quoted_at,
        ended_at=order.settled_at or ended_at,
        max_uc=promise.max_uc,
        offers=tuple(origins[offer.offer_id] for offer in promise.offers),
        quoted=dict(zip(names, list_shares(promise=promise), strict=True)),
        dues_uc=dues_uc if is_traced else {"": due_uc},
        is_settled=order.settled_at is not None,
        is_traced=is_traced,
    )


def _sum_dues(order: Order, promise: Promise, upheld: Sequence[Dispute]) -> Counter[str]:
    """Return what is due by offer, by the usage that was settled less what disputes conceded.

    What late usage corrected is in neither, so that the sum tells whether it is all.
    """
    usages = read_settled_usage(text=order.settlement.usage_csv)
    lines = charge_usage(usages=usages, terms=promise.terms, max_uc=promise.max_uc)
    for dispute in upheld:
        lines = concede(lines=lines, claim_uc=dispute.claim_uc, attempt_ids=dispute.attempt_ids or None)
    dues_uc: Counter[str] = Counter()
    for line in lines:
        dues_uc[line.terms.offer_id] += line.due_uc
    return dues_uc


def _find_ends(order_ids: Collection[str]) -> dict[str, datetime]:
    """Return when those of these quotes ended that nobody took."""
    ends = TimelineEntry.objects.filter(order__in=list(order_ids), step__in=UNTAKEN_STEPS)
    return dict(ends.values_list("order_id", "at"))


def _find_upheld(order_ids: Collection[str]) -> Mapping[str, list[Dispute]]:
    """Return the disputes of these orders that conceded something, in their order."""
    upheld: defaultdict[str, list[Dispute]] = defaultdict(list)
    for dispute in Dispute.objects.filter(order__in=list(order_ids), upheld=True).order_by("closed_at", "id"):
        upheld[dispute.order_id].append(dispute)
    return upheld
