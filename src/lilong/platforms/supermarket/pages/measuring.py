"""The page of what was measured of a pool, and the button that has it measured anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from lilong.common.django.once import KeyForm, new_key
from lilong.common.django.people import find_actor, for_member
from lilong.common.permissions import Role, Scope, may
from lilong.common.time import utc_now
from lilong.platforms.supermarket.core.measuring.figures import WORK_PRICES, Measured, price_work
from lilong.platforms.supermarket.pages.words import METRICS
from lilong.platforms.supermarket.queries.measuring import MeasuredOffer, MeasurementView, get_measured_pool
from lilong.platforms.supermarket.services.measuring import MEASURERS, find_measurable, order_measurement

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

_COLUMNS = {metric: column for column, metric in WORK_PRICES.items()}


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure with its name, and what measured work costs by it: a TFLOP-hour or a million tokens."""

    label: "_StrOrPromise"
    figure: Measured
    work_uc: int | None

    @property
    def is_of_tokens(self) -> bool:
        """Whether the price is that of a million tokens."""
        return self.figure.metric == "tokens"


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """An offer with its figures."""

    offer: MeasuredOffer
    figures: Sequence[ShownFigure]


@dataclass(frozen=True, slots=True)
class ShownMeasurement:
    """A measurement, and what it could not measure, by name."""

    measurement: MeasurementView
    missing: "Sequence[tuple[_StrOrPromise, str]]"

    @property
    def state(self) -> str:
        """What became of it: running, refused or taken."""
        if self.measurement.checked_at is None:
            return "running"
        return "refused" if self.measurement.refusal else "taken"


@require_safe
@for_member
def show_measured(request: HttpRequest, pool_id: str) -> HttpResponseBase:
    """Show what was measured of the offers of a pool, how, and when."""
    actor, now = find_actor(request), utc_now()
    pool = get_measured_pool(pool_id=pool_id, now=now)
    is_own = pool.organisation_id == actor.organisation_id
    context = {
        "pool": pool,
        "offers": [_show_offer(offer) for offer in pool.offers],
        "history": [_show_measurement(each) for each in pool.history],
        "may_measure": may(actor, roles=MEASURERS, scope=Scope.RUN).allowed and (is_own or actor.role is Role.OPERATOR),
        "key": new_key(),
        "now": now,
    }
    return render(request, "supermarket/measured.html", context)


@require_POST
@for_member
def measure(request: HttpRequest, offer_id: str) -> HttpResponseBase:
    """Buy a measurement of an offer, once however often the form is sent."""
    actor = find_actor(request)
    offer = find_measurable(actor=actor, offer_id=offer_id)
    form = KeyForm(request.POST)
    if form.is_valid() and form.is_first(request):
        order_id = order_measurement(actor=actor, offer_id=offer_id, request_name=None, now=utc_now())
        messages.success(request, _("The measurement is ordered. Its figures are here soon after its run is over."))
        return redirect("order", order_id=order_id)
    return redirect("measured", pool_id=offer.pool_id)


def _show_offer(offer: MeasuredOffer) -> ShownOffer:
    results = {each.metric: each for each in offer.results}
    return ShownOffer(
        offer=offer,
        figures=[
            ShownFigure(
                label=METRICS[each.metric],
                figure=each,
                work_uc=price_work(column=_COLUMNS[each.metric], hour_uc=offer.hour_uc, results=results)
                if each.metric in _COLUMNS
                else None,
            )
            for each in offer.results
        ],
    )


def _show_measurement(view: MeasurementView) -> ShownMeasurement:
    missing = [(METRICS.get(metric, metric), why) for metric, why in view.not_measured.items()]
    return ShownMeasurement(measurement=view, missing=missing)
