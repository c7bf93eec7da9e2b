"""The search of the shelf over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, LimitInQuery
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.platforms.supermarket.api.schemas import MeasuredOut, ShareOut, WaitOut, view_shares
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.search.language import TEXT_MAX, write
from lilong.platforms.supermarket.core.starts import Starts
from lilong.platforms.supermarket.queries.search import SORT_DEFAULT, ShelfOffer, search_shelf

router = Router(tags=["shelf"])


class FoundOfferOut(Schema):
    """An offer as people choose from it: hour_uc for one unit, and net_uc, what of it your vouchers leave to pay.

    Both are null while it cannot be bought. total, free and gang, the largest job of equal nodes that could start now,
    are what its pool reported last, null while it is silent; capacity is promised by nobody. wait: of a job with one
    accelerator, or without any; null where too little is known. measured: one unit's
    speeds; work_prices: what a TFLOP-hour or a million tokens cost by them, in micro-credits. Neither holds claims.
    reputation: how its pool did what it sold.
    """

    id: str
    pool_id: str
    name: str
    provider: str
    unit: Unit
    accelerator: str
    cores_per_unit: int
    memory_mib_per_unit: int
    service_level: str
    hour_uc: int | None
    net_uc: int | None
    price_until: datetime | None
    total: int | None
    free: int | None
    gang_nodes: int | None
    gang_units_per_node: int | None
    starts: Starts
    wait: WaitOut | None
    measured: list[MeasuredOut]
    work_prices: dict[str, int]
    reputation: list[ShareOut]

    @staticmethod
    def resolve_reputation(offer: ShelfOffer) -> list[dict[str, object]]:
        """Return the shares as a list."""
        return view_shares(offer.reputation)


class FacetValueOut(Schema):
    """A value, and how many of all offers found have it."""

    value: str
    count: int


class FacetOut(Schema):
    """The values of one field among all that was found, the most frequent first."""

    field: str
    values: list[FacetValueOut]


class SearchOut(Schema):
    """One page of what a search found. search: as the hub understood it; total: of all pages."""

    search: str
    total: int
    items: list[FoundOfferOut]
    facets: list[FacetOut]
    next_cursor: str | None


@router.get("/shelf", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: SearchOut, **PROBLEMS})
def search(
    request: HttpRequest,
    q: Annotated[str, Query(max_length=TEXT_MAX)] = "",
    sort: Annotated[str, Query(max_length=32)] = SORT_DEFAULT,
    cursor: CursorInQuery = None,
    limit: LimitInQuery = PAGE_LIMIT_DEFAULT,
) -> object:
    """Search the shelf, as in `accelerator = h100 price < 3`, sorted by price, -price, or measured_fp32."""
    page = search_shelf(
        organisation_id=get_actor(request).organisation_id, text=q, sort=sort, cursor=cursor, limit=limit, now=utc_now()
    )
    return {
        "search": write(page.search),
        "total": page.total,
        "items": page.items,
        "facets": page.facets,
        "next_cursor": page.next_cursor,
    }
