"""Write down what settled orders say of the providers they ran at, and add it up for the shelf."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from django.db import transaction

from lilong.foundation.members.public.ownership import OwnershipHistory, load_ownership_history
from lilong.foundation.runs.public import RunView, get_runs
from lilong.platforms.supermarket.core.postings import reckon_relief
from lilong.platforms.supermarket.core.pricing import charge_usage
from lilong.platforms.supermarket.core.promise import read_promise
from lilong.platforms.supermarket.core.reputation import WINDOW, Share, Try, judge_conduct
from lilong.platforms.supermarket.core.scores import Score
from lilong.platforms.supermarket.models import Conduct, Order, Provider, ReputationShare, StartScore
from lilong.platforms.supermarket.queries.reputation import Facts, read_facts
from lilong.platforms.supermarket.queries.usage import read_usage
from lilong.platforms.supermarket.services.shelf import lock_edition, turn_reckoning

JUDGED_AT_ONCE = 500


def judge_orders(*, now: datetime) -> int:
    """Write down how every settled order went on each of its pools, once, and return of how many orders.

    Finds its work by the orders alone, so that a hub that is upgraded knows its past, too. Cost: seven queries and one
    look at all declared ownership for JUDGED_AT_ONCE orders.
    """
    judged, fresh = 0, _judge_some(now=now)
    while fresh:
        judged += fresh
        fresh = _judge_some(now=now)
    return judged


def renew_reputations(*, now: datetime) -> None:
    """Add up anew what is known of every pool, drop what is older than the window, and tell shelves if that changed.

    Cost: linear in disputes and measurements, and in the orders of the window, which the database adds up.
    """
    rows = [
        ReputationShare(
            provider_id=facts.provider_id,
            pool_id=pool_id,
            share=share,
            kept=sum(facts.kept[share].values()),
            count=sum(facts.counted[share].values()),
            months=_list_months(facts, share),
            parts=dict(sorted(facts.parts[share].items())),
            left_out=facts.left_out,
            reckoned_at=now,
        )
        for pool_id, facts in sorted(read_facts(now=now).items())
        for share in Share
    ]
    with transaction.atomic():
        lock_edition()  # one at a time: all rows are made anew
        Conduct.objects.filter(settled_at__lte=now - WINDOW).delete()
        before = set(ReputationShare.objects.values_list("pool_id", "share", "kept", "count"))
        ReputationShare.objects.all().delete()
        ReputationShare.objects.bulk_create(rows)
        if before != {(row.pool_id, str(row.share), row.kept, row.count) for row in rows}:
            turn_reckoning()


def _list_months(facts: Facts, share: Share) -> list[list[str | int]]:
    counted, kept = facts.counted[share], facts.kept[share]
    return [[month.isoformat(), kept[month], counted[month]] for month in sorted(counted, reverse=True)]


@transaction.atomic
def _judge_some(*, now: datetime) -> int:
    unjudged = Order.objects.filter(judged=False, settled_at__isnull=False).order_by("settled_at", "id")
    orders = list(unjudged.select_related("quote")[:JUDGED_AT_ONCE])
    if not orders:
        return 0
    recent = {order: order.settled_at for order in orders if order.settled_at and order.settled_at > now - WINDOW}
    runs = get_runs(run_ids=[order.run_id for order in recent], now=now)
    sellers = dict(Provider.objects.values_list("id", "organisation_id"))
    waits: dict[str, dict[str, Score]] = {}
    for row in StartScore.objects.filter(order__in=recent):
        score = Score(p50_ms=row.p50_s * 1000, p90_ms=row.p90_s * 1000, waited_ms=row.waited_ms, began=row.began)
        waits.setdefault(row.order_id, {})[row.pool_id] = score
    owned = load_ownership_history()
    found = [
        conduct
        for order, settled_at in recent.items()
        if order.run_id in runs
        for conduct in _judge(
            order, runs[order.run_id], waits.get(order.id, {}), settled_at=settled_at, sellers=sellers, owned=owned
        )
    ]
    Conduct.objects.bulk_create(found, ignore_conflicts=True)
    Order.objects.filter(id__in=[order.id for order in orders]).update(judged=True)
    return len(orders)


def _judge(
    order: Order,
    run: RunView,
    waits: Mapping[str, Score],
    *,
    settled_at: datetime,
    sellers: Mapping[str, str],
    owned: OwnershipHistory,
) -> Sequence[Conduct]:
    """Return how one order went on each pool that tried it, by the terms and lines that settled it."""
    promise = read_promise(content=order.quote.document.encode())
    lines = charge_usage(usages=read_usage(run=run), terms=promise.terms, max_uc=promise.max_uc)
    day = (order.placed_at or order.created_at).astimezone(UTC).date()
    conducts = []
    for pool_id in dict.fromkeys(attempt.pool_id for attempt in run.attempts):
        attempts = [attempt for attempt in run.attempts if attempt.pool_id == pool_id]
        own = [line for line in lines if line.terms.pool_id == pool_id]
        terms = promise.terms[attempts[0].ref]
        judged = judge_conduct(
            tries=[
                Try(attempt.id, attempt.started_at is not None, attempt.fault, attempt.reason or "")
                for attempt in attempts
            ],
            wait=waits.get(pool_id),
            promised_ppm=terms.credit_ppm,
            credited_uc=sum(reckon_relief(lines=own).credit_uc.values()),
        )
        conducts.append(
            Conduct(
                order=order,
                provider_id=terms.provider_id,
                pool_id=pool_id,
                settled_at=settled_at,
                related=_is_related(sellers[terms.provider_id], order.organisation_id, owned, day=day),
                started_in_time=judged.started_in_time,
                ended_well=judged.ended_well,
                level_kept=judged.level_kept,
                charged=any(line.due_uc for line in own),
                cause=judged.cause,
                attempt_ids=[attempt.id for attempt in attempts],
            )
        )
    return conducts


def _is_related(seller_id: str, buyer_id: str, owned: OwnershipHistory, *, day: date) -> bool:
    """Say whether an order is one to oneself, by the rule on related parties as it stood on that day."""
    if seller_id == buyer_id:
        return True
    return owned.find_relation(first_id=seller_id, second_id=buyer_id, day=day) is not None
