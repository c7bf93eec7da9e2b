"""Reads of what was measured of offers: the newest figures for the shelf, and the history of one pool."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from lilong.common.errors import NotFound
from lilong.common.sentences import load_sentence, say
from lilong.foundation.members.public.people import name_organisations
from lilong.foundation.runs.public import get_pools
from lilong.platforms.supermarket.core.measuring.figures import Measured, Results
from lilong.platforms.supermarket.core.measuring.method import METRICS
from lilong.platforms.supermarket.core.pricing import HOUR_MS, price_time
from lilong.platforms.supermarket.models import Figure, Measurement, Offer, PriceRow

CHECKED_AT_ONCE = 100
HISTORY_MAX = 20


@dataclass(frozen=True, slots=True)
class MeasurementView:
    """One measurement and what came of it: figures, or why it is not believed; neither while it runs.

    not_measured: why, by metric; machine: interpreter and libraries, as the job said.
    """

    id: str
    offer_id: str
    offer_name: str
    order_id: str
    run_id: str
    ordered_at: datetime
    checked_at: datetime | None
    refusal: str
    figures: tuple[Measured, ...]
    not_measured: Mapping[str, str]
    machine: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MeasuredOffer:
    """An offer, what one unit of it costs an hour now, and its newest figures in the order of METRICS."""

    id: str
    name: str
    accelerator: str
    hour_uc: int | None
    results: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class MeasuredPool:
    """The offers of a pool that are on the shelf with what was measured of them, and the latest measurements."""

    id: str
    name: str
    organisation_id: str
    organisation_name: str
    offers: tuple[MeasuredOffer, ...]
    history: tuple[MeasurementView, ...]


def list_unmeasured() -> Sequence[Measurement]:
    """Return measurements whose runs have finished and that nobody has decided on, oldest first. One query."""
    waiting = Measurement.objects.filter(checked_at=None).exclude(order__run_state="")
    return list(waiting.select_related("order").order_by("id")[:CHECKED_AT_ONCE])


def read_results(*, offers: "QuerySet[Offer] | Collection[str]") -> dict[str, Results]:
    """Return the newest figures of these offers, by offer and metric. One query."""
    found: dict[str, dict[str, Measured]] = {}
    newest = Figure.objects.filter(is_newest=True, offer__in=offers).select_related("measurement__order")
    for figure in newest:
        measured = view_figure(figure=figure, run_id=figure.measurement.order.run_id)
        found.setdefault(figure.offer_id, {})[figure.metric] = measured
    return dict(found)


def get_measured_pool(*, pool_id: str, now: datetime) -> MeasuredPool:
    """Return what was measured of a pool; raises NotFound. Seven queries."""
    pool = get_pools(pool_ids=[pool_id], now=now).get(pool_id)
    rows = list(Offer.objects.on_shelf().filter(pool_id=pool_id).order_by("id"))
    if pool is None:
        raise NotFound(detail=say("There is no pool {pool_id}.", pool_id=pool_id[:64]))
    results = read_results(offers=[row.id for row in rows])
    prices = PriceRow.objects.in_force(now=now).filter(offer__in=[row.id for row in rows])
    hours_uc = {price.offer_id: price_time(price_uc=price.price_uc, units=1, duration_ms=HOUR_MS) for price in prices}
    return MeasuredPool(
        id=pool.id,
        name=pool.name,
        organisation_id=pool.organisation_id,
        organisation_name=name_organisations(organisation_ids=[pool.organisation_id])[pool.organisation_id],
        offers=tuple(
            MeasuredOffer(
                id=row.id,
                name=row.name,
                accelerator=row.accelerator,
                hour_uc=hours_uc.get(row.id),
                results=sort_results(results=results.get(row.id, {})),
            )
            for row in rows
        ),
        history=_list_measurements(pool_id),
    )


def sort_results(*, results: Results) -> tuple[Measured, ...]:
    """Return figures in the order of METRICS."""
    return tuple(results[metric] for metric in METRICS if metric in results)


def _list_measurements(pool_id: str) -> tuple[MeasurementView, ...]:
    rows = Measurement.objects.filter(offer__pool_id=pool_id, offer__withdrawn_at=None).select_related("offer", "order")
    return tuple(_view(row) for row in rows.prefetch_related("figures").order_by("-id")[:HISTORY_MAX])


def _view(row: Measurement) -> MeasurementView:
    refusal = row.refusal or {}
    results = {figure.metric: view_figure(figure=figure, run_id=row.order.run_id) for figure in row.figures.all()}
    return MeasurementView(
        id=row.id,
        offer_id=row.offer_id,
        offer_name=row.offer.name,
        order_id=row.order_id,
        run_id=row.order.run_id,
        ordered_at=row.ordered_at,
        checked_at=row.checked_at,
        refusal=load_sentence(refusal.get("text", ""), refusal.get("said")),
        figures=sort_results(results=results),
        not_measured=row.findings.get("not_measured", {}),
        machine=row.findings.get("machine", {}),
    )


def view_figure(*, figure: Figure, run_id: str) -> Measured:
    """Return a row as others see it."""
    return Measured(
        metric=figure.metric,
        micro=figure.micro,
        lowest=figure.lowest,
        highest=figure.highest,
        count=figure.count,
        drifted=figure.drifted,
        measured_at=figure.measured_at,
        run_id=run_id,
    )
