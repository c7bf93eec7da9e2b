"""Spec checks, quotes and orders over HTTP."""

from django.http import HttpRequest, HttpResponse
from ninja import Router, Status

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, IdInPath, LimitInQuery
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, OWN_TRANSACTIONS, allow, find_request_name, get_actor
from lilong.common.errors import NotFound
from lilong.common.permissions import Scope
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.platforms.supermarket.api.schemas import (
    CheckOut,
    DecisionBody,
    DisputeBody,
    ExportsOut,
    OpenedCaseOut,
    OrderBody,
    OrderDetailOut,
    OrderPageOut,
    PlacedOut,
    QuoteBody,
    QuoteOut,
    QuotePageOut,
    QuoteRouteOut,
    RoutesOut,
    SpecBody,
)
from lilong.platforms.supermarket.core.policy import APPROVERS
from lilong.platforms.supermarket.core.routes import Way
from lilong.platforms.supermarket.queries.candidates import check_on_shelf
from lilong.platforms.supermarket.queries.exports import export_order
from lilong.platforms.supermarket.queries.orders import get_order, list_awaiting, list_orders
from lilong.platforms.supermarket.queries.quotes import QuoteView, get_quote, list_quotes
from lilong.platforms.supermarket.queries.routes import RouteView, list_routes, load_route_rule
from lilong.platforms.supermarket.queries.sheets import get_quote_sheet
from lilong.platforms.supermarket.services.approvals import approve_order, refuse_order
from lilong.platforms.supermarket.services.browsing import quote_again
from lilong.platforms.supermarket.services.disputes import CLAIMANTS, open_dispute
from lilong.platforms.supermarket.services.orders import cancel_order, place_order
from lilong.platforms.supermarket.services.quotes import BUYERS, quote

router = Router(tags=["orders"])

_FILE = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_DOWNLOAD = {"responses": {200: {"description": "The file, byte for byte as the record's hashes say"} | _FILE}}


@router.post("/specs/check", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: CheckOut, **PROBLEMS})
def check_spec(request: HttpRequest, body: SpecBody) -> object:
    """Say what is wrong with a job, on which offers it could run, and why not on the others; nothing is written."""
    return check_on_shelf(spec=body.spec, now=utc_now())


@router.post("/quotes", openapi_extra=allow(BUYERS, Scope.RUN) | OWN_TRANSACTIONS, response={201: QuoteOut, **PROBLEMS})
def create_quote(request: HttpRequest, body: QuoteBody) -> object:
    """Return a signed quote that is honoured until it expires; it reserves voucher value and holds nothing else."""
    view = quote(
        actor=get_actor(request),
        spec=body.spec,
        max_cost_uc=body.max_cost_uc,
        request_name=find_request_name(request),
        project_id=body.project_id or "",
        now=utc_now(),
    )
    return Status(201, _quote_out(view))


@router.get("/quotes", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: QuotePageOut, **PROBLEMS})
def show_quotes(request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT) -> object:
    """List the organisation's quotes, newest first."""
    page = list_quotes(actor=get_actor(request), cursor=cursor, limit=limit)
    return {"items": [_quote_out(view) for view in page.items], "next_cursor": page.next_cursor}


@router.get("/quotes/{quote_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: QuoteOut, **PROBLEMS})
def show_quote(request: HttpRequest, quote_id: IdInPath) -> object:
    """Show a quote as it was signed."""
    return _quote_out(get_quote(actor=get_actor(request), quote_id=quote_id))


@router.get(
    "/quotes/{quote_id}/route", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: QuoteRouteOut, **PROBLEMS}
)
def show_route(request: HttpRequest, quote_id: IdInPath) -> object:
    """Say by which route a quote's order would go now: at once, from an approved request, or by a review by when."""
    sheet = get_quote_sheet(actor=get_actor(request), quote_id=quote_id, now=utc_now())
    return _route_out(sheet.route)


@router.get("/routes", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: RoutesOut, **PROBLEMS})
def show_routes(request: HttpRequest) -> object:
    """Show the published rule by which orders go at once, by a review or by open call, by their size in card-hours."""
    rule = load_route_rule()
    return {
        "name": rule.name,
        "version": rule.version,
        "sha256": rule.sha256,
        "window_days": rule.window.days,
        "usable_days": rule.usable.days,
        "routes": [
            {
                "route": each.route.code,
                "up_to_ms": each.route.up_to_ms,
                "approvals": each.approvals,
                "days": each.days,
            }
            for each in list_routes()
        ],
    }


@router.post(
    "/orders", openapi_extra=allow(BUYERS, Scope.RUN) | OWN_TRANSACTIONS, response={201: PlacedOut, **PROBLEMS}
)
def place(request: HttpRequest, body: OrderBody) -> object:
    """Take a quote: its maximum is held and its run submitted, both or neither. A quote is taken once.

    Above the organisation's limit the order is `awaiting` instead, until somebody else approves it; too large for the
    automatic route, until operators of the hub do.
    """
    actor = get_actor(request)
    order_id = place_order(actor=actor, quote_id=body.quote_id, purpose=body.purpose, now=utc_now())
    return Status(201, get_order(actor=actor, order_id=order_id, now=utc_now()).order)


@router.get("/orders", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: OrderPageOut, **PROBLEMS})
def show_orders(request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT) -> object:
    """List the organisation's orders, newest first; quotes that nobody took are not among them."""
    return list_orders(actor=get_actor(request), cursor=cursor, limit=limit)


@router.get(
    "/orders/{order_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: OrderDetailOut, **PROBLEMS}
)
def show_order(request: HttpRequest, order_id: IdInPath) -> object:
    """Show an order: its timeline with the money beside each step, its cost so far, and what cancelling would cost."""
    return get_order(actor=get_actor(request), order_id=order_id, now=utc_now())


@router.post(
    "/orders/{order_id}/cancel",
    openapi_extra=allow(BUYERS, Scope.RUN),
    response={200: OrderDetailOut, **PROBLEMS},
)
def cancel(request: HttpRequest, order_id: IdInPath) -> object:
    """Hand back a quote, a request or an approval, or stop the run: what it used, its grace included, is charged."""
    actor = get_actor(request)
    cancel_order(actor=actor, order_id=order_id, now=utc_now())
    return get_order(actor=actor, order_id=order_id, now=utc_now())


@router.post(
    "/orders/{order_id}/approve",
    openapi_extra=allow(APPROVERS, Scope.PAY) | OWN_TRANSACTIONS,
    response={200: OrderDetailOut, **PROBLEMS},
)
def approve(request: HttpRequest, order_id: IdInPath, body: DecisionBody) -> object:
    """Approve an order that waits, placed by somebody else: it is held and submitted at the price of its quote.

    Where the quote has expired it is `approved`: whoever placed it has it quoted and ordered anew, at most for its
    maximum. A large one waits for the review of its size.
    """
    actor = get_actor(request)
    approve_order(actor=actor, order_id=order_id, reason=body.reason, now=utc_now())
    return get_order(actor=actor, order_id=order_id, now=utc_now())


@router.post(
    "/orders/{order_id}/refuse",
    openapi_extra=allow(APPROVERS, Scope.PAY),
    response={200: OrderDetailOut, **PROBLEMS},
)
def refuse(request: HttpRequest, order_id: IdInPath, body: DecisionBody) -> object:
    """Refuse an order that waits, placed by somebody else: nothing is held, and its reservations are released."""
    actor = get_actor(request)
    refuse_order(actor=actor, order_id=order_id, reason=body.reason, now=utc_now())
    return get_order(actor=actor, order_id=order_id, now=utc_now())


@router.post(
    "/orders/{order_id}/repeat",
    openapi_extra=allow(BUYERS, Scope.RUN) | OWN_TRANSACTIONS,
    response={201: QuoteOut, **PROBLEMS},
)
def repeat(request: HttpRequest, order_id: IdInPath) -> object:
    """Quote the job of an earlier order at today's prices; nothing is ordered."""
    view = quote_again(
        actor=get_actor(request), order_id=order_id, request_name=find_request_name(request), now=utc_now()
    )
    return Status(201, _quote_out(view))


@router.get("/approvals", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: OrderPageOut, **PROBLEMS})
def show_approvals(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the orders that wait for somebody of their own organisation to approve them, newest first."""
    return list_awaiting(actor=get_actor(request), cursor=cursor, limit=limit)


@router.post(
    "/orders/{order_id}/disputes",
    openapi_extra=allow(CLAIMANTS, Scope.PAY),
    response={202: OpenedCaseOut, **PROBLEMS},
)
def dispute(request: HttpRequest, order_id: IdInPath, body: DisputeBody) -> object:
    """Claim a part of the charge back; the provider's earnings of this order wait for the decision."""
    case_id = open_dispute(
        actor=get_actor(request), order_id=order_id, claim_uc=body.claim_uc, reason=body.reason, now=utc_now()
    )
    return Status(202, {"case_id": case_id})


@router.get(
    "/orders/{order_id}/exports", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: ExportsOut, **PROBLEMS}
)
def show_exports(request: HttpRequest, order_id: IdInPath) -> object:
    """List the files by which an outsider recomputes the charge and verifies the record."""
    exports = export_order(actor=get_actor(request), order_id=order_id)
    return {"files": [{"name": file.name, "sha256": file.sha256, "size_bytes": file.size_bytes} for file in exports]}


@router.get(
    "/orders/{order_id}/exports/{name}",
    openapi_extra=allow(ALL_ROLES, Scope.READ) | _DOWNLOAD,
    response={200: None, **PROBLEMS},
)
def download_export(request: HttpRequest, order_id: IdInPath, name: IdInPath) -> HttpResponse:
    """Download one of these files, byte for byte."""
    for file in export_order(actor=get_actor(request), order_id=order_id):
        if file.name == name:
            return HttpResponse(file.content, content_type="application/octet-stream")
    raise NotFound(detail=say("An order has no export {name}.", name=name))


def _route_out(view: RouteView | None) -> dict[str, object]:
    if view is None:
        figures = dict.fromkeys(("asked_ms", "counted_ms", "limit_ms", "distance_ms", "approvals", "days"), 0)
        return {"way": Way.AUTOMATIC, "route": "", "review_id": "", **figures}
    said = view.verdict
    return {
        "way": said.way,
        "route": said.route,
        "asked_ms": said.asked_ms,
        "counted_ms": said.counted_ms,
        "limit_ms": said.limit_ms,
        "distance_ms": said.distance_ms,
        "review_id": said.review_id,
        "approvals": view.terms.approvals if view.terms else 0,
        "days": view.terms.days if view.terms else 0,
    }


def _quote_out(view: QuoteView) -> dict[str, object]:
    return {
        **view.promise.model_dump(mode="json"),
        "project_id": view.project_id,
        "name": view.name,
        "state": view.state,
        "wallet_max_uc": view.wallet_max_uc,
        "notes": view.notes,
        "signature": {"key_id": view.key_id, "hex": view.signature},
        "quote_sha256": view.sha256,
    }
