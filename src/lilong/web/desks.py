"""The desks: what waits for an operator, and what a provider keeps, sells and earns; each room brings its part."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from lilong.common.django.charts import Chart
from lilong.common.django.desks import Panel
from lilong.common.django.people import find_actor, for_member, for_operator
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.common.time import utc_now
from lilong.foundation.cases.pages.desk import build_panels as build_case_panels
from lilong.foundation.ledger.pages.charts import chart_earnings
from lilong.foundation.ledger.pages.desk import build_panel as build_pay_out_panel
from lilong.foundation.ledger.pages.own import PayOutView, read_frozen, read_pay_outs
from lilong.foundation.members.pages.factor_losses import build_panel as build_loss_panel
from lilong.foundation.members.pages.sessions import find_session_organisation
from lilong.foundation.members.public import OrganisationKind, OrganisationState
from lilong.foundation.notices.pages.desk import build_panel as build_mail_panel
from lilong.foundation.outbox.pages.letters import build_panel as build_letter_panel
from lilong.foundation.record.pages.desk import build_panel as build_record_panel
from lilong.foundation.runs.pages.pools import OwnPools, may_keep, read_own
from lilong.foundation.runs.pages.pools import build_panel as build_pool_panel
from lilong.platforms.supermarket.pages.selling import may_sell
from lilong.platforms.supermarket.pages.stall import OwnReputation, Stall, read_stall, show_own


@dataclass(frozen=True, slots=True)
class ProviderDesk:
    """A provider's pools with what runs on them, its offers and earnings, and its pay-outs. frozen_uc: by disputes.

    earned: week by week; None while it is no provider. reputation: of pools that have done work.
    """

    own: OwnPools
    stall: Stall | None
    frozen_uc: int
    earned: Chart | None
    pay_outs: Page[PayOutView]
    reputation: Sequence[OwnReputation]


@require_safe
@for_operator
def show_desk(request: HttpRequest) -> HttpResponseBase:
    """Show what waits for a human now, most urgent first, each with its next step."""
    now = utc_now()
    panels = read_desk(actor=find_actor(request), now=now)
    context = {
        "panels": [panel for panel in panels if panel.items],
        "calm": [panel for panel in panels if not panel.items],
        "now": now,
    }
    return render(request, "web/desk.html", context)


@require_safe
@for_member
def show_provider(request: HttpRequest) -> HttpResponseBase:
    """Show what a provider keeps, sells and earns, and on an empty desk what to do first."""
    actor, now = find_actor(request), utc_now()
    organisation = find_session_organisation(request)
    desk = read_provider_desk(actor=actor, now=now)
    context = {
        "desk": desk,
        "now": now,
        "may_keep": may_keep(actor),
        "may_sell": may_sell(actor),
        "sells": desk.stall is not None,
        "is_waiting": organisation is not None and organisation.state == OrganisationState.APPLIED,
        "is_provider": organisation is not None and organisation.kind != OrganisationKind.RESIDENT,
    }
    return render(request, "web/provider.html", context)


def read_desk(*, actor: Actor, now: datetime) -> list[Panel]:
    """Return what waits, by room, most urgent first. Nine queries."""
    return [
        *build_case_panels(actor=actor, now=now),
        build_loss_panel(actor=actor, now=now),
        build_pool_panel(actor=actor, now=now),
        build_letter_panel(actor=actor, now=now),
        build_mail_panel(actor=actor, now=now),
        build_pay_out_panel(actor=actor, now=now),
        build_record_panel(actor=actor, now=now),
    ]


def read_provider_desk(*, actor: Actor, now: datetime) -> ProviderDesk:
    """Return the desk of the actor's organisation. Nine queries at most."""
    own, stall = read_own(actor=actor, now=now), read_stall(actor=actor, now=now)
    earned = stall.earnings if stall else None
    names = {kept.pool.id: kept.pool.name for kept in own.pools}
    return ProviderDesk(
        own=own,
        stall=stall,
        frozen_uc=read_frozen(account_id=earned.accruing_account_id, subjects=earned.disputed) if earned else 0,
        earned=chart_earnings(account_id=earned.accruing_account_id, now=now) if earned else None,
        pay_outs=read_pay_outs(actor=actor, cursor=None),
        reputation=show_own(reputations=stall.reputations, names=names) if stall else (),
    )
