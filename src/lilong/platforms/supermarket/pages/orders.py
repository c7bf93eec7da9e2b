"""Pages of orders: the list, one order, its cancellation, its files."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.once import new_key
from lilong.common.django.people import find_actor, for_member
from lilong.common.errors import InputInvalid, NotFound
from lilong.common.permissions import Actor, Scope, may
from lilong.common.sentences import say
from lilong.common.time import utc_now
from lilong.foundation.record.public.proofs import is_witnessed
from lilong.foundation.runs.public import StartBasis
from lilong.platforms.supermarket.core.policy import APPROVERS
from lilong.platforms.supermarket.core.promise import QuotedWait
from lilong.platforms.supermarket.core.states import OrderState, StepImpossible
from lilong.platforms.supermarket.models import QUOTE_STATES, RUNNING_STATES
from lilong.platforms.supermarket.pages.spending_forms import ReasonForm
from lilong.platforms.supermarket.pages.timelines import build_timeline
from lilong.platforms.supermarket.queries.exports import ExportFile, export_order, pack_receipt
from lilong.platforms.supermarket.queries.orders import TAKEN_STATES, find_order, find_order_of_run, list_orders
from lilong.platforms.supermarket.queries.sheets import OrderSheet, get_order_sheet
from lilong.platforms.supermarket.services.approvals import ApprovalDecision, approve_order, refuse_order
from lilong.platforms.supermarket.services.orders import cancel_order
from lilong.platforms.supermarket.services.quotes import BUYERS
from lilong.protocol.exports import QUOTE_FILE, RECORD_FILE, TRANSFERS_FILE, USAGE_FILE

ORDERS_SHOWN = 25
FILTERS = {
    "all": (pgettext_lazy("orders", "All"), TAKEN_STATES),
    "waiting": (pgettext_lazy("orders", "Waiting for approval"), frozenset({OrderState.AWAITING})),
    "open": (pgettext_lazy("orders", "Not settled yet"), frozenset(RUNNING_STATES)),
    "settled": (pgettext_lazy("orders", "Settled"), frozenset({OrderState.SETTLED})),
    "disputed": (pgettext_lazy("orders", "Disputed"), frozenset({OrderState.DISPUTED})),
}
RECEIPT_FILE = "receipt.zip"
EXPORTS = (QUOTE_FILE, USAGE_FILE, TRANSFERS_FILE, RECORD_FILE)


class ReasonMissing(InputInvalid):
    """Somebody decides without saying why."""

    code = "order.reason_missing"
    title = "Say why"
    next_step = "Go back and write a reason; whoever ordered reads it, and the record keeps it."


@require_safe
@for_member
def show_orders(request: HttpRequest) -> HttpResponseBase:
    """List the organisation's orders, newest first."""
    chosen = request.GET.get("show", "all")
    chosen = chosen if chosen in FILTERS else "all"
    page = list_orders(
        actor=find_actor(request),
        cursor=request.GET.get("cursor"),
        limit=ORDERS_SHOWN,
        states=FILTERS[chosen][1],
    )
    filters = [(name, label) for name, (label, _states) in FILTERS.items()]
    return render(
        request,
        "supermarket/orders.html",
        {"page": page, "filters": filters, "chosen": chosen, "now": utc_now(), "may_order": _may_order(request)},
    )


@require_safe
@for_member
def go_to_run(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """Lead to the order whose page shows a run: notices of runs know no orders."""
    return redirect("order", order_id=find_order_of_run(actor=find_actor(request), run_id=run_id).id)


@require_safe
@for_member
def show_order(request: HttpRequest, order_id: str) -> HttpResponseBase:
    """Show an order with the money beside each step, its run and what an outsider needs to check it."""
    now = utc_now()
    actor = find_actor(request)
    sheet = get_order_sheet(actor=actor, order_id=order_id, now=now)
    state = sheet.order.state
    is_live = sheet.promise is not None and sheet.promise.expires_at > now
    context = {
        "sheet": sheet,
        "order": sheet.order,
        "run": sheet.run,
        "lines": build_timeline(sheet),
        "now": now,
        "runs_now": state in RUNNING_STATES,
        "is_quote": state in QUOTE_STATES,
        "waits": state is OrderState.AWAITING,
        "quote_lives": is_live,
        "may_decide": may(actor, roles=APPROVERS, scope=Scope.PAY).allowed,
        "form": ReasonForm(),
        "has_estimate": sheet.run is not None and sheet.run.expected_start_basis is StartBasis.SCHEDULER,
        "quoted_wait": _find_quoted_wait(sheet),
        "is_billed": sheet.run is not None and sheet.run.attempts[-1].started_at is not None,
        "no_estimate": sheet.run is not None and sheet.run.expected_start_basis is StartBasis.UNKNOWN,
        "may_order": _may_order(request),
        "is_own": sheet.order.organisation_id == actor.organisation_id,
        "actor": actor,
        "exports": EXPORTS,
        "receipt": RECEIPT_FILE,
        "receipt_waits": sheet.order.settled_at is not None and not is_witnessed(subject_id=order_id),
        "key": new_key(),
    }
    return render(request, "supermarket/order.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def cancel(request: HttpRequest, order_id: str) -> HttpResponseBase:
    """Say what cancelling costs and gives back, and do it once that is confirmed."""
    now = utc_now()
    actor = find_actor(request)
    if request.method == "POST":
        return _cancel(request, actor, order_id)
    sheet = get_order_sheet(actor=actor, order_id=order_id, now=now)
    if sheet.order.state not in RUNNING_STATES or sheet.order.cancel_requested_at:
        return redirect("order", order_id=order_id)
    context = {"sheet": sheet, "order": sheet.order, "actor": actor, "may_order": _may_order(request)}
    return render(request, "supermarket/cancel.html", context)


@require_POST
@for_member
def decide_approval(request: HttpRequest, order_id: str) -> HttpResponseBase:
    """Approve or refuse an order that somebody else of the organisation placed, with a reason."""
    actor, now = find_actor(request), utc_now()
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise ReasonMissing
    reason = form.cleaned_data["reason"]
    if request.POST.get("decision") == ApprovalDecision.APPROVED:
        approve_order(actor=actor, order_id=order_id, reason=reason, now=now)
        messages.success(request, _("The order is approved and on its way."))
    else:
        refuse_order(actor=actor, order_id=order_id, reason=reason, now=now)
        messages.success(request, _("The order is refused; nothing was held."))
    return redirect("order", order_id=order_id)


@require_safe
@for_member
def download_export(request: HttpRequest, order_id: str, name: str) -> HttpResponseBase:
    """Send one of the files by which an outsider recomputes the charge and verifies the record, or all in a zip."""
    files = export_order(actor=find_actor(request), order_id=order_id)
    for file in (*files, ExportFile(RECEIPT_FILE, pack_receipt(files=files))):
        if file.name == name:
            response = HttpResponse(file.content, content_type="application/octet-stream")
            response["Content-Disposition"] = f'attachment; filename="{file.name}"'
            return response
    raise NotFound(detail=say("An order has no export {name}.", name=name))


def _cancel(request: HttpRequest, actor: Actor, order_id: str) -> HttpResponseBase:
    """Cancel; whoever sends the form twice, or after the end, is told where the order stands."""
    try:
        cancel_order(actor=actor, order_id=order_id, now=utc_now())
    except StepImpossible:
        messages.info(request, _("This order was over already; nothing was cancelled."))
    else:
        if find_order(actor=actor, order_id=order_id).run_id:
            messages.success(request, _("The hub has asked the pool to stop the job. What it did not use comes back."))
        else:
            messages.success(request, _("The order is withdrawn; nothing was held."))
    return redirect("order", order_id=order_id)


def _find_quoted_wait(sheet: OrderSheet) -> QuotedWait | None:
    """Return what was estimated of the start that the order's newest attempt waits for."""
    attempt = sheet.run.attempts[-1] if sheet.run else None
    if sheet.promise is None or attempt is None or attempt.started_at is not None:
        return None
    return sheet.promise.terms[attempt.ref].wait


def _may_order(request: HttpRequest) -> bool:
    return may(find_actor(request), roles=BUYERS, scope=Scope.RUN).allowed
