"""Organisations and people for tests, made through the same doors as in a hub."""

from datetime import UTC, datetime
from itertools import count

from lilong.common.permissions import Actor, Role
from lilong.common.time import utc_now
from lilong.foundation.members.public import (
    NewOrganisation,
    OrganisationKind,
    OrganisationState,
    authenticate,
    bootstrap_operator,
    create_organisation,
)
from lilong.foundation.members.services.memberships import add_member
from lilong.foundation.members.services.tokens import create_token, exchange_token

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
numbers = count()


def found_organisation(
    *,
    kind: OrganisationKind = OrganisationKind.RESIDENT,
    state: OrganisationState = OrganisationState.ADMITTED,
    now: datetime = NOW,
) -> NewOrganisation:
    """Make an organisation of a kind that many may have; its owner has every scope but operate."""
    number = next(numbers)
    return create_organisation(
        name=f"Organisation {number}",
        kind=kind,
        owner_email=f"owner{number}@example.org",
        owner_name=f"Owner {number}",
        state=state,
        now=now,
    )


def act(token: str, *, now: datetime = NOW) -> Actor:
    """Return who acts by this token."""
    return authenticate(token=token, now=now)


def found_owner(*, now: datetime = NOW) -> Actor:
    """Make an admitted organisation and return its owner."""
    return act(found_organisation(now=now).token.secret, now=now)


def found_operator(*, now: datetime = NOW) -> Actor:
    """Return an operator of the hub, a new person each time; the hub's organisation is made when missing."""
    return act(make_operator_token(now=now), now=now)


def make_operator_token(*, now: datetime = NOW) -> str:
    """Return the token of a new operator."""
    once = bootstrap_operator(email=f"operator{next(numbers)}@hub.example", now=now)
    return exchange_token(token=once.secret, name="test", now=now).secret


def make_member_token(owner: Actor, role: Role, *, now: datetime = NOW) -> str:
    """Return the token of somebody new in the owner's organisation."""
    email = f"{role}{next(numbers)}@example.org"
    once = add_member(actor=owner, email=email, name=f"A {role}", role=role, now=now).one_time_token
    return exchange_token(token=once.secret, name="test", now=now).secret


def make_own_token(person: Actor, *, now: datetime = NOW) -> str:
    """Return another token of somebody, with all scopes of that person's."""
    return create_token(actor=person, name="test", scopes=sorted(person.scopes), expires_in_s=3600, now=now).secret


def join(owner: Actor, role: Role, *, now: datetime = NOW) -> Actor:
    """Return somebody new in the owner's organisation."""
    return act(make_member_token(owner, role, now=now), now=now)


def found_organisation_today(
    *, kind: OrganisationKind = OrganisationKind.RESIDENT, state: OrganisationState = OrganisationState.ADMITTED
) -> NewOrganisation:
    """Make an organisation whose token is good for calls over HTTP, where the clock is read."""
    return found_organisation(kind=kind, state=state, now=utc_now())
