"""Measurements of offers over HTTP: order one, and read what a pool's offers were measured at."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from lilong.common.django.fields import IdInPath
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, OWN_TRANSACTIONS, allow, find_request_name, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.supermarket.api.schemas import MeasuredOut
from lilong.platforms.supermarket.queries.measuring import get_measured_pool
from lilong.platforms.supermarket.services.measuring import MEASURERS, order_measurement

router = Router(tags=["shelf"])


class OrderedOut(Schema):
    """The order that buys the measurement."""

    order_id: str


class MeasuredOfferOut(Schema):
    """An offer, what one unit of it costs an hour now, and its newest figures."""

    id: str
    name: str
    accelerator: str
    hour_uc: int | None
    results: list[MeasuredOut]


class MeasurementOut(Schema):
    """One measurement: figures, or why nothing of it is believed; neither while checked_at is null.

    not_measured: why, by metric; machine: interpreter and libraries, as the job said.
    """

    id: str
    offer_id: str
    order_id: str
    run_id: str
    ordered_at: datetime
    checked_at: datetime | None
    refusal: str
    figures: list[MeasuredOut]
    not_measured: dict[str, str]
    machine: dict[str, str]


class MeasuredPoolOut(Schema):
    """What was measured of the offers of a pool, and the latest measurements, the newest first."""

    id: str
    name: str
    organisation_id: str
    organisation_name: str
    offers: list[MeasuredOfferOut]
    history: list[MeasurementOut]


@router.post(
    "/offers/{offer_id}/measurements",
    openapi_extra=allow(MEASURERS, Scope.RUN) | OWN_TRANSACTIONS,
    response={201: OrderedOut, **PROBLEMS},
)
def measure(request: HttpRequest, offer_id: IdInPath) -> object:
    """Buy a measurement of one unit of an offer, from the wallet of the caller's own organisation."""
    order_id = order_measurement(
        actor=get_actor(request), offer_id=offer_id, request_name=find_request_name(request), now=utc_now()
    )
    return Status(201, {"order_id": order_id})


@router.get(
    "/pools/{pool_id}/measurements",
    openapi_extra=allow(ALL_ROLES, Scope.READ),
    response={200: MeasuredPoolOut, **PROBLEMS},
)
def show_measurements(request: HttpRequest, pool_id: IdInPath) -> object:
    """Show what was measured of the offers of a pool."""
    return get_measured_pool(pool_id=pool_id, now=utc_now())
