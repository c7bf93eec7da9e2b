"""What a rule would have cost: gathers vouchers, declarations and relations as they were, and replays orders on them.

Which orders there were, the room that sells tells; this room asks it nothing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any

from django.db.models import QuerySet, Sum

from lilong.common.errors import NotFound
from lilong.common.sentences import say
from lilong.foundation.ledger.public import get_balances
from lilong.foundation.members.public import OrganisationState, OrganisationView, get_organisations
from lilong.foundation.members.public.ownership import Admission, OwnershipHistory, load_ownership_history
from lilong.platforms.funding.core.deciding import MemberFacts, OfferFacts
from lilong.platforms.funding.core.replay import PastOrder, replay_orders
from lilong.platforms.funding.core.replay_books import DraftRule, Opening, PastVoucher
from lilong.platforms.funding.core.replay_outcome import Outcome
from lilong.platforms.funding.core.rules import VoucherRule, check_rule
from lilong.platforms.funding.core.split import Share
from lilong.platforms.funding.models import Declaration, Programme, Voucher, VoucherUse
from lilong.platforms.funding.queries.entitlement import (
    DeclarationView,
    OfferOrigin,
    find_hub_zone,
    see_member,
    view_declaration,
)

CHUNK = 500
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoldOrder:
    """An order from its quote on, as the room that sells keeps it; the fields are those of `PastOrder`."""

    order_id: str
    organisation_id: str
    quoted_at: datetime
    ended_at: datetime | None
    max_uc: int
    offers: tuple[OfferOrigin, ...]
    quoted: Mapping[str, Share]
    dues_uc: Mapping[str, int]
    is_settled: bool
    is_traced: bool


def replay_rule(
    *,
    rule: VoucherRule,
    programme_id: str,
    begin: datetime,
    until: datetime,
    orders: Iterable[SoldOrder],
    settled_before: "QuerySet[Any, Any]",
) -> Outcome:
    """Return what a rule would have cost from `begin` on and before `until`.

    programme_id: whose vouchers carry it instead of their own rule; empty for a programme that does not exist.
    orders: see `replay_orders`; settled_before: ids of orders settled before `begin` in its calendar year.
    Raises VoucherRuleInvalid, NotFound. Queries: eleven, and five for each CHUNK of orders.
    """
    check_rule(rule=rule)
    if programme_id and not Programme.objects.filter(id=programme_id).exists():
        raise NotFound(detail=say("There is no programme {programme_id}.", programme_id=programme_id[:64]))
    zone = find_hub_zone()
    return replay_orders(
        draft=DraftRule(rule=rule, programme_id=programme_id),
        begin=begin,
        until=until,
        zone=zone,
        vouchers=_load_vouchers(begin=begin, until=until),
        opening=_load_opening(programme_id, begin=begin, zone=zone, settled_before=settled_before),
        orders=_Past(zone=zone).trace(orders),
    )


def _load_vouchers(*, begin: datetime, until: datetime) -> Iterator[PastVoucher]:
    """Yield every voucher issued before `until`, with what it had at `begin`."""
    rows = iter(Voucher.objects.filter(issued_at__lt=until).select_related("rule").order_by("id").iterator(CHUNK))
    rules: dict[str, VoucherRule] = {}
    while chunk := list(islice(rows, CHUNK)):
        earlier = [row.account_id for row in chunk if row.issued_at < begin]
        balances = get_balances(account_ids=earlier, at=begin - MOMENT) if earlier else {}
        for row in chunk:
            rule = rules.setdefault(row.rule_id, row.rule.rule) if row.rule_id not in rules else rules[row.rule_id]
            left_uc = balances[row.account_id].posted_uc if row.account_id in balances else row.issued_uc
            yield PastVoucher(
                voucher_id=row.id,
                programme_id=row.programme_id,
                organisation_id=row.organisation_id,
                rule=rule,
                issued_uc=row.issued_uc,
                issued_at=row.issued_at,
                expires_at=row.expires_at,
                left_uc=left_uc,
            )


def _load_opening(programme_id: str, *, begin: datetime, zone: tzinfo, settled_before: "QuerySet[Any, Any]") -> Opening:
    """Return what the calendar year of `begin` had used until then."""
    year = begin.astimezone(zone).year
    uses = VoucherUse.objects.filter(year=year, order_id__in=settled_before)
    sums = uses.values_list("voucher__organisation_id", "voucher__programme").annotate(sum_uc=Sum("amount_uc"))
    issued = Voucher.objects.filter(
        programme=programme_id, issued_at__gte=datetime(year, 1, 1, tzinfo=zone), issued_at__lt=begin
    )
    return Opening(
        used_uc={(organisation_id, of_programme): sum_uc for organisation_id, of_programme, sum_uc in sums},
        issued_uc=issued.aggregate(sum=Sum("issued_uc"))["sum"] or 0,
    )


class _Past:
    """Organisations as they were: what they had declared and who owned them on the day of a quote."""

    def __init__(self, *, zone: tzinfo) -> None:
        self._zone = zone
        self._owned: OwnershipHistory = load_ownership_history()
        self._organisations: dict[str, OrganisationView] = {}
        self._declared: defaultdict[str, list[DeclarationView]] = defaultdict(list)

    def trace(self, orders: Iterable[SoldOrder]) -> Iterator[PastOrder]:
        """Yield the orders with the facts of their day and what was really paid for them."""
        waiting = iter(orders)
        while chunk := list(islice(waiting, CHUNK)):
            sellers = {offer.provider_organisation_id for order in chunk for offer in order.offers}
            self._learn({order.organisation_id for order in chunk} | sellers)
            paid_uc = _load_uses([order.order_id for order in chunk if order.is_settled])
            for order in chunk:
                yield PastOrder(
                    order_id=order.order_id,
                    organisation_id=order.organisation_id,
                    quoted_at=order.quoted_at,
                    ended_at=order.ended_at,
                    max_uc=order.max_uc,
                    member=self._view_member(order),
                    offers=tuple(self._view_offer(order, offer) for offer in order.offers),
                    quoted=order.quoted,
                    dues_uc=order.dues_uc,
                    paid_uc=paid_uc[order.order_id],
                    is_settled=order.is_settled,
                    is_traced=order.is_traced,
                )

    def _learn(self, organisation_ids: Collection[str]) -> None:
        unknown = sorted(set(organisation_ids) - set(self._organisations))
        if unknown:
            self._organisations |= get_organisations(organisation_ids=unknown)
            for row in Declaration.objects.filter(organisation_id__in=unknown).order_by("declared_at", "id"):
                self._declared[row.organisation_id].append(view_declaration(row=row))

    def _find_declared(self, organisation_id: str, at: datetime) -> DeclarationView | None:
        """Return what an organisation declared at a moment."""
        declared: Sequence[DeclarationView] = self._declared.get(organisation_id, ())
        place = bisect_right(declared, at, key=lambda each: each.declared_at)
        return declared[place - 1] if place else None

    def _view_member(self, order: SoldOrder) -> MemberFacts:
        """Return the buyer as of the quote, which nobody gets who is not admitted."""
        created_at = self._organisations[order.organisation_id].created_at
        return see_member(
            admission=Admission(OrganisationState.ADMITTED, created_at),
            declared=self._find_declared(order.organisation_id, order.quoted_at),
            zone=self._zone,
        )

    def _view_offer(self, order: SoldOrder, offer: OfferOrigin) -> OfferFacts:
        seller_id, day = offer.provider_organisation_id, order.quoted_at.date()
        declared = self._find_declared(seller_id, order.quoted_at)
        relation = self._owned.find_relation(first_id=order.organisation_id, second_id=seller_id, day=day)
        return OfferFacts(
            offer_id=offer.offer_id,
            accelerator_country=offer.accelerator_country,
            provider_country=declared.country if declared else "",
            related_by=relation.holder if relation else "",
        )


def _load_uses(order_ids: Collection[str]) -> Mapping[str, Mapping[str, int]]:
    """Return what each voucher paid for each of these orders. One query."""
    paid_uc: defaultdict[str, dict[str, int]] = defaultdict(dict)
    uses = VoucherUse.objects.filter(order_id__in=order_ids).order_by("id")
    for order_id, voucher_id, amount_uc in uses.values_list("order_id", "voucher_id", "amount_uc"):
        paid_uc[order_id][voucher_id] = amount_uc
    return paid_uc
