"""Pages of those who sell: offers and their prices; and of operators: who may sell."""

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from lilong.common.django.forms import render_form
from lilong.common.django.once import new_key
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.time import utc_now
from lilong.platforms.supermarket.pages.forms import OfferForm, PriceForm, ProviderForm
from lilong.platforms.supermarket.queries.selling import find_seller, get_offer_sheet
from lilong.platforms.supermarket.queries.shelf import list_providers
from lilong.platforms.supermarket.services.shelf import (
    SELLERS,
    add_price,
    create_offer,
    register_provider,
    withdraw_offer,
)

PRICES_SHOWN = PROVIDERS_SHOWN = 25


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def add_offer(request: HttpRequest) -> HttpResponseBase:
    """Put an offer of one's own pool on the shelf; its page asks for the price."""
    actor, now = find_actor(request), utc_now()
    if request.method == "POST":
        require(_decide(actor))
    seller = find_seller(actor=actor, now=now)
    if seller is None or not seller.pools or not may_sell(actor):
        return render(request, "supermarket/add_offer.html", {"seller": seller, "may_sell": may_sell(actor)})
    form = OfferForm(
        request.POST or None,
        pools=[(pool.id, pool.name) for pool in seller.pools],
        levels=seller.service_levels,
        initial={"key": new_key(), "pool": request.GET.get("pool", "")},
    )
    if request.method == "POST" and form.is_valid():
        if not form.is_first(request):
            return redirect("provider")
        said = form.cleaned_data
        offer_id = create_offer(
            actor=actor,
            provider_id=seller.provider_id,
            pool_id=said["pool"],
            name=said["name"],
            accelerator=said["accelerator"] or None,
            shape=form.read_shape(),
            service_level_id=said.get("service_level") or None,
            now=now,
        )
        messages.success(request, _("It is on the shelf. It can be bought as soon as it has a price."))
        return redirect("offer", offer_id=offer_id)
    context = {"seller": seller, "form": form, "may_sell": True}
    return render_form(request, "supermarket/add_offer.html", context, is_refused=form.is_bound)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_offer(request: HttpRequest, offer_id: str) -> HttpResponseBase:
    """Show an offer of one's organisation with all its prices, and take another price."""
    actor, now = find_actor(request), utc_now()
    form = PriceForm(request.POST or None, now=now, initial={"key": new_key()})
    if request.method == "POST" and form.is_valid():
        if form.is_first(request):
            said = form.cleaned_data
            add_price(
                actor=actor,
                offer_id=offer_id,
                price_uc=form.read_price_uc(),
                valid_from=said["valid_from"] or now,
                valid_until=said["valid_until"],
                source=said["source"],
                now=now,
            )
            messages.success(request, _("The price is entered. Quotes that were given keep theirs."))
        return redirect("offer", offer_id=offer_id)
    sheet = get_offer_sheet(
        actor=actor, offer_id=offer_id, cursor=request.GET.get("cursor"), limit=PRICES_SHOWN, now=now
    )
    context = {
        "sheet": sheet,
        "form": form,
        "now": now,
        "may_sell": may_sell(actor),
        "is_own": sheet.organisation_id == actor.organisation_id,
    }
    return render_form(request, "supermarket/offer.html", context, is_refused=form.is_bound)


@require_POST
@for_member
def withdraw(request: HttpRequest, offer_id: str) -> HttpResponseBase:
    """Take an offer off the shelf for good."""
    withdraw_offer(actor=find_actor(request), offer_id=offer_id, now=utc_now())
    messages.success(request, _("It is off the shelf. Quotes that were given are honoured."))
    return redirect("offer", offer_id=offer_id)


@require_http_methods(["GET", "HEAD", "POST"])
@for_operator
def show_providers(request: HttpRequest) -> HttpResponseBase:
    """List who sells here and at which fee, and make another organisation a provider."""
    actor, now = find_actor(request), utc_now()
    form = ProviderForm(request.POST or None, initial={"organisation_id": request.GET.get("organisation", "")})
    if request.method == "POST" and form.is_valid():
        organisation_id = form.cleaned_data["organisation_id"].strip()
        register_provider(actor=actor, organisation_id=organisation_id, fee_ppm=form.read_fee_ppm(), now=now)
        messages.success(request, _("It may sell now."))
        return redirect("desk_providers")
    page = list_providers(cursor=request.GET.get("cursor"), limit=PROVIDERS_SHOWN)
    context = {"page": page, "form": form, "now": now}
    return render_form(request, "supermarket/desk_providers.html", context, is_refused=form.is_bound)


def may_sell(actor: Actor) -> bool:
    """Say whether the actor may change what its own organisation sells; operators, what any sells."""
    return _decide(actor).allowed


def _decide(actor: Actor) -> Verdict:
    return may(actor, roles=SELLERS | {Role.OPERATOR}, scope=Scope.MANAGE)
