"""Why a page refuses by role or by standing: what it needs, what one has instead, and who can change that."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError
from django.http import HttpRequest

from lilong.common.django.people import find_actor
from lilong.common.errors import LilongError
from lilong.common.permissions import Role, read_needed_roles
from lilong.foundation.members.pages.sessions import find_session_organisation, list_session_memberships
from lilong.foundation.members.pages.words import STANDINGS
from lilong.foundation.members.public import get_organisations
from lilong.foundation.members.public.people import list_givers

GIVERS_SHOWN = 5
NEED_STANDING = frozenset({"order.not_admitted", "order.no_standing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRefusal:
    """role: what the person is in the organisation; needed: the roles that may, of those that exist there.

    givers: names of others there who can give one of them; needed_elsewhere: the roles that may, none of which exists
    there; elsewhere: own memberships with one of those.
    """

    organisation: str
    role: Role
    needed: Sequence[Role]
    givers: Sequence[str]
    has_more_givers: bool
    needed_elsewhere: Sequence[Role]
    elsewhere: Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRefusal:
    """state: of the organisation; standings: label, first day and the day of the end, as it has them."""

    organisation: str
    state: str
    standings: Sequence[tuple[object, object, object]]


def explain_refusal(request: HttpRequest, error: LilongError) -> RoleRefusal | StandingRefusal | None:
    """Return what a page says about a refusal by role or standing; None for others, and for strangers.

    At most two queries beyond who is signed in; None where the database does not answer.
    """
    roles = read_needed_roles(error)
    if not roles and error.code not in NEED_STANDING:
        return None
    try:
        return _explain_role(request, roles) if roles else _explain_standing(request)
    except DatabaseError:
        return None


def _explain_role(request: HttpRequest, roles: frozenset[Role]) -> RoleRefusal | None:
    actor, organisation = find_actor(request), find_session_organisation(request)
    if actor.role is None or organisation is None:
        return None
    existing = {Role.OPERATOR} if actor.role is Role.OPERATOR else frozenset(Role) - {Role.OPERATOR}
    needed = [role for role in Role if role in roles & existing]
    people = list_givers(organisation_id=actor.organisation_id, roles=needed) if needed else []
    names = [person.name for person in people if person.person_id != actor.person_id]
    return RoleRefusal(
        organisation=organisation.name,
        role=actor.role,
        needed=needed,
        givers=names[:GIVERS_SHOWN],
        has_more_givers=len(names) > GIVERS_SHOWN,
        needed_elsewhere=[] if needed else [role for role in Role if role in roles],
        elsewhere=[] if needed else [each for each in list_session_memberships(request) if each.role in roles],
    )


def _explain_standing(request: HttpRequest) -> StandingRefusal | None:
    organisation_id = find_actor(request).organisation_id
    view = get_organisations(organisation_ids=[organisation_id]).get(organisation_id) if organisation_id else None
    if view is None:
        return None
    present = [each for each in view.standings if each.ends_on is None or each.ends_on > each.starts_on]
    return StandingRefusal(
        organisation=view.name,
        state=view.state,
        standings=[(STANDINGS.get(each.kind, each.kind), each.starts_on, each.ends_on) for each in present],
    )
