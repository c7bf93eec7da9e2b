"""Order measurements of offers, decide what their reports are worth, and let the hub draw offers anew by chance.

A measurement is an ordinary order on one offer: whoever asks for it buys it, the provider is paid by its posted price.
"""

import secrets
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from importlib.resources import files
from random import Random

import structlog
from django.conf import settings
from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import LilongError, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import Sentence, dump_sentence, join_sentences, say
from lilong.common.time import format_moment
from lilong.foundation.members.public.people import list_people
from lilong.foundation.notices.public import post_notice
from lilong.foundation.objects.public import open_object, store_contents
from lilong.foundation.record.public import append
from lilong.foundation.runs.public import RunState, RunView, get_pools, get_runs
from lilong.platforms.supermarket.core.measuring.figures import EARLIER_MAX, Spread, has_drifted
from lilong.platforms.supermarket.core.measuring.method import (
    METRICS,
    REPORT_FILE,
    Plan,
    build_spec,
    count_nodes,
    make_plan,
)
from lilong.platforms.supermarket.core.measuring.report import Findings, ReportRefused, check_report
from lilong.platforms.supermarket.models import Figure, Measurement, Offer
from lilong.platforms.supermarket.queries.measuring import list_unmeasured
from lilong.platforms.supermarket.services.claims import claim_figure
from lilong.platforms.supermarket.services.orders import place_order
from lilong.platforms.supermarket.services.quotes import quote
from lilong.platforms.supermarket.services.shelf import SELLERS, turn_edition

MEASURERS = SELLERS | {Role.OPERATOR}
NONCE_BYTES = 32
DRAW_EVERY_S = 600.0
REST_PART = 4
"""An offer is not drawn again before this part of the time between two draws is over."""
_PLANNED = ("accelerated", "size", "buffer_mib", "disk_mib", "repetitions", "threads", "nodes", "exchange_mib")

log = structlog.get_logger()


def load_program() -> bytes:
    """Return the program that measures."""
    return (files("lilong.platforms.supermarket") / "job" / "measure.py").read_bytes()


def find_measurable(*, actor: Actor, offer_id: str) -> Offer:
    """Return an offer that the actor may have measured: any for operators, else one of the own provider's."""
    require(may(actor, roles=MEASURERS, scope=Scope.RUN))
    offers = Offer.objects.on_shelf()
    if actor.role is not Role.OPERATOR:
        offers = offers.filter(provider__organisation_id=actor.organisation_id)
    offer = offers.filter(id=offer_id).first()
    if offer is None:
        raise NotFound(detail=say("There is no offer {offer_id} that you may have measured.", offer_id=offer_id[:64]))
    return offer


def order_measurement(*, actor: Actor, offer_id: str, request_name: str | None, now: datetime) -> str:
    """Buy a measurement of one unit of an offer, on two nodes where a job reaches both; return the order's id.

    For operators, and for owners and admins of the provider. Call it outside of a transaction: it resolves packages.
    request_name: what repetitions of the same request have in common; they get the same order.
    Raises what refuses a quote or an order, as NoOffer or FundsShort.
    """
    offer = find_measurable(actor=actor, offer_id=offer_id)
    known = Measurement.objects.filter(order__request_name=request_name).first() if request_name else None
    if known is not None:
        return known.order_id
    inventory = get_pools(pool_ids=[offer.pool_id], now=now)[offer.pool_id].inventory
    plan = make_plan(
        nonce=secrets.token_hex(NONCE_BYTES),
        accelerator=offer.accelerator,
        shape=offer.shape,
        nodes=count_nodes(inventory=inventory, accelerator=offer.accelerator, shape=offer.shape),
    )
    program = load_program()
    store_contents(organisation_id=actor.organisation_id, contents=[program], now=now)
    spec = build_spec(
        plan=plan,
        accelerator=offer.accelerator,
        shape=offer.shape,
        program_sha256=sha256_hex(program),
        profiles=[profile.name for profile in inventory.profiles] if inventory else (),
        requirements=settings.LILONG.measuring_requirements,
    )
    quoted = quote(actor=actor, spec=spec, max_cost_uc=None, request_name=request_name, offer_id=offer.id, now=now)
    with transaction.atomic():
        order_id = place_order(actor=actor, quote_id=quoted.id, now=now)
        Measurement.objects.create(
            id=new_id("mea"),
            offer=offer,
            order_id=order_id,
            nonce=plan.nonce,
            parameters=plan.parameters | {"program": sha256_hex(program)},
            ordered_at=now,
        )
    return order_id


def check_measurements(*, now: datetime) -> int:
    """Decide on the measurements whose runs have finished, and return of how many. One's trouble holds up no other."""
    decided = 0
    for row in list_unmeasured():
        run = get_runs(run_ids=[row.order.run_id], now=now).get(row.order.run_id)
        if run is None or not run.finished:
            continue
        try:
            _decide(row, run, now=now)
            decided += 1
        except LilongError as error:  # storage that is away: looked at again
            log.warning("measurement_waits", measurement=row.id, code=error.code)
    return decided


def draw_measurements(*, now: datetime, chance: Random | None = None) -> int:
    """Let chance choose offers that the hub measures again, at its own cost, and return how many it ordered.

    Every offer is as likely at any moment once it has rested, so that nobody can prepare: on average it is measured
    every `measuring_days`. Nothing happens while that is 0. A purse that is empty is told to operators.
    """
    days = settings.LILONG.measuring_days
    if not days:
        return 0
    dice = chance or secrets.SystemRandom()
    rested = now - timedelta(days=days) / REST_PART
    recent = Measurement.objects.filter(ordered_at__gt=rested).values("offer")
    due = Offer.objects.on_shelf().exclude(id__in=recent).order_by("id").values_list("id", "name")
    share = DRAW_EVERY_S / timedelta(days=days).total_seconds()
    drawn = [(offer_id, name) for offer_id, name in due if dice.random() < share]
    return sum(_measure_for_hub(offer_id, name, now=now) for offer_id, name in drawn)


def _measure_for_hub(offer_id: str, name: str, *, now: datetime) -> bool:
    hub = next((each.organisation_id for each in list_people(organisation_id="", roles={Role.OPERATOR})), "")
    actor = Actor(organisation_id=hub, role=Role.OPERATOR, scopes=frozenset({Scope.RUN}))
    try:
        order_measurement(actor=actor, offer_id=offer_id, request_name=None, now=now)
    except LilongError as refusal:
        log.warning("measurement_not_ordered", offer=offer_id, code=refusal.code)
        why = join_sentences(Sentence(refusal.title), refusal.detail)
        _tell("measurement_not_ordered", offer_id, now.date().isoformat(), "", name=name, detail=why, now=now)
        return False
    return True


def _decide(row: Measurement, run: RunView, *, now: datetime) -> None:
    """Read and check the report outside of a transaction, since that may take a second; then write what it gives."""
    plan = Plan(nonce=row.nonce, **{name: row.parameters[name] for name in _PLANNED if name in row.parameters})
    try:
        findings = check_report(content=_read_report(row, run), plan=plan, chance=secrets.SystemRandom())
    except ReportRefused as refusal:
        _refuse(row, refusal.why, now=now)
        return
    with transaction.atomic():
        locked = Measurement.objects.select_for_update(of=("self",)).select_related("offer__provider").get(id=row.id)
        if locked.checked_at is None:
            _publish(locked, run, findings, now=now)


def _read_report(row: Measurement, run: RunView) -> bytes:
    last = run.attempts[-1]
    if run.state is not RunState.SUCCEEDED:
        raise ReportRefused(say("Its run ended as {state}.", state=run.state.value))
    if last.allocation_problem:
        raise ReportRefused(say("Its run got other accelerators than are sold."))
    made = [each for each in run.artefacts if (each.path, each.attempt_number) == (REPORT_FILE, last.number)]
    if not made:
        raise ReportRefused(say("Its run left no report."))
    reader = open_object(organisation_id=row.order.organisation_id, sha256=made[0].sha256)
    return b"".join(reader.chunks)


def _refuse(row: Measurement, why: str, *, now: datetime) -> None:
    with transaction.atomic():
        locked = Measurement.objects.select_for_update(of=("self",)).select_related("offer__provider").get(id=row.id)
        if locked.checked_at is not None:
            return
        locked.checked_at, locked.refusal = now, {"text": why, "said": dump_sentence(why)}
        locked.save(update_fields=["checked_at", "refusal"])
        offer = locked.offer
        for told in (offer.provider.organisation_id, ""):
            _tell("measurement_refused", offer.id, row.id, told, name=offer.name, detail=why, now=now)


def _publish(row: Measurement, run: RunView, findings: Findings, *, now: datetime) -> None:
    """Store the figures as the newest of the offer, in the record, too, and bring them to the shelf."""
    measured_at = run.finished_at or now
    row.checked_at = now
    row.findings = {"not_measured": dict(findings.not_measured), "machine": dict(findings.machine)}
    row.save(update_fields=["checked_at", "findings"])
    Figure.objects.filter(offer=row.offer, metric__in=list(findings.spreads), is_newest=True).update(is_newest=False)
    figures = [
        _make_figure(row, metric, spread, measured_at=measured_at) for metric, spread in findings.spreads.items()
    ]
    Figure.objects.bulk_create(figures)
    Offer.objects.filter(id=row.offer_id).update(edition=turn_edition())
    append(
        kind="supermarket.measurement",
        subject_id=row.offer_id,
        payload={
            "figures": {metric: asdict(spread) for metric, spread in findings.spreads.items()},
            "measured_at": format_moment(measured_at),
            "nonce": row.nonce,
            "offer_id": row.offer_id,
            "parameters": row.parameters,
            "run_id": run.id,
        },
        organisation_id=row.offer.provider.organisation_id,
        now=now,
    )
    for figure in figures:
        claim_figure(figure=figure, run_id=run.id, now=now)
    _tell_drift(row, [figure for figure in figures if figure.drifted], now=now)


def _make_figure(row: Measurement, metric: str, spread: Spread, *, measured_at: datetime) -> Figure:
    alike = Figure.objects.filter(offer=row.offer, metric=metric, measurement__parameters=row.parameters)
    earlier = list(alike.order_by("-measured_at", "-id").values_list("micro", flat=True)[:EARLIER_MAX])
    return Figure(
        id=new_id("fig"),
        measurement=row,
        offer=row.offer,
        metric=metric,
        drifted=has_drifted(metric=METRICS[metric], micro=spread.micro, earlier=earlier),
        measured_at=measured_at,
        is_newest=True,
        **asdict(spread),
    )


def _tell_drift(row: Measurement, drifted: Iterable[Figure], *, now: datetime) -> None:
    names = ", ".join(figure.metric for figure in drifted)
    if names:
        for told in (row.offer.provider.organisation_id, ""):
            _tell("measurement_drifted", row.offer_id, row.id, told, name=row.offer.name, detail=names, now=now)


def _tell(
    kind: str, offer_id: str, occasion: str, organisation_id: str, *, name: str, detail: str, now: datetime
) -> None:
    """Let the provider know, or the hub's operators where organisation_id is empty."""
    post_notice(
        kind=f"supermarket.{kind}",
        subject_id=offer_id,
        occasion=occasion,
        organisation_id=organisation_id,
        params={"name": name, "detail": detail[:500]},
        now=now,
    )
