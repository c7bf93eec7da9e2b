"""Fill the shelf: providers, service levels, offers and their price rows."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from lilong.common.errors import Conflict, FieldProblem, InputInvalid, NotFound
from lilong.common.ids import new_id
from lilong.common.money import PPM
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.ledger.public import AccountKind, open_account
from lilong.foundation.members.public import OrganisationState, get_organisations
from lilong.foundation.record.public import append
from lilong.foundation.runs.public import get_pools
from lilong.platforms.supermarket.core.policy import PRICE_MAX_UC
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.models import Offer, PriceRow, Provider, ServiceLevel, ShelfEdition
from lilong.protocol.accelerators import resolve

SELLERS = frozenset({Role.OWNER, Role.ADMIN})


class ShelfInputInvalid(InputInvalid):
    """A figure of a provider, service level, offer or price is out of range or points nowhere."""

    code = "shelf.invalid"
    title = "This cannot be put on the shelf"
    next_step = "Correct the fields named here."


class ProviderExists(Conflict):
    """The organisation is a provider already."""

    code = "shelf.provider_exists"
    title = "This organisation is a provider already"
    next_step = "Add offers to the provider that it is."


class OfferWithdrawn(Conflict):
    """The offer is withdrawn; that is for good."""

    code = "shelf.offer_withdrawn"
    title = "This offer is withdrawn"
    next_step = "Create a new offer of the same pool."


def register_provider(*, actor: Actor, organisation_id: str, fee_ppm: int, now: datetime) -> str:
    """Make an admitted organisation a provider, with the hub's fee on what it earns; return the provider's id."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    problems = _check_range("fee_ppm", fee_ppm, least=0, most=PPM)
    organisation = get_organisations(organisation_ids=[organisation_id]).get(organisation_id)
    if organisation is None or organisation.state is not OrganisationState.ADMITTED:
        problems.append(_problem("organisation_id", say("It must be an organisation that is admitted.")))
    _raise(problems)
    with transaction.atomic():
        if Provider.objects.select_for_update().filter(organisation_id=organisation_id).exists():
            raise ProviderExists(detail=organisation_id)
        accounts = {
            kind: open_account(kind=kind, owner_id=organisation_id, purpose="", now=now)
            for kind in (AccountKind.PROVIDER_ACCRUING, AccountKind.PROVIDER_AVAILABLE)
        }
        provider = Provider.objects.create(
            id=new_id("prv"),
            organisation_id=organisation_id,
            fee_ppm=fee_ppm,
            accruing_account_id=accounts[AccountKind.PROVIDER_ACCRUING],
            available_account_id=accounts[AccountKind.PROVIDER_AVAILABLE],
            created_at=now,
        )
    return provider.id


def add_service_level(*, actor: Actor, provider_id: str, name: str, credit_ppm: int, now: datetime) -> str:
    """Add a service level that offers may name: the part of lost time's value that is credited; return its id."""
    provider = _get_own_provider(actor, provider_id)
    _raise(_check_range("credit_ppm", credit_ppm, least=0, most=PPM))
    with transaction.atomic():
        level = ServiceLevel.objects.create(
            id=new_id("slv"), provider=provider, name=name, credit_ppm=credit_ppm, created_at=now
        )
    return level.id


def create_offer(
    *,
    actor: Actor,
    provider_id: str,
    pool_id: str,
    name: str,
    accelerator: str | None,
    shape: Shape,
    service_level_id: str | None,
    now: datetime,
) -> str:
    """Put an offer of one of the provider's pools on the shelf, still without a price; return its id.

    accelerator: its name or an alias; None for cores alone. Raises the protocol's refusal of an unknown one.
    """
    provider = _get_own_provider(actor, provider_id)
    known = resolve(accelerator).id if accelerator else ""
    problems = _check_shape(shape, accelerator=known)
    pool = get_pools(pool_ids=[pool_id], now=now).get(pool_id)
    if pool is None or pool.organisation_id != provider.organisation_id:
        problems.append(_problem("pool_id", say("It must be a pool of this provider.")))
    if service_level_id and not provider.service_levels.filter(id=service_level_id).exists():
        problems.append(_problem("service_level_id", say("It must be a service level of this provider.")))
    _raise(problems)
    with transaction.atomic():
        edition = turn_edition()
        offer = Offer.objects.create(
            id=new_id("off"),
            provider=provider,
            pool_id=pool_id,
            name=name,
            unit=shape.unit,
            accelerator=known,
            cores_per_unit=shape.cores,
            memory_mib_per_unit=shape.memory_mib,
            service_level_id=service_level_id,
            created_at=now,
            edition=edition,
        )
    return offer.id


def withdraw_offer(*, actor: Actor, offer_id: str, now: datetime) -> None:
    """Take an offer off the shelf for good; quotes that name it are honoured. Idempotent."""
    with transaction.atomic():
        offer = _lock_own_offer(actor, offer_id)
        if offer.withdrawn_at is None:
            offer.withdrawn_at = now
            offer.edition = turn_edition()
            offer.save(update_fields=["withdrawn_at", "edition"])


def add_price(
    *,
    actor: Actor,
    offer_id: str,
    price_uc: int,
    valid_from: datetime,
    valid_until: datetime | None,
    source: str,
    now: datetime,
) -> str:
    """Add a price row for 1 000 unit-seconds from now on or later; return its id.

    A row with an end is a sale: it goes before others while it lasts and reverts by itself. Rows never change.
    """
    problems = _check_range("price_uc", price_uc, least=1, most=PRICE_MAX_UC)
    if valid_from < now:
        problems.append(_problem("valid_from", say("It must not lie before {now}.", now=format_moment(now))))
    if valid_until is not None and valid_until <= valid_from:
        problems.append(_problem("valid_until", say("It must lie after valid_from.")))
    if not source.strip():
        problems.append(_problem("source", say("Say where the price comes from: a contract, a tender, a price list.")))
    with transaction.atomic():
        offer = _lock_own_offer(actor, offer_id)
        if offer.withdrawn_at is not None:
            raise OfferWithdrawn(detail=offer_id)
        _raise(problems)
        row = PriceRow.objects.create(
            id=new_id("prc"),
            offer=offer,
            price_uc=price_uc,
            valid_from=valid_from,
            valid_until=valid_until,
            source=source,
            added_by=actor.person_id,
            added_at=now,
        )
        offer.edition = turn_edition()
        offer.save(update_fields=["edition"])
        append(
            kind="supermarket.price_row",
            subject_id=offer.id,
            payload={
                "offer_id": offer.id,
                "price_row_id": row.id,
                "price_uc": price_uc,
                "source": source,
                "unit": offer.unit,
                "valid_from": format_moment(valid_from),
                "valid_until": format_moment(valid_until) if valid_until else None,
            },
            organisation_id=offer.provider.organisation_id,
            now=now,
        )
    return row.id


def turn_edition() -> int:
    """Return the number of the change that this transaction makes, and let no other commit before it."""
    edition = lock_edition()
    edition.number += 1
    edition.save(update_fields=["number"])
    return edition.number


def turn_reckoning() -> None:
    """Let every shelf in memory read anew what is known of providers, once this transaction is committed."""
    edition = lock_edition()
    edition.reckoned += 1
    edition.save(update_fields=["reckoned"])


def lock_edition() -> ShelfEdition:
    """Return the one row of the shelf's changes, which nobody else changes before this transaction is over."""
    ShelfEdition.objects.get_or_create(place=1, defaults={"id": new_id("edn")})
    return ShelfEdition.objects.select_for_update().get()


def _list_own_providers(actor: Actor) -> QuerySet[Provider]:
    """Return for whom the actor may sell: the hub for all, owners and admins for their own organisation."""
    if actor.is_operator:
        return Provider.objects.all()
    require(may(actor, roles=SELLERS, scope=Scope.MANAGE))
    return Provider.objects.filter(organisation_id=actor.organisation_id)


def _get_own_provider(actor: Actor, provider_id: str) -> Provider:
    provider = _list_own_providers(actor).filter(id=provider_id).first()
    if provider is None:
        raise NotFound(
            detail=say("There is no provider {provider_id} that you may sell for.", provider_id=provider_id[:64])
        )
    return provider


def _lock_own_offer(actor: Actor, offer_id: str) -> Offer:
    offers = Offer.objects.select_for_update(of=("self",)).select_related("provider")
    offer = offers.filter(id=offer_id, provider__in=_list_own_providers(actor)).first()
    if offer is None:
        raise NotFound(
            detail=say("There is no offer {offer_id} of a provider that you may sell for.", offer_id=offer_id[:64])
        )
    return offer


def _check_shape(shape: Shape, *, accelerator: str) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    if shape.unit is Unit.CORE and (accelerator or shape.cores != 1):
        problems.append(_problem("unit", say("An offer by the core has one core per unit and no accelerator.")))
    if shape.unit is Unit.ACCELERATOR and not accelerator:
        problems.append(_problem("accelerator", say("An offer by the accelerator names which.")))
    problems += _check_range("cores_per_unit", shape.cores, least=1, most=1024)
    problems += _check_range("memory_mib_per_unit", shape.memory_mib, least=1, most=2**31 - 1)
    return problems


def _check_range(path: str, value: int, *, least: int, most: int) -> list[FieldProblem]:
    return (
        []
        if least <= value <= most
        else [_problem(path, say("It must be from {least} to {most}.", least=least, most=most))]
    )


def _problem(path: str, message: str) -> FieldProblem:
    return FieldProblem(path=path, code="shelf.invalid", message=message)


def _raise(problems: list[FieldProblem]) -> None:
    if problems:
        raise ShelfInputInvalid(fields=problems)
