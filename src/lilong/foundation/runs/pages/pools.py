"""Pages of pools: all of them for operators, one's own for providers, and what keepers do to them."""

from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from lilong.common.django.desks import SHOWN_MAX, Panel, Waiting
from lilong.common.django.people import find_actor, for_member, for_operator, read_next
from lilong.common.permissions import Actor, Scope, may
from lilong.common.time import utc_now
from lilong.foundation.runs.core.maintenance import Maintenance
from lilong.foundation.runs.pages.forms import MaintenanceForm, PoolForm
from lilong.foundation.runs.queries.keeping import (
    OwnPools,
    get_kept_pool,
    list_kept_pools,
    list_own_pools,
    list_silent_pools,
)
from lilong.foundation.runs.services.pools import (
    KEEPERS,
    announce_maintenance,
    cancel_maintenance,
    create_join_token,
    create_pool,
    set_draining,
)

__all__ = [
    "OwnPools",
    "add_pool",
    "build_panel",
    "change_draining",
    "may_keep",
    "read_own",
    "show_join_token",
    "show_pool",
    "show_pools",
    "take_maintenance_back",
]

POOLS_SHOWN = 25
OWN_SHOWN = 100


@require_safe
@for_operator
def show_pools(request: HttpRequest) -> HttpResponseBase:
    """List all pools with what their agents said last."""
    now = utc_now()
    page = list_kept_pools(actor=find_actor(request), cursor=request.GET.get("cursor"), limit=POOLS_SHOWN, now=now)
    return render(request, "runs/desk_pools.html", {"page": page, "now": now, "may_keep": True})


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def show_pool(request: HttpRequest, pool_id: str) -> HttpResponseBase:
    """Show a pool of one's organisation, or any to an operator, and take an announcement of maintenance."""
    actor, now = find_actor(request), utc_now()
    form = MaintenanceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        window = Maintenance(
            starts_at=form.cleaned_data["starts_at"],
            ends_at=form.cleaned_data["ends_at"],
            reason=form.cleaned_data["reason"],
        )
        announce_maintenance(actor=actor, pool_id=pool_id, window=window, now=now)
        messages.success(request, _("Announced. No work begins that could reach into it; what runs goes on."))
        return redirect("pool", pool_id=pool_id)
    kept = get_kept_pool(actor=actor, pool_id=pool_id, now=now)
    context = {
        "kept": kept,
        "pool": kept.pool,
        "form": form,
        "now": now,
        "may_keep": may_keep(actor),
        "is_own": kept.pool.organisation_id == actor.organisation_id,
    }
    return render(request, "runs/pool.html", context)


@require_POST
@for_member
def change_draining(request: HttpRequest, pool_id: str) -> HttpResponseBase:
    """Let a pool take no new work, or take it again."""
    drains = request.POST.get("draining") == "yes"
    set_draining(actor=find_actor(request), pool_id=pool_id, draining_at=utc_now() if drains else None)
    messages.success(
        request, _("It takes no new work; what it has goes on.") if drains else _("It takes new work again.")
    )
    return redirect(read_next(request, default=reverse("pool", args=[pool_id])))


@require_POST
@for_member
def take_maintenance_back(request: HttpRequest, pool_id: str) -> HttpResponseBase:
    """Take back the announced maintenance."""
    cancel_maintenance(actor=find_actor(request), pool_id=pool_id)
    messages.success(request, _("The maintenance is taken back."))
    return redirect("pool", pool_id=pool_id)


@never_cache
@require_POST
@for_member
def show_join_token(request: HttpRequest, pool_id: str) -> HttpResponseBase:
    """Make a join token and show it, once, with the command that uses it."""
    now = utc_now()
    actor = find_actor(request)
    token = create_join_token(actor=actor, pool_id=pool_id, now=now)
    kept = get_kept_pool(actor=actor, pool_id=pool_id, now=now)
    context = {"token": token, "pool": kept.pool, "public_url": settings.LILONG.public_url, "now": now}
    return render(request, "runs/join_token.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@for_member
def add_pool(request: HttpRequest) -> HttpResponseBase:
    """Create a pool of one's own organisation."""
    actor = find_actor(request)
    form = PoolForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pool_id = create_pool(
            actor=actor,
            provider_organisation_id=actor.organisation_id,
            name=form.cleaned_data["name"],
            engine=form.cleaned_data["engine"],
            now=utc_now(),
        )
        return redirect("pool", pool_id=pool_id)
    return render(request, "runs/add_pool.html", {"form": form})


def read_own(*, actor: Actor, now: datetime) -> OwnPools:
    """Return the pools of the actor's organisation and what runs there: what a provider's desk shows of runs."""
    return list_own_pools(actor=actor, limit=OWN_SHOWN, now=now)


def may_keep(actor: Actor) -> bool:
    """Say whether the actor may change pools of its own organisation."""
    return may(actor, roles=KEEPERS, scope=Scope.MANAGE).allowed


def build_panel(*, actor: Actor, now: datetime) -> Panel:
    """Return the pools whose agents are not seen. One query."""
    rows = list_silent_pools(actor=actor, limit=SHOWN_MAX + 1, now=now)
    items = [
        Waiting(
            text=row.name,
            about=gettext_lazy("not seen") if row.last_sync_at else gettext_lazy("no agent has joined yet"),
            href=reverse("pool", args=[row.id]),
            at=row.last_sync_at or row.created_at,
        )
        for row in rows[:SHOWN_MAX]
    ]
    return Panel(
        name="pools",
        title=gettext_lazy("Agents not seen"),
        calm=gettext_lazy("Every agent reports."),
        next_step=gettext_lazy("Write to the provider. Work that runs there goes on, and is counted when it is back."),
        href=reverse("desk_pools"),
        label=gettext_lazy("All pools"),
        items=items,
        has_more=len(rows) > SHOWN_MAX,
    )
