"""Gather what `check_order` decides on, from the books and tables as they stand now."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from lilong.common.errors import FieldProblem, InputInvalid, LilongError
from lilong.common.sentences import say
from lilong.common.time import format_duration
from lilong.foundation.ledger.public import get_balances
from lilong.foundation.members.public import (
    OrganisationState,
    find_missing_secrets,
    find_order_refusal,
    get_organisations,
)
from lilong.foundation.objects.public import find_many
from lilong.foundation.runs.public import find_missing_volumes
from lilong.platforms.supermarket.core.budgets import BudgetRoom
from lilong.platforms.supermarket.core.checks import OrderFacts, Source, check_order
from lilong.platforms.supermarket.core.postings import Hold
from lilong.platforms.supermarket.core.pricing import price_time
from lilong.platforms.supermarket.core.promise import Promise
from lilong.platforms.supermarket.core.routes import RouteVerdict
from lilong.platforms.supermarket.models import Order, PriceRow
from lilong.platforms.supermarket.queries.splits import split_hold
from lilong.platforms.supermarket.services.books import name_parts
from lilong.protocol.spec import RunSpec


class BelongingsMissing(InputInvalid):
    """The job names files, volumes or secrets that the organisation does not have here."""

    code = "quote.belongings_missing"
    title = "This job needs something that is not here yet"
    next_step = "Upload the files, create the volumes and set the secrets named here, then ask again."


def check_promise(
    *,
    order: Order,
    spec: RunSpec,
    promise: Promise,
    rooms: Sequence[BudgetRoom],
    route: RouteVerdict | None,
    reserves: Sequence[Hold],
    now: datetime,
) -> tuple[LilongError, ...]:
    """Return every reason against the order. reserves: what the quote itself holds, and so is there for the order.

    rooms: budgets that it counts against. route: what the rule of sizes says of it.

    Six queries.
    """
    organisation = get_organisations(organisation_ids=[order.organisation_id])[order.organisation_id]
    others = Order.objects.live_quotes().filter(organisation_id=order.organisation_id, person_id=order.person_id)
    rows = PriceRow.objects.in_bulk([offer.price_row_id for offer in promise.offers])
    facts = OrderFacts(
        admitted=organisation.state is OrganisationState.ADMITTED,
        standing_refusal=find_order_refusal(organisation=organisation, now=now),
        other_live_quotes=others.exclude(id=order.id).count(),
        expires_at=promise.expires_at,
        terms=promise.offers,
        prices_now={row.id: row.price_uc for row in rows.values()},
        quoted_spec_sha256=promise.spec_sha256,
        spec_sha256=spec.digest,
        walltime_ms=spec.walltime_s * 1000,
        authorised_ms=promise.max_ms,
        max_uc=promise.max_uc,
        max_cost_uc=order.max_cost_uc,
        budgets=rooms,
        route=route,
        sources=_list_sources(spec, promise, reserves=reserves),
    )
    return check_order(facts=facts, now=now)


def require_belongings(*, organisation_id: str, spec: RunSpec) -> None:
    """Raise BelongingsMissing, field by field, for files, volumes and secrets that the organisation has not here."""
    objects = {item.object_sha256: f"inputs.{number}" for number, item in enumerate(spec.inputs) if item.object_sha256}
    if spec.workdir_sha256:
        objects[spec.workdir_sha256] = "workdir_sha256"
    held = find_many(organisation_id=organisation_id, sha256s=list(objects))
    message = say("Your organisation has no object with this digest here. Upload it first.")
    problems = [
        FieldProblem(path=path, code="quote.object_missing", message=message)
        for sha256, path in objects.items()
        if sha256 not in held
    ]
    mounted = {item.volume_id: f"inputs.{number}" for number, item in enumerate(spec.inputs) if item.volume_id}
    problems += [
        FieldProblem(
            path=mounted[volume_id],
            code="quote.volume_missing",
            message=say("Your organisation has no volume {volume_id}. Create it first.", volume_id=volume_id),
        )
        for volume_id in find_missing_volumes(organisation_id=organisation_id, volume_ids=list(mounted))
    ]
    problems += [
        FieldProblem(
            path="secrets",
            code="quote.secret_missing",
            message=say("There is no secret {name}. Set it first.", name=name),
        )
        for name in find_missing_secrets(organisation_id=organisation_id, names=spec.secrets)
    ]
    if problems:
        raise BelongingsMissing(fields=problems)


def _list_sources(spec: RunSpec, promise: Promise, *, reserves: Sequence[Hold]) -> list[Source]:
    needed = name_parts(promise=promise, split=split_hold(promise=promise))
    reserved = {reserve.account_id: reserve.held_uc for reserve in reserves}
    balances = get_balances(account_ids=list(needed))
    sources = [
        Source(
            name=say("voucher {voucher_id}", voucher_id=voucher.voucher_id),
            needed_uc=needed[voucher.account_id],
            available_uc=balances[voucher.account_id].available_uc + reserved.get(voucher.account_id, 0),
        )
        for voucher in promise.vouchers
    ]
    available_uc = balances[promise.wallet_account].available_uc
    wallet = Source(
        name=say("wallet"),
        needed_uc=needed[promise.wallet_account],
        available_uc=available_uc,
        remedy=_advise_walltime(spec, promise, available_uc=available_uc),
    )
    return [*sources, wallet]


def _advise_walltime(spec: RunSpec, promise: Promise, *, available_uc: int) -> str:
    """Say for which walltime the wallet would do, since its part never shrinks as time grows."""

    def wallet_part_uc(walltime_s: int) -> int:
        dearest_uc = max(
            price_time(price_uc=offer.price_uc, units=offer.units, duration_ms=walltime_s * 1000)
            for offer in promise.offers
        )
        return split_hold(promise=promise, max_uc=dearest_uc).wallet_uc

    covered_s = bisect_right(range(1, spec.walltime_s + 1), available_uc, key=wallet_part_uc)
    return say("It would do for walltime_s: {walltime}.", walltime=format_duration(covered_s)) if covered_s else ""
