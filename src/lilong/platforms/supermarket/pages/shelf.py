"""What the page of the shelf shows: a search, what it finds, and links that narrow it, turn it round and go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.people import find_actor, for_member
from lilong.common.time import utc_now
from lilong.platforms.supermarket.core.measuring.figures import SPEEDS, Measured
from lilong.platforms.supermarket.core.reputation import NOTHING, Share, Tally
from lilong.platforms.supermarket.core.search.index import SORTS
from lilong.platforms.supermarket.core.search.language import (
    EVERYTHING,
    Comparison,
    Op,
    Search,
    SearchInvalid,
    every,
    toggle,
    write,
)
from lilong.platforms.supermarket.pages.reputation import show_shares
from lilong.platforms.supermarket.pages.words import FACETS, MEASURED_SORTS, METRICS, SHORT_SHARES, STARTS, VALUES
from lilong.platforms.supermarket.queries.search import (
    COMPARED_MAX,
    SORT_DEFAULT,
    Facet,
    ShelfOffer,
    ShelfPage,
    compare_offers,
    search_shelf,
)
from lilong.protocol.accelerators import list_accelerators

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

OFFERS_SHOWN = 50
VALUES_SHOWN = 8
DESCENDING_FIRST = frozenset({"memory", "cores", "free", "gang", *SPEEDS, *Share})
SORT_LABELS: "Mapping[str, _StrOrPromise]" = {**MEASURED_SORTS, **{share.value: SHORT_SHARES[share] for share in Share}}
HEADLINES = (Share.ENDED_WELL, Share.STARTED_IN_TIME)


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """An offer and when it would start, in words."""

    offer: ShelfOffer
    starts: "_StrOrPromise"

    @property
    def headlines(self) -> "Sequence[tuple[_StrOrPromise, Measured]]":
        """What was measured, as far as there is room, each with its name."""
        return [(METRICS[each.metric], each) for each in self.offer.headlines]

    @property
    def counted(self) -> "Sequence[tuple[_StrOrPromise, Tally]]":
        """How its pool did what it sold, as far as there is room, each with its short name."""
        return [(SHORT_SHARES[share], self.offer.reputation.get(share, NOTHING)) for share in HEADLINES]


@dataclass(frozen=True, slots=True)
class ShownValue:
    """A value of a facet: its name, how many have it, and the address with it, or without it when it is chosen."""

    label: "_StrOrPromise"
    count: int
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ShownFacet:
    """A field by which the search may be narrowed. more: how many values there is no room for."""

    field: str
    label: "_StrOrPromise"
    values: Sequence[ShownValue]
    more: int


@dataclass(frozen=True, slots=True)
class Sorting:
    """The link of a column: its address, and how the table is sorted by it now. label: where it has no column."""

    address: str
    state: str
    label: "_StrOrPromise" = ""


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why a search cannot be read, and its text up to the mistake, the mistake, and what follows."""

    refusal: SearchInvalid
    before: str
    wrong: str
    after: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """The whole list as the page shows it; everything but the text is empty when there is a mistake."""

    text: str
    sort: str
    is_narrowed: bool
    total: int
    offers: Sequence[ShownOffer]
    facets: Sequence[ShownFacet]
    sorts: Mapping[str, Sorting]
    next_address: str
    compared_max: int
    mistake: Mistake | None

    @property
    def measured_sorts(self) -> Sequence[Sorting]:
        """The orders by what was measured, and by what measured work costs."""
        return [self.sorts[name] for name in MEASURED_SORTS if name in self.sorts]

    @property
    def counted_sorts(self) -> Sequence[Sorting]:
        """The orders by how pools did what they sold."""
        return [self.sorts[share] for share in SHORT_SHARES if share in self.sorts]


def build_shelf(request: HttpRequest, *, now: datetime) -> Shelf:
    """Return what the address asks for: q, sort and cursor."""
    text, sort = request.GET.get("q", ""), request.GET.get("sort", SORT_DEFAULT)
    try:
        page = search_shelf(
            organisation_id=find_actor(request).organisation_id,
            text=text,
            sort=sort,
            cursor=request.GET.get("cursor"),
            limit=OFFERS_SHOWN,
            now=now,
        )
    except SearchInvalid as refusal:
        return _show_mistake(text, refusal)
    return Shelf(
        text=text,
        sort=sort,
        is_narrowed=page.search != EVERYTHING,
        total=page.total,
        offers=[ShownOffer(offer=offer, starts=STARTS[offer.starts]) for offer in page.items],
        facets=list(_show_facets(page, sort)),
        sorts={name: _show_sorting(name, page.search, sort) for name in SORTS},
        next_address=_address(page.search, sort=sort, cursor=page.next_cursor) if page.next_cursor else "",
        compared_max=COMPARED_MAX,
        mistake=None,
    )


@require_safe
@for_member
def compare(request: HttpRequest) -> HttpResponseBase:
    """Show up to four offers side by side."""
    offers = compare_offers(
        organisation_id=find_actor(request).organisation_id, offer_ids=request.GET.getlist("offer"), now=utc_now()
    )
    prices = [offer.net_uc for offer in offers if offer.net_uc is not None]
    shares = [list(show_shares(offer.reputation)) for offer in offers]
    context = {
        "offers": [ShownOffer(offer=offer, starts=STARTS[offer.starts]) for offer in offers],
        "least_uc": min(prices, default=None),
        "shares": list(zip(*shares, strict=True)),
    }
    return render(request, "supermarket/compare.html", context)


def _show_mistake(text: str, refusal: SearchInvalid) -> Shelf:
    at, length = int(refusal.facts["at"]), int(refusal.facts["length"])
    mistake = Mistake(refusal, before=text[:at], wrong=text[at : at + length], after=text[at + length :])
    return Shelf(
        text=text,
        sort=SORT_DEFAULT,
        is_narrowed=True,
        total=0,
        offers=(),
        facets=(),
        sorts={},
        next_address="",
        compared_max=COMPARED_MAX,
        mistake=mistake,
    )


def _show_facets(page: ShelfPage, sort: str) -> Sequence[ShownFacet]:
    shown = (_show_facet(facet, page.search, sort) for facet in page.facets)
    return [facet for facet in shown if len(facet.values) > 1 or any(value.is_chosen for value in facet.values)]


def _show_facet(facet: Facet, search: Search, sort: str) -> ShownFacet:
    values = []
    for each in facet.values[:VALUES_SHOWN]:
        narrowed = toggle(search, Comparison(facet.field, Op.EQ, each.value))
        values.append(
            ShownValue(
                label=_label(facet.field, each.value),
                count=each.count,
                address=_address(narrowed, sort=sort),
                is_chosen=narrowed != every(search, Comparison(facet.field, Op.EQ, each.value)),
            )
        )
    return ShownFacet(facet.field, FACETS[facet.field], values, more=len(facet.values) - len(values))


def _label(field: str, value: str) -> "_StrOrPromise":
    known = {row.id: row.name for row in list_accelerators()} if field == "accelerator" else {}
    return VALUES.get((field, value)) or known.get(value, value)


def _show_sorting(name: str, search: Search, sort: str) -> Sorting:
    first, other = (f"-{name}", name) if name in DESCENDING_FIRST else (name, f"-{name}")
    states = {name: "ascending", f"-{name}": "descending"}
    address = _address(search, sort=other if sort == first else first)
    return Sorting(address, states.get(sort, "none"), SORT_LABELS.get(name, ""))


def _address(search: Search, *, sort: str, cursor: str | None = None) -> str:
    asked = {"q": write(search), "sort": "" if sort == SORT_DEFAULT else sort, "cursor": cursor or ""}
    return f"?{urlencode({name: value for name, value in asked.items() if value})}"
