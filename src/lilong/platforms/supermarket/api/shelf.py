"""Providers, service levels, offers and prices over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, Field

from lilong.common.django.fields import (
    PAGE_LIMIT_DEFAULT,
    CursorInQuery,
    Id,
    IdInPath,
    LimitInQuery,
    Name,
    PositiveUc,
    RequestBody,
)
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.money import PPM
from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.platforms.supermarket.core.policy import PRICE_MAX_UC
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.queries.shelf import list_offers, list_prices, list_providers
from lilong.platforms.supermarket.services.reserve import fill_reserve
from lilong.platforms.supermarket.services.shelf import (
    SELLERS,
    add_price,
    add_service_level,
    create_offer,
    register_provider,
    withdraw_offer,
)

router = Router(tags=["shelf"])

OPERATORS = frozenset({Role.OPERATOR})
SELLERS_OR_HUB = SELLERS | OPERATORS

PartPpm = Annotated[int, Field(ge=0, le=PPM)]


class ProviderBody(RequestBody):
    """An organisation that shall sell, and the hub's fee on what it earns, in ppm."""

    organisation_id: Id
    fee_ppm: PartPpm


class ServiceLevelBody(RequestBody):
    """The part of lost time's value that the provider credits, in ppm."""

    name: Name
    credit_ppm: PartPpm


class OfferBody(RequestBody):
    """An offer of one pool by the unit; cores and memory come with each unit."""

    pool_id: Id
    name: Name
    unit: Unit
    accelerator: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    cores_per_unit: Annotated[int, Field(ge=1, le=1024)] = 1
    memory_mib_per_unit: Annotated[int, Field(ge=1, le=2**31 - 1)]
    service_level_id: Id | None = None


class PriceBody(RequestBody):
    """What 1 000 unit-seconds cost from `valid_from` (default: now) until `valid_until` (default: another row)."""

    price_uc: Annotated[int, Field(ge=1, le=PRICE_MAX_UC)]
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    source: Annotated[str, Field(min_length=1, max_length=200)]


class ReserveBody(RequestBody):
    """How much of the hub's fees goes into its service reserve."""

    amount_uc: PositiveUc


class CreatedOut(Schema):
    """The id of what was created."""

    id: str


class ProviderOut(Schema):
    """A provider."""

    id: str
    organisation_id: str
    name: str
    fee_ppm: int
    created_at: datetime


class ProviderPageOut(Schema):
    """A page of providers, newest first."""

    items: list[ProviderOut]
    next_cursor: str | None


class OfferOut(Schema):
    """An offer and its price now, in micro-credits per 1 000 unit-seconds; null: it cannot be bought now."""

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


class OfferPageOut(Schema):
    """A page of offers, newest first."""

    items: list[OfferOut]
    next_cursor: str | None


class PriceOut(Schema):
    """One price row with its source."""

    id: str
    offer_id: str
    price_uc: int
    valid_from: datetime
    valid_until: datetime | None
    source: str
    added_at: datetime


class PricePageOut(Schema):
    """A page of price rows, newest first."""

    items: list[PriceOut]
    next_cursor: str | None


@router.post("/providers", openapi_extra=allow(OPERATORS, Scope.OPERATE), response={201: CreatedOut, **PROBLEMS})
def register(request: HttpRequest, body: ProviderBody) -> object:
    """Make an admitted organisation a provider."""
    provider_id = register_provider(
        actor=get_actor(request), organisation_id=body.organisation_id, fee_ppm=body.fee_ppm, now=utc_now()
    )
    return Status(201, {"id": provider_id})


@router.get("/providers", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ProviderPageOut, **PROBLEMS})
def show_providers(
    request: HttpRequest,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> object:
    """List who sells here."""
    return list_providers(cursor=cursor, limit=limit)


@router.post(
    "/providers/{provider_id}/service-levels",
    openapi_extra=allow(SELLERS_OR_HUB, Scope.MANAGE),
    response={201: CreatedOut, **PROBLEMS},
)
def create_service_level(request: HttpRequest, provider_id: IdInPath, body: ServiceLevelBody) -> object:
    """Add a service level that offers of this provider may name."""
    level_id = add_service_level(
        actor=get_actor(request),
        provider_id=provider_id,
        name=body.name,
        credit_ppm=body.credit_ppm,
        now=utc_now(),
    )
    return Status(201, {"id": level_id})


@router.post(
    "/providers/{provider_id}/offers",
    openapi_extra=allow(SELLERS_OR_HUB, Scope.MANAGE),
    response={201: CreatedOut, **PROBLEMS},
)
def create(request: HttpRequest, provider_id: IdInPath, body: OfferBody) -> object:
    """Put an offer on the shelf; it can be bought as soon as it has a price."""
    offer_id = create_offer(
        actor=get_actor(request),
        provider_id=provider_id,
        pool_id=body.pool_id,
        name=body.name,
        accelerator=body.accelerator,
        shape=Shape(unit=body.unit, cores=body.cores_per_unit, memory_mib=body.memory_mib_per_unit),
        service_level_id=body.service_level_id,
        now=utc_now(),
    )
    return Status(201, {"id": offer_id})


@router.get("/offers", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: OfferPageOut, **PROBLEMS})
def show_offers(
    request: HttpRequest,
    accelerator: Annotated[str | None, Query(max_length=80)] = None,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> object:
    """List what is on the shelf with today's prices; `accelerator` is a registry id, empty for none."""
    return list_offers(now=utc_now(), accelerator=accelerator, cursor=cursor, limit=limit)


@router.delete(
    "/offers/{offer_id}", openapi_extra=allow(SELLERS_OR_HUB, Scope.MANAGE), response={204: None, **PROBLEMS}
)
def withdraw(request: HttpRequest, offer_id: IdInPath) -> object:
    """Take an offer off the shelf for good; quotes that name it are honoured."""
    withdraw_offer(actor=get_actor(request), offer_id=offer_id, now=utc_now())
    return Status(204, None)


@router.post(
    "/offers/{offer_id}/prices",
    openapi_extra=allow(SELLERS_OR_HUB, Scope.MANAGE),
    response={201: CreatedOut, **PROBLEMS},
)
def create_price(request: HttpRequest, offer_id: IdInPath, body: PriceBody) -> object:
    """Add a price row; rows never change. One with an end is a sale and reverts by itself."""
    now = utc_now()
    price_id = add_price(
        actor=get_actor(request),
        offer_id=offer_id,
        price_uc=body.price_uc,
        valid_from=body.valid_from or now,
        valid_until=body.valid_until,
        source=body.source,
        now=now,
    )
    return Status(201, {"id": price_id})


@router.get(
    "/offers/{offer_id}/prices", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: PricePageOut, **PROBLEMS}
)
def show_prices(
    request: HttpRequest,
    offer_id: IdInPath,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> object:
    """List an offer's price rows, newest first."""
    return list_prices(offer_id=offer_id, cursor=cursor, limit=limit)


@router.post("/reserve", openapi_extra=allow(OPERATORS, Scope.PAY), response={201: CreatedOut, **PROBLEMS})
def fill(request: HttpRequest, body: ReserveBody) -> object:
    """Move fees into the service reserve, which pays for faults of the hub and for what providers cannot credit."""
    transfer_id = fill_reserve(actor=get_actor(request), amount_uc=body.amount_uc, now=utc_now())
    return Status(201, {"id": transfer_id})
