"""Pages on which people buy: the shelf, a quote, and taking it."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.bodies import reads_at_most
from lilong.common.django.once import KeyForm, new_key
from lilong.common.django.people import find_actor, for_member
from lilong.common.errors import InputInvalid, LilongError, list_error_classes
from lilong.common.permissions import Scope, may
from lilong.common.time import utc_now
from lilong.foundation.ledger.public import AccountKind, find_balance
from lilong.platforms.supermarket.core.routes import Way
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.pages.forms import JobForm, PurposeForm
from lilong.platforms.supermarket.pages.shelf import build_shelf
from lilong.platforms.supermarket.pages.words import STARTS
from lilong.platforms.supermarket.queries.alternatives import list_alternatives
from lilong.platforms.supermarket.queries.routes import list_routes, load_route_rule
from lilong.platforms.supermarket.queries.sheets import get_quote_sheet
from lilong.platforms.supermarket.services.archives import ARCHIVE_BYTES_MAX
from lilong.platforms.supermarket.services.browsing import name_page_request, quote_again, quote_job
from lilong.platforms.supermarket.services.orders import place_order
from lilong.platforms.supermarket.services.quotes import BUYERS
from lilong.protocol.spec_yaml import SPEC_BYTES_MAX

UPLOAD_BYTES_MAX = ARCHIVE_BYTES_MAX + SPEC_BYTES_MAX + 64 * 1024
OK, INVALID = 200, 422
EXAMPLE = """\
name: first-job
command: python3 -c "print(6 * 7)" | tee result.txt
walltime: 1m
resources:
  cores: 1
  memory: 512MiB
outputs:
  - path: result.txt
    max: 1MiB
"""
"""A job's file, shown beside the form."""


class UploadTooLarge(InputInvalid):
    """A job and its folder together have more bytes than a browser may send."""

    code = "job.upload_too_large"
    title = "This is too much to send by browser"
    status = 413
    next_step = "Send at most 16 MiB, or use `lilong run`, which sends large folders in pieces."


@require_safe
@for_member
def show_shelf(request: HttpRequest) -> HttpResponseBase:
    """Show what is on the shelf today, what of it a search finds, and the form that asks what a job costs."""
    return _render_shelf(request, JobForm(initial={"key": new_key()}))


@reads_at_most(bytes_max=UPLOAD_BYTES_MAX, refusal=UploadTooLarge)
@require_POST
@for_member
def ask_for_quote(request: HttpRequest) -> HttpResponseBase:
    """Quote the job that was handed in."""
    form = JobForm(request.POST, request.FILES)
    if not form.is_valid():
        return _render_shelf(request, form, status=INVALID)
    try:
        view = quote_job(
            actor=find_actor(request),
            job=form.cleaned_data["job"],
            archive=form.cleaned_data["archive"],
            max_cost_uc=form.cleaned_data["max_cost"],
            project_name=form.cleaned_data["project"],
            request_key=form.cleaned_data["key"],
            now=utc_now(),
        )
    except LilongError as refusal:
        if refusal.status >= 500:  # noqa: PLR2004 - a fault of ours has its own page
            raise
        return _render_shelf(request, form, refusal=refusal, status=refusal.status)
    return redirect("quote", quote_id=view.id)


@require_safe
@for_member
def show_quote(request: HttpRequest, quote_id: str) -> HttpResponseBase:
    """Show what a quote promises until when, what is missing, and the way to take it."""
    now = utc_now()
    sheet = get_quote_sheet(actor=find_actor(request), quote_id=quote_id, now=now)
    if sheet.quote.state not in {OrderState.QUOTED, OrderState.EXPIRED, OrderState.CANCELLED}:
        return redirect("order", order_id=sheet.quote.order_id)
    wallet = find_balance(kind=AccountKind.WALLET, owner_id=find_actor(request).organisation_id)
    titles = {each.code: each.title for each in list_error_classes()}
    is_live = sheet.quote.state is OrderState.QUOTED and sheet.quote.promise.expires_at > now
    context = {
        "alternatives": [
            (each, STARTS[each.starts])
            for each in (list_alternatives(spec=sheet.spec, promise=sheet.quote.promise, now=now) if is_live else ())
        ],
        "sheet": sheet,
        "starts_labels": STARTS,
        "promise": sheet.quote.promise,
        "now": now,
        "is_live": is_live,
        "needs_review": sheet.route is not None and sheet.route.verdict.way is Way.REVIEW,
        "routes": list_routes(),
        "window_days": load_route_rule().window.days,
        "purpose_form": PurposeForm(),
        "missing_uc": max(sheet.wallet_max_uc - (wallet.available_uc if wallet else 0), 0),
        "notes": [
            (gettext(titles[note.code]) if note.code in titles else "", note)
            for note in sheet.quote.notes
            if note.path != "funds"
        ],
        "key": new_key(),
        "may_order": may(find_actor(request), roles=BUYERS, scope=Scope.RUN).allowed,
        "actor": find_actor(request),
    }
    return render(request, "supermarket/quote.html", context)


@require_POST
@for_member
def take_quote(request: HttpRequest, quote_id: str) -> HttpResponseBase:
    """Take a quote; taken twice it is the same order."""
    form = PurposeForm(request.POST)
    purpose = form.cleaned_data["purpose"] if form.is_valid() else ""
    order_id = place_order(actor=find_actor(request), quote_id=quote_id, purpose=purpose, now=utc_now())
    return redirect("order", order_id=order_id)


@require_POST
@for_member
def order_again(request: HttpRequest, order_id: str) -> HttpResponseBase:
    """Quote the job of an earlier order at today's prices."""
    form = KeyForm(request.POST)
    key = form.cleaned_data["key"] if form.is_valid() else new_key()
    actor = find_actor(request)
    name = name_page_request(actor=actor, key=key)
    view = quote_again(actor=actor, order_id=order_id, request_name=name, now=utc_now())
    return redirect("quote", quote_id=view.id)


def _render_shelf(
    request: HttpRequest, form: JobForm, *, refusal: LilongError | None = None, status: int = OK
) -> HttpResponseBase:
    actor = find_actor(request)
    shelf = build_shelf(request, now=utc_now())
    if shelf.mistake:
        status = shelf.mistake.refusal.status
    context = {
        "shelf": shelf,
        "form": form,
        "example": EXAMPLE,
        "refusal": refusal,
        "refusal_title": gettext(refusal.title) if refusal else "",
        "refusal_next_step": gettext(refusal.next_step) if refusal and refusal.next_step else "",
        "may_order": may(actor, roles=BUYERS, scope=Scope.RUN).allowed,
        "actor": actor,
    }
    response = render(request, "supermarket/shelf.html", context, status=status)
    if status != OK:
        told = refusal or (shelf.mistake.refusal if shelf.mistake else None)
        response.__dict__["lilong_error"] = told.code if told else InputInvalid.code  # the page says why itself
    return response
