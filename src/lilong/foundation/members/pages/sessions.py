"""From a browser's session to an Actor, the same as a token of that membership with all its scopes makes."""

from collections.abc import Mapping, Sequence

from django.db.models import Expression
from django.http import HttpRequest

from lilong.common.django.people import find_actor
from lilong.common.errors import NotFound
from lilong.common.permissions import PUBLIC, Actor, Role
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import list_scopes
from lilong.foundation.members.models import Membership, Organisation
from lilong.foundation.members.queries import NOTHING, list_memberships

CHOSEN = "organisation_id"


def find_session_actor(request: HttpRequest) -> Actor:
    """Return who acts: PUBLIC for strangers; without organisation and role for who belongs to none.

    Of several organisations it is the one chosen in this session, else the one joined first. The role is read anew
    each time, so it holds from the next page on, and a membership that ended gives nothing.
    """
    if not request.user.is_authenticated:
        return PUBLIC
    memberships = list_session_memberships(request)
    if not memberships:
        return Actor(person_id=str(request.user.pk))
    chosen_id = request.session.get(CHOSEN)
    chosen = next((each for each in memberships if each.organisation_id == chosen_id), memberships[0])
    role = Role(chosen.role)
    return Actor(
        person_id=chosen.person_id, organisation_id=chosen.organisation_id, role=role, scopes=list_scopes(role=role)
    )


def find_session_organisation(request: HttpRequest) -> Organisation | None:
    """Return the organisation for which somebody acts in this session; None for strangers and who has none."""
    actor = find_actor(request)
    if actor.role is None:
        return None
    acting = (each for each in list_session_memberships(request) if each.organisation_id == actor.organisation_id)
    return next((each.organisation for each in acting), None)


def list_session_memberships(request: HttpRequest) -> Sequence[Membership]:
    """Return the memberships of who is signed in, read once a request."""
    found: Sequence[Membership] | None = request.__dict__.get("own_memberships")
    if found is None:
        beside = request.__dict__.get("beside_memberships", NOTHING)
        found = list_memberships(person_id=str(request.user.pk), beside=beside)
        request.__dict__["own_memberships"] = found
    return found


def read_beside_memberships(request: HttpRequest, beside: Mapping[str, Expression]) -> None:
    """Let a request read what a later room knows of each membership, in the query that it makes anyway."""
    request.__dict__["beside_memberships"] = beside


def choose_organisation(request: HttpRequest, organisation_id: str) -> None:
    """Act for this organisation from now on in this session; raises NotFound for one that is not the person's."""
    if all(each.organisation_id != organisation_id for each in list_session_memberships(request)):
        raise NotFound(detail=say("You do not belong to this organisation."))
    act_for(request, organisation_id)


def act_for(request: HttpRequest, organisation_id: str) -> None:
    """Act for an organisation that is known to be the person's."""
    request.session[CHOSEN] = organisation_id
