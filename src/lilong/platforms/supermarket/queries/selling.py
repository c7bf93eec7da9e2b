"""What those see who sell: an offer with its prices, and what it can be made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.public import PoolView, get_pools, list_pools
from lilong.platforms.supermarket.models import Offer, Provider
from lilong.platforms.supermarket.queries.shelf import OfferView, PriceView, get_offer_now, list_prices

POOLS_MAX = 100


@dataclass(frozen=True, slots=True)
class SellerView:
    """What a provider can make offers of. service_levels: names by id, the newest first."""

    provider_id: str
    pools: Sequence[PoolView]
    service_levels: dict[str, str]


@dataclass(frozen=True, slots=True)
class OfferSheet:
    """An offer, withdrawn or not, with its pool, its seller and a page of its price rows."""

    offer: OfferView
    withdrawn_at: datetime | None
    organisation_id: str
    organisation_name: str
    pool_name: str
    prices: Page[PriceView]

    @property
    def state(self) -> str:
        """Whether it can be bought: on_shelf, unpriced or withdrawn."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        return "unpriced" if self.offer.price_uc is None else "on_shelf"


def find_seller(*, actor: Actor, now: datetime) -> SellerView | None:
    """Return what the actor's organisation can make offers of; None while it is no provider. Three queries."""
    provider = Provider.objects.filter(organisation_id=actor.organisation_id).first()
    if provider is None:
        return None
    pools = list_pools(actor=actor, cursor=None, limit=POOLS_MAX, now=now).items
    levels = provider.service_levels.order_by("-id").values_list("id", "name")[:POOLS_MAX]
    return SellerView(
        provider_id=provider.id,
        pools=[pool for pool in pools if pool.organisation_id == provider.organisation_id],
        service_levels=dict(levels),
    )


def get_offer_sheet(*, actor: Actor, offer_id: str, cursor: str | None, limit: int, now: datetime) -> OfferSheet:
    """Return an offer of the actor's organisation, or any to an operator; raises NotFound. Five queries."""
    offers = Offer.objects.select_related("provider", "service_level")
    if not actor.is_operator:
        offers = offers.filter(provider__organisation_id=actor.organisation_id)
    row = offers.filter(id=offer_id).first()
    if row is None:
        raise NotFound(detail=say("There is no offer {offer_id} of your organisation.", offer_id=offer_id[:64]))
    seller_id = row.provider.organisation_id
    return OfferSheet(
        offer=get_offer_now(offer=row, now=now),
        withdrawn_at=row.withdrawn_at,
        organisation_id=seller_id,
        organisation_name=name_organisations(organisation_ids=[seller_id])[seller_id],
        pool_name=get_pools(pool_ids=[row.pool_id], now=now)[row.pool_id].name,
        prices=list_prices(offer_id=row.id, cursor=cursor, limit=limit),
    )
