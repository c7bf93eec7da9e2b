"""Founding, admitting and suspending organisations, and giving the hub its first operator."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from lilong.common.errors import Conflict, LimitReached, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import HEAD_ROLES, OrganisationKind, OrganisationState, list_scopes
from lilong.foundation.members.core.standings import STANDING_OF_KIND
from lilong.foundation.members.core.tokens import LIFE_DEFAULT_S, OPERATORS_FIRST, TokenUse
from lilong.foundation.members.events import OrganisationAdmitted, OrganisationApplied
from lilong.foundation.members.models import Membership, Organisation, Person
from lilong.foundation.members.services.standings import StandingGrant, begin_standing
from lilong.foundation.members.services.tokens import NewToken, insert_token
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import append

SIGN_UPS_AN_HOUR = 60


class EmailTaken(Conflict):
    """Somebody with this address is here already."""

    code = "members.email_taken"
    title = "This address belongs to somebody who is here already"
    next_step = "Ask the owner of your organisation to add you, or sign up with another address."


class SignUpsFull(LimitReached):
    """Too many organisations signed up in the last hour."""

    code = "members.sign_ups_full"
    title = "Too many organisations signed up in the last hour"
    next_step = "Try again after the time in resets_at."


class MakerAlready(Conflict):
    """The person is a maker already."""

    code = "members.maker_already"
    title = "You are a maker already"
    next_step = "Use the organisation that you have, or found one of another kind."


class OrganisationAlready(Conflict):
    """The person owns such an organisation already: most likely the form was sent twice."""

    code = "members.organisation_already"
    title = "You have an organisation of this kind and name already"
    next_step = "Use the one that you have, or give this one another name."


class KindRefused(Conflict):
    """Nobody founds a second hub."""

    code = "members.kind_refused"
    title = "An organisation of this kind cannot be founded"
    next_step = "Choose another kind."


class OverrideRefused(Conflict):
    """The organisation is not in the state that this would change."""

    code = "members.override_refused"
    title = "The organisation's state does not allow this"
    next_step = "Only an admitted organisation can be suspended, only a suspended one reinstated."


@dataclass(frozen=True, slots=True)
class NewOrganisation:
    """A fresh organisation, its owner, and the owner's token for whoever acts over the API."""

    organisation_id: str
    person_id: str
    membership_id: str
    token: NewToken


def sign_up(*, name: str, kind: OrganisationKind, owner_email: str, owner_name: str, now: datetime) -> NewOrganisation:
    """Let anybody found an organisation that applies for admission; raises EmailTaken and SignUpsFull."""
    with transaction.atomic():
        _require_sign_up_room(now)
        return create_organisation(
            name=name,
            kind=kind,
            owner_email=owner_email,
            owner_name=owner_name,
            state=OrganisationState.APPLIED,
            now=now,
        )


def found_organisation(*, person_id: str, name: str, kind: OrganisationKind, now: datetime) -> Membership:
    """Let a person of the hub found another organisation, which applies for admission; return the owner's membership.

    An empty name means the person's own, as for a maker. Raises SignUpsFull, KindRefused, MakerAlready,
    OrganisationAlready, NotFound.
    """
    if kind is OrganisationKind.HUB:
        raise KindRefused
    with transaction.atomic():
        _require_sign_up_room(now)
        person = Person.objects.select_for_update().filter(id=person_id, erased_at=None).first()
        if person is None:
            raise NotFound(detail=say("There is no person {person_id}.", person_id=person_id[:64]))
        own = Membership.objects.filter(person=person, left_at=None, organisation__kind=kind)
        if kind is OrganisationKind.MAKER and own.exists():
            raise MakerAlready
        if own.filter(organisation__name=name or person.name).exists():
            raise OrganisationAlready
        return _found(person, name=name or person.name, kind=kind, state=OrganisationState.APPLIED, now=now)


def found_organisation_with_token(
    *, person_id: str, name: str, kind: OrganisationKind, now: datetime
) -> NewOrganisation:
    """Do the same for a program, which acts for the organisation by the token that it gets."""
    with transaction.atomic():
        return _give_token(found_organisation(person_id=person_id, name=name, kind=kind, now=now), now=now)


def create_organisation(
    *,
    name: str,
    kind: OrganisationKind,
    owner_email: str,
    owner_name: str,
    state: OrganisationState,
    now: datetime,
) -> NewOrganisation:
    """Make an organisation with its first owner (in the hub's: operator) and that person's token; raises EmailTaken.

    One that is admitted at once has the standing of its kind from today on, without end.
    """
    with transaction.atomic():
        person = insert_person(email=owner_email, name=owner_name, now=now)
        return _give_token(_found(person, name=name, kind=kind, state=state, now=now), now=now)


def admit_organisation(*, organisation_id: str, grant: StandingGrant | None = None, now: datetime) -> None:
    """Let an applied organisation in, with a standing from today on; nothing happens to one admitted or suspended.

    grant: what the published rule grants; without it the standing of the organisation's kind, without end.
    """
    with transaction.atomic():
        row = _lock(organisation_id)
        if row.state != OrganisationState.APPLIED:
            return
        Organisation.objects.filter(id=row.id).update(state=OrganisationState.ADMITTED)
        begin_standing(organisation=row, grant=grant or _default_grant(row.kind), now=now)
        # A maker's name is a person's: it stays out of the record.
        payload = {"kind": row.kind} | ({} if row.kind == OrganisationKind.MAKER else {"name": row.name})
        append(
            kind="members.organisation_admitted", subject_id=row.id, payload=payload, organisation_id=row.id, now=now
        )
        emit(event=OrganisationAdmitted(organisation_id=row.id))


def suspend_organisation(*, actor: Actor, organisation_id: str, reason: str, now: datetime) -> None:
    """Keep an organisation from ordering; what runs goes on. Doing it again does nothing. For the operator."""
    _override(
        actor, organisation_id, old=OrganisationState.ADMITTED, new=OrganisationState.SUSPENDED, why=reason, now=now
    )


def reinstate_organisation(*, actor: Actor, organisation_id: str, reason: str, now: datetime) -> None:
    """Let a suspended organisation order again. Doing it again does nothing. For the operator."""
    _override(
        actor, organisation_id, old=OrganisationState.SUSPENDED, new=OrganisationState.ADMITTED, why=reason, now=now
    )


def bootstrap_operator(*, email: str, now: datetime) -> NewToken:
    """Return a one-time token for the operator with this address, making hub and operator when they are missing.

    For whoever has the hub's home folder in hand: `lilong init`.
    """
    address = email.strip().lower()
    with transaction.atomic():
        hub = Organisation.objects.select_for_update().filter(kind=OrganisationKind.HUB).first()
        if hub is None:
            hub = Organisation.objects.create(
                id=new_id("org"),
                name=settings.LILONG.hub_name,
                kind=OrganisationKind.HUB,
                state=OrganisationState.ADMITTED,
                created_at=now,
            )
        person = Person.objects.filter(email=address).first()
        if person is None:
            person = insert_person(email=address, name=address.split("@")[0], now=now)
        membership = Membership.objects.filter(person=person, organisation=hub, left_at=None).first()
        if membership is None:
            membership = Membership.objects.create(
                id=new_id("mem"), person=person, organisation=hub, role=Role.OPERATOR, joined_at=now
            )
        return insert_token(membership=membership, use=TokenUse.ONCE, name=OPERATORS_FIRST, scopes=(), now=now)


def insert_person(*, email: str, name: str, language: Language = Language.EN, now: datetime) -> Person:
    """Make a person who has no password yet; raises EmailTaken."""
    person = Person(id=new_id("per"), email=email.strip().lower(), name=name, language=language, created_at=now)
    person.set_unusable_password()
    try:
        with transaction.atomic():
            person.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken from error
    return person


def _found(person: Person, *, name: str, kind: OrganisationKind, state: OrganisationState, now: datetime) -> Membership:
    organisation = Organisation.objects.create(id=new_id("org"), name=name, kind=kind, state=state, created_at=now)
    membership = Membership.objects.create(
        id=new_id("mem"), person=person, organisation=organisation, role=HEAD_ROLES[kind], joined_at=now
    )
    if state is OrganisationState.APPLIED:
        emit(event=OrganisationApplied(organisation_id=organisation.id))
    elif kind is not OrganisationKind.HUB:
        begin_standing(organisation=organisation, grant=_default_grant(kind), now=now)
    return membership


def _give_token(membership: Membership, *, now: datetime) -> NewOrganisation:
    scopes = list_scopes(role=Role(membership.role))
    token = insert_token(
        membership=membership, use=TokenUse.ACCESS, name="first", scopes=scopes, life_s=LIFE_DEFAULT_S, now=now
    )
    return NewOrganisation(
        organisation_id=membership.organisation_id,
        person_id=membership.person_id,
        membership_id=membership.id,
        token=token,
    )


def _default_grant(kind: str) -> StandingGrant:
    return StandingGrant(kind=STANDING_OF_KIND[OrganisationKind(kind)], days=None, reason="")


def _require_sign_up_room(now: datetime) -> None:
    hour_ago = now - timedelta(hours=1)
    recent = Organisation.objects.filter(created_at__gt=hour_ago).exclude(kind=OrganisationKind.HUB)
    found = list(recent.order_by("created_at").values_list("created_at", flat=True)[:SIGN_UPS_AN_HOUR])
    if len(found) >= SIGN_UPS_AN_HOUR:
        resets_at = format_moment(found[0] + timedelta(hours=1))
        raise SignUpsFull(facts={"limit": SIGN_UPS_AN_HOUR, "used": len(found), "resets_at": resets_at})


def _override(
    actor: Actor, organisation_id: str, *, old: OrganisationState, new: OrganisationState, why: str, now: datetime
) -> None:
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        row = _lock(organisation_id)
        if row.kind == OrganisationKind.HUB:
            raise OverrideRefused(detail=say("The hub's own organisation is always admitted."))
        if row.state == new:
            return
        if row.state != old:
            raise OverrideRefused(detail=say("The organisation is {state}.", state=row.state))
        Organisation.objects.filter(id=row.id).update(state=new)
        payload = {"old": old, "new": new, "reason": why, "by": actor.person_id}
        append(kind="hub.override", subject_id=row.id, payload=payload, organisation_id=row.id, now=now)


def _lock(organisation_id: str) -> Organisation:
    row = Organisation.objects.select_for_update().filter(id=organisation_id).first()
    if row is None:
        raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=organisation_id[:64]))
    return row
