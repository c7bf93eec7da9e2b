"""Which offers on the shelf can run a job, at which terms, and why the others cannot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.sentences import Sentence, join_sentences, say
from lilong.foundation.runs.public import PoolView, get_pools
from lilong.platforms.funding.public.orders import OfferOrigin
from lilong.platforms.supermarket.core.pricing import Terms, count_units
from lilong.platforms.supermarket.core.starts import Starts, estimate_start
from lilong.platforms.supermarket.models import Offer, PriceRow
from lilong.protocol.accelerators import list_accelerators
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_rules import find_spec_problems

_COUNTRIES = MappingProxyType({accelerator.id: accelerator.country for accelerator in list_accelerators()})


class NoOffer(InputInvalid):
    """No offer on the shelf can run this job; `fields` says why for each."""

    code = "quote.no_offer"
    title = "No offer can run this job"
    next_step = "Change the fields named here, or look at what there is with `lilong shop`."


@dataclass(frozen=True, slots=True)
class Candidates:
    """Terms of the offers that can run a job, when by pool id, and one problem for each offer that cannot.

    delays: one note for each offer that can, but only after its pool's maintenance.
    """

    terms: tuple[Terms, ...]
    starts: Mapping[str, Starts]
    left_out: tuple[FieldProblem, ...]
    delays: tuple[FieldProblem, ...] = ()


def find_candidates(*, spec: RunSpec, offer_id: str | None = None, now: datetime) -> Candidates:
    """Return the offers that can run the job; raises NoOffer, saying why, when none can. Two queries and the pools'.

    offer_id: of the one that shall run it; None: any may.
    """
    wanted = spec.resources.accelerator or ""
    offers = Offer.objects.on_shelf().filter(accelerator=wanted)
    if offer_id is not None:
        offers = offers.filter(id=offer_id)
    rows = list(offers.select_related("provider", "service_level").order_by("id"))
    if not rows:
        without = say("There is no offer without accelerators on the shelf.")
        message = say("There is no offer with {accelerator} on the shelf.", accelerator=wanted) if wanted else without
        problem = FieldProblem(path="resources.accelerator", code="quote.nothing_on_shelf", message=message)
        raise NoOffer(fields=[problem])
    in_force = PriceRow.objects.in_force(now=now).filter(offer__in=[row.id for row in rows])
    prices = {price.offer_id: price for price in in_force}
    pool_ids = sorted({row.pool_id for row in rows})
    pools = get_pools(pool_ids=pool_ids, now=now)
    problems = {pool_id: pool.find_problems(spec=spec) for pool_id, pool in pools.items()}
    terms: list[Terms] = []
    left_out: dict[FieldProblem, None] = {}
    for row in rows:
        if problems[row.pool_id]:
            left_out.update(dict.fromkeys(problems[row.pool_id]))
        elif pools[row.pool_id].draining:
            message = say("The pool {name} takes no new work.", name=pools[row.pool_id].name)
            left_out[FieldProblem(path=f"offers.{row.id}", code="offer.pool_draining", message=message)] = None
        elif row.id not in prices:
            message = say("The offer {name} has no price now.", name=row.name)
            left_out[FieldProblem(path=f"offers.{row.id}", code="offer.no_price", message=message)] = None
        else:
            terms.append(_build_terms(row, prices[row.id], spec))
    if not terms:
        raise NoOffer(fields=list(left_out))
    waits = {pool.id: pool.explain_delay(walltime_s=spec.walltime_s, now=now) for pool in pools.values()}
    return Candidates(
        terms=tuple(terms),
        starts={pool.id: estimate_pool_start(pool=pool, spec=spec, delay=waits[pool.id]) for pool in pools.values()},
        left_out=tuple(left_out),
        delays=tuple(_note_delays(terms, waits)),
    )


def trace_origins(*, offers: Sequence[Terms]) -> list[OfferOrigin]:
    """Return where these offers come from: what decides which vouchers pay on them. One query."""
    rows = Offer.objects.select_related("provider").in_bulk([offer.offer_id for offer in offers])
    return [
        build_origin(offer_id=row.id, accelerator=row.accelerator, seller_id=row.provider.organisation_id)
        for row in rows.values()
    ]


def build_origin(*, offer_id: str, accelerator: str, seller_id: str) -> OfferOrigin:
    """Return where an offer comes from. accelerator: its registry id, empty for none; seller_id: the organisation."""
    return OfferOrigin(
        offer_id=offer_id,
        accelerator_country=_COUNTRIES.get(accelerator, ""),
        provider_organisation_id=seller_id,
    )


def estimate_pool_start(*, pool: PoolView, spec: RunSpec, delay: Sentence | None) -> Starts:
    """Return when a job would start on a pool. delay: why it begins after the pool's maintenance, if it does."""
    if delay:
        return Starts.AFTER_MAINTENANCE
    return Starts.UNKNOWN if pool.away else estimate_start(spec=spec, inventory=pool.inventory)


def _note_delays(offers: Sequence[Terms], waits: Mapping[str, Sentence | None]) -> Iterator[FieldProblem]:
    """Yield what each pool's maintenance delays. waits: why, by pool id."""
    others = "" if all(waits[offer.pool_id] for offer in offers) else say("Other offers of the quote come first.")
    for offer in offers:
        why = waits[offer.pool_id]
        if why:
            message = join_sentences(say("{why:begin}.", why=why), others)
            yield FieldProblem(path=f"offers.{offer.offer_id}", code="offer.pool_maintenance", message=message)


@dataclass(frozen=True, slots=True)
class ShelfCheck:
    """Problems that no offer could honour, terms of the offers that can run the job, and why the others cannot."""

    problems: tuple[FieldProblem, ...]
    offers: tuple[Terms, ...]
    left_out: tuple[FieldProblem, ...]


def check_on_shelf(*, spec: RunSpec, now: datetime) -> ShelfCheck:
    """Check a job without quoting it."""
    problems = find_spec_problems(spec)
    if problems:
        return ShelfCheck(problems=tuple(problems), offers=(), left_out=())
    try:
        candidates = find_candidates(spec=spec, now=now)
    except NoOffer as refusal:
        return ShelfCheck(problems=(), offers=(), left_out=refusal.fields)
    return ShelfCheck(problems=(), offers=candidates.terms, left_out=candidates.left_out)


def _build_terms(offer: Offer, price: PriceRow, spec: RunSpec) -> Terms:
    wanted = spec.resources
    units = count_units(
        shape=offer.shape,
        accelerators=wanted.accelerators,
        cores=wanted.cores,
        memory_mib=wanted.memory_mib,
        nodes=spec.nodes,
    )
    return Terms(
        offer_id=offer.id,
        pool_id=offer.pool_id,
        provider_id=offer.provider_id,
        price_row_id=price.id,
        price_uc=price.price_uc,
        unit=offer.shape.unit,
        units=units,
        fee_ppm=offer.provider.fee_ppm,
        credit_ppm=offer.service_level.credit_ppm if offer.service_level else 0,
    )
