"""What a provider sells and has earned, for its own people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, Value

from lilong.common.permissions import Actor
from lilong.foundation.ledger.public import get_balances
from lilong.platforms.supermarket.core.reputation import Reputation
from lilong.platforms.supermarket.models import FrozenEarning, Offer, PriceRow, Provider, ReputationShare
from lilong.platforms.supermarket.queries.reputation import build_reputations

OFFERS_MAX = 100


@dataclass(frozen=True, slots=True)
class SoldOffer:
    """An offer on the shelf with its price now, per 1 000 unit-seconds, and the next one that is entered already.

    price_uc: None while it cannot be bought; until: when its price ends; next_from: when another begins.
    """

    id: str
    name: str
    pool_id: str
    unit: str
    accelerator: str
    price_uc: int | None
    until: datetime | None
    next_uc: int | None
    next_from: datetime | None


@dataclass(frozen=True, slots=True)
class Earnings:
    """What a provider has earned. accruing_uc: of orders whose time for disputes runs, on accruing_account_id.

    disputed: orders with an offer of the provider whose earnings are frozen. available_uc: may be paid out; leaving_uc:
    held for pay-outs that are asked for.
    """

    accruing_account_id: str
    accruing_uc: int
    disputed: Sequence[str]
    available_uc: int
    leaving_uc: int


@dataclass(frozen=True, slots=True)
class Stall:
    """A provider's side of the shelf. reputations: what is known of its pools, by their ids."""

    provider_id: str
    fee_ppm: int
    offers: Sequence[SoldOffer]
    earnings: Earnings
    reputations: Mapping[str, Reputation]


def find_stall(*, actor: Actor, now: datetime) -> Stall | None:
    """Return what the actor's organisation sells and has earned; None while it is no provider. Four queries at most."""
    if not actor.role:
        return None
    own = Offer.objects.on_shelf().filter(provider__organisation_id=actor.organisation_id).select_related("provider")
    offers = list(own.order_by("name", "id")[:OFFERS_MAX])
    # Whoever sells nothing now has no offer to know the provider by.
    found = offers[0].provider if offers else Provider.objects.filter(organisation_id=actor.organisation_id).first()
    if found is None:
        return None
    ids = [offer.id for offer in offers]
    current = Q(pk__in=PriceRow.objects.in_force(now=now).filter(offer__in=ids).values("pk"))
    rows = PriceRow.objects.filter(current | Q(offer__in=ids, valid_from__gt=now)).order_by("valid_from", "id")
    prices: dict[str, PriceRow] = {}
    coming: dict[str, PriceRow] = {}
    for row in rows:
        (coming if row.valid_from > now else prices).setdefault(row.offer_id, row)
    disputed, reputations = _read_standing(found)
    return Stall(
        provider_id=found.id,
        fee_ppm=found.fee_ppm,
        offers=[_view(offer, prices.get(offer.id), coming.get(offer.id)) for offer in offers],
        earnings=_read_earnings(found, disputed),
        reputations=reputations,
    )


def _read_standing(provider: Provider) -> tuple[list[str], dict[str, Reputation]]:
    """Return the disputed orders and what is known of the pools, by one query for both: a desk asks much already."""
    frozen = FrozenEarning.objects.filter(provider=provider).order_by()
    disputed = frozen.values_list("dispute__order", Value(""), Value(0), Value(0))
    known = ReputationShare.objects.filter(provider=provider).values_list("pool_id", "share", "kept", "count")
    rows = list(disputed.union(known, all=True))
    return [row[0] for row in rows if not row[1]], build_reputations(rows=[row for row in rows if row[1]])


def _read_earnings(provider: Provider, disputed: Sequence[str]) -> Earnings:
    accounts = [provider.accruing_account_id, provider.available_account_id]
    balances = get_balances(account_ids=accounts)
    available = balances[provider.available_account_id]
    return Earnings(
        accruing_account_id=provider.accruing_account_id,
        accruing_uc=balances[provider.accruing_account_id].posted_uc,
        disputed=disputed,
        available_uc=available.available_uc,
        leaving_uc=available.pending_out_uc,
    )


def _view(offer: Offer, price: PriceRow | None, following: PriceRow | None) -> SoldOffer:
    return SoldOffer(
        id=offer.id,
        name=offer.name,
        pool_id=offer.pool_id,
        unit=offer.unit,
        accelerator=offer.accelerator,
        price_uc=price.price_uc if price else None,
        until=price.valid_until if price else None,
        next_uc=following.price_uc if following else None,
        next_from=following.valid_from if following else None,
    )
