"""Reads of members."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from django.db.models import Count, Expression, Q, QuerySet

from lilong.common.django.paging import page_newest_first, page_oldest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import MANAGERS, OrganisationKind, OrganisationState, find_giving_roles
from lilong.foundation.members.core.standings import Standing, may_order
from lilong.foundation.members.core.tokens import TokenUse
from lilong.foundation.members.models import Membership, Organisation, Person, Secret, Token
from lilong.foundation.members.queries.standings import read_standing

NOTHING: Mapping[str, Expression] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """An organisation as other rooms see it, with all its standings, past and coming ones too."""

    id: str
    name: str
    kind: OrganisationKind
    state: OrganisationState
    created_at: datetime
    standings: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether an organisation is admitted, and since when it is here."""

    state: OrganisationState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PersonView:
    """A present member of an organisation, and how to write to that person."""

    person_id: str
    organisation_id: str
    role: Role
    name: str
    email: str
    language: Language


def get_organisations(*, organisation_ids: Collection[str]) -> dict[str, OrganisationView]:
    """Return those organisations that exist, by id. Two queries."""
    rows = _with_standings().filter(id__in=organisation_ids)
    return {row.id: _view(row) for row in rows}


def find_admission(*, organisation_id: str) -> Admission:
    """Return the state of an organisation that exists. One query."""
    state, created_at = Organisation.objects.values_list("state", "created_at").get(id=organisation_id)
    return Admission(state=OrganisationState(state), created_at=created_at)


def name_organisations(*, organisation_ids: Collection[str]) -> dict[str, str]:
    """Return the names of those organisations that exist, by id. One query."""
    return dict(Organisation.objects.filter(id__in=organisation_ids).values_list("id", "name"))


def get_organisation(*, actor: Actor, organisation_id: str) -> OrganisationView:
    """Return one organisation that the actor may see; raises NotFound."""
    rows = Organisation.objects.visible_to(actor).prefetch_related("standings")
    row = rows.filter(id=organisation_id).first()
    if row is None:
        raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=organisation_id))
    return _view(row)


def list_organisations(
    *,
    actor: Actor,
    cursor: str | None,
    limit: int,
    state: OrganisationState | None = None,
    kind: OrganisationKind | None = None,
) -> Page[OrganisationView]:
    """Return the organisations that the actor may see, newest first: all, or those in a state or of a kind."""
    organisations = Organisation.objects.visible_to(actor).prefetch_related("standings")
    if state is not None:
        organisations = organisations.filter(state=state)
    if kind is not None:
        organisations = organisations.filter(kind=kind)
    page = page_newest_first(organisations, cursor=cursor, limit=limit)
    return Page(items=[_view(row) for row in page.items], next_cursor=page.next_cursor)


def list_organisations_in(*, state: OrganisationState) -> Sequence[OrganisationView]:
    """Return all organisations in this state, oldest first: what a reconciler looks at."""
    return [_view(row) for row in _with_standings().filter(state=state).order_by("id")]


def count_organisations() -> Mapping[OrganisationState, int]:
    """Return how many organisations are in each state. One query. Cost: linear in organisations."""
    found = dict(Organisation.objects.values_list("state").annotate(count=Count("id")))
    return {state: found.get(state, 0) for state in OrganisationState}


def list_members(*, actor: Actor, organisation_id: str, cursor: str | None, limit: int) -> Page[Membership]:
    """Return the present members of an organisation that the actor may see, in the order they joined, with persons."""
    get_organisation(actor=actor, organisation_id=organisation_id)
    present = Membership.objects.visible_to(actor).filter(organisation_id=organisation_id, left_at=None)
    return page_oldest_first(present.select_related("person"), cursor=cursor, limit=limit)


def get_member(*, actor: Actor, membership_id: str) -> Membership:
    """Return a present member of the actor's own organisation, with the person; raises NotFound."""
    own = Membership.objects.filter(organisation_id=actor.organisation_id, left_at=None)
    row = own.select_related("person").filter(id=membership_id).first()
    if row is None:
        raise NotFound(
            detail=say("There is no membership {membership_id} in your organisation.", membership_id=membership_id[:64])
        )
    return row


def list_people(
    *, organisation_id: str, roles: Collection[Role] = (), person_ids: Collection[str] = ()
) -> list[PersonView]:
    """Return the present members of an organisation in one of these roles, or who are one of these people.

    An empty organisation_id is the hub's own. One query.
    """
    present = Membership.objects.filter(left_at=None).select_related("person")
    if organisation_id:
        present = present.filter(organisation_id=organisation_id)
    else:
        present = present.filter(organisation__kind=OrganisationKind.HUB)
    rows = present.filter(Q(role__in=list(roles)) | Q(person_id__in=list(person_ids))).order_by("id")
    return [
        PersonView(
            person_id=row.person_id,
            organisation_id=row.organisation_id,
            role=Role(row.role),
            name=row.person.name,
            email=row.person.email,
            language=Language(row.person.language),
        )
        for row in rows
    ]


def list_erased_people() -> list[str]:
    """Return the ids of everybody who was erased. One query, linear in their number."""
    return list(Person.objects.filter(erased_at__isnull=False).order_by("id").values_list("id", flat=True))


def list_givers(*, organisation_id: str, roles: Collection[Role]) -> list[PersonView]:
    """Return the present members who can give somebody at least one of these roles. One query."""
    return list_people(organisation_id=organisation_id, roles=find_giving_roles(roles=roles))


def get_own_membership(*, actor: Actor) -> Membership:
    """Return the membership by which the actor acts, with person and organisation."""
    rows = Membership.objects.select_related("person", "organisation")
    return rows.get(person_id=actor.person_id, organisation_id=actor.organisation_id, left_at=None)


def list_memberships(*, person_id: str, beside: Mapping[str, Expression] = NOTHING) -> Sequence[Membership]:
    """Return the present memberships of a person who is signed in, with organisations, in the order of joining.

    beside: what a later room knows of each, by name: attributes of the rows, read in the same query.
    """
    own = Membership.objects.filter(person_id=person_id, left_at=None).annotate(**beside)
    return list(own.select_related("organisation").order_by("id"))


def list_tokens(*, actor: Actor, cursor: str | None, limit: int, now: datetime) -> Page[Token]:
    """Return live tokens, newest first: the actor's own; for who manages the organisation, everybody's there."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    live = Token.objects.filter(
        membership__organisation_id=actor.organisation_id,
        membership__left_at=None,
        ended_at=None,
        expires_at__gt=now,
        use=TokenUse.ACCESS,
    )
    if actor.role not in MANAGERS:
        live = live.filter(membership__person_id=actor.person_id)
    return page_newest_first(live.select_related("membership__person"), cursor=cursor, limit=limit)


def list_secrets(*, actor: Actor, cursor: str | None, limit: int) -> Page[Secret]:
    """Return names and times of the organisation's secrets, by name; never a value."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    own = Secret.objects.filter(organisation_id=actor.organisation_id).defer("sealed")
    return page_oldest_first(own, cursor=cursor, limit=limit, key="name")


def find_missing_secrets(*, organisation_id: str, names: Collection[str]) -> list[str]:
    """Return which of these names the organisation has no secret for, sorted."""
    present = Secret.objects.filter(organisation_id=organisation_id, name__in=names).values_list("name", flat=True)
    return sorted(set(names) - set(present))


def _view(row: Organisation) -> OrganisationView:
    return OrganisationView(
        id=row.id,
        name=row.name,
        kind=OrganisationKind(row.kind),
        state=OrganisationState(row.state),
        created_at=row.created_at,
        standings=tuple(
            read_standing(row=each) for each in sorted(row.standings.all(), key=lambda each: (each.starts_on, each.id))
        ),
    )


def find_order_refusal(*, organisation: OrganisationView, now: datetime) -> str:
    """Return why the organisation may place no new orders now, or an empty text. What runs is not asked about."""
    verdict = may_order(
        kind=organisation.kind, state=organisation.state, standings=organisation.standings, day=now.date()
    )
    return verdict.reason


def _with_standings() -> QuerySet[Organisation]:
    return Organisation.objects.prefetch_related("standings")
