"""Reads of the shelf: who sells what at which price."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min

from lilong.common.django.paging import page_newest_first
from lilong.common.paging import Page
from lilong.foundation.members.public.people import name_organisations
from lilong.platforms.supermarket.core.pricing import HOUR_MS, Unit, price_time
from lilong.platforms.supermarket.models import Offer, PriceRow, Provider


@dataclass(frozen=True, slots=True)
class ProviderView:
    """A provider with the name of its organisation and the hub's fee on what it earns."""

    id: str
    organisation_id: str
    name: str
    fee_ppm: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OfferView:
    """An offer and its price now, in micro-credits per 1 000 unit-seconds; None: it cannot be bought now."""

    id: str
    provider_id: str
    pool_id: str
    name: str
    unit: Unit
    accelerator: str
    cores_per_unit: int
    memory_mib_per_unit: int
    service_level: str
    credit_ppm: int
    price_row_id: str | None
    price_uc: int | None
    price_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PriceView:
    """One price row of an offer, with its source."""

    id: str
    offer_id: str
    price_uc: int
    valid_from: datetime
    valid_until: datetime | None
    source: str
    added_at: datetime

    @property
    def hour_uc(self) -> int:
        """What an hour of one unit costs."""
        return price_time(price_uc=self.price_uc, units=1, duration_ms=HOUR_MS)


def list_providers(*, cursor: str | None, limit: int) -> Page[ProviderView]:
    """Return a page of providers, newest first. Two queries."""
    page = page_newest_first(Provider.objects.all(), cursor=cursor, limit=limit)
    names = name_organisations(organisation_ids=[provider.organisation_id for provider in page.items])
    views = [
        ProviderView(
            id=provider.id,
            organisation_id=provider.organisation_id,
            name=names[provider.organisation_id],
            fee_ppm=provider.fee_ppm,
            created_at=provider.created_at,
        )
        for provider in page.items
    ]
    return Page(items=views, next_cursor=page.next_cursor)


def list_offers(*, now: datetime, accelerator: str | None, cursor: str | None, limit: int) -> Page[OfferView]:
    """Return a page of what is on the shelf, newest first, with prices now. Two queries.

    accelerator: keep those with this registry id; empty text: those without accelerators; None: all.
    """
    offers = Offer.objects.on_shelf().select_related("service_level")
    if accelerator is not None:
        offers = offers.filter(accelerator=accelerator)
    page = page_newest_first(offers, cursor=cursor, limit=limit)
    rows = PriceRow.objects.in_force(now=now).filter(offer__in=[offer.id for offer in page.items])
    prices = {row.offer_id: row for row in rows}
    views = [_view(offer, prices.get(offer.id)) for offer in page.items]
    return Page(items=views, next_cursor=page.next_cursor)


def get_offer_now(*, offer: Offer, now: datetime) -> OfferView:
    """Return an offer with its price now. One query."""
    return _view(offer, PriceRow.objects.in_force(now=now).filter(offer=offer).first())


def get_lowest_prices(*, now: datetime) -> dict[str, int]:
    """Return what one accelerator of each kind costs an hour where it is cheapest, by kind. One query."""
    rows = PriceRow.objects.in_force(now=now).filter(offer__withdrawn_at=None).exclude(offer__accelerator="")
    lowest = rows.values_list("offer__accelerator").annotate(Min("price_uc"))
    return {
        accelerator: price_time(price_uc=price_uc, units=1, duration_ms=HOUR_MS) for accelerator, price_uc in lowest
    }


def list_prices(*, offer_id: str, cursor: str | None, limit: int) -> Page[PriceView]:
    """Return a page of an offer's price rows, newest first; the history of a price is public. One query."""
    page = page_newest_first(PriceRow.objects.filter(offer_id=offer_id), cursor=cursor, limit=limit)
    views = [
        PriceView(
            id=row.id,
            offer_id=row.offer_id,
            price_uc=row.price_uc,
            valid_from=row.valid_from,
            valid_until=row.valid_until,
            source=row.source,
            added_at=row.added_at,
        )
        for row in page.items
    ]
    return Page(items=views, next_cursor=page.next_cursor)


def _view(offer: Offer, price: PriceRow | None) -> OfferView:
    return OfferView(
        id=offer.id,
        provider_id=offer.provider_id,
        pool_id=offer.pool_id,
        name=offer.name,
        unit=Unit(offer.unit),
        accelerator=offer.accelerator,
        cores_per_unit=offer.cores_per_unit,
        memory_mib_per_unit=offer.memory_mib_per_unit,
        service_level=offer.service_level.name if offer.service_level else "",
        credit_ppm=offer.service_level.credit_ppm if offer.service_level else 0,
        price_row_id=price.id if price else None,
        price_uc=price.price_uc if price else None,
        price_until=price.valid_until if price else None,
        created_at=offer.created_at,
    )
