"""Everything that the hub holds about one person."""

from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.db.models import CharField, DateTimeField, ForeignKey, Model, Q, QuerySet

from lilong.common.errors import NotFound
from lilong.common.permissions import Role, Scope
from lilong.common.sentences import say
from lilong.common.time import format_moment
from lilong.foundation.members.core.tokens import read_scopes
from lilong.foundation.members.models import Invitation, Membership, Person, Token

ID_LENGTH = 64
MENTIONS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonProfile:
    """Who the person is to the hub."""

    id: str
    email: str
    name: str
    created_at: datetime
    email_verified_at: datetime | None
    last_login: datetime | None
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMembership:
    """Where the person belongs or belonged."""

    id: str
    organisation_id: str
    organisation_name: str
    role: Role
    joined_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonToken:
    """A token of the person; what it is, only its holder knows."""

    id: str
    organisation_id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonInvitation:
    """An invitation to the person's address."""

    id: str
    organisation_id: str
    organisation_name: str
    role: Role
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mention:
    """A row of another table that names the person's id: which, in which columns, and its times.

    What the row says besides belongs to an organisation or to others, and is not told here.
    """

    table: str
    id: str
    columns: list[str]
    times: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonExport:
    """Everything about a person. tables_cut: tables with more mentions than are told, MENTIONS_MAX of each."""

    made_at: datetime
    profile: PersonProfile
    memberships: list[PersonMembership]
    tokens: list[PersonToken]
    invitations: list[PersonInvitation]
    mentions: list[Mention]
    tables_cut: list[str]


def gather_person(*, person_id: str, now: datetime) -> PersonExport:
    """Return everything that the hub holds about a person, from every table there is; raises NotFound.

    Mentions are found in each column that is wide enough for ids, so a later table is never forgotten. Cost: one scan
    of each table that has no index on such a column.
    """
    person = Person.objects.filter(id=person_id).first()
    if person is None:
        raise NotFound(detail=say("There is no person {person_id}.", person_id=person_id[:64]))
    memberships = Membership.objects.filter(person=person).select_related("organisation").order_by("id")
    tokens = Token.objects.filter(membership__person=person).select_related("membership").order_by("id")
    invitations = Invitation.objects.filter(Q(email=person.email) | Q(accepted_by=person.id)).order_by("id")
    mentions, cut = _find_mentions(person_id)
    return PersonExport(
        made_at=now,
        profile=PersonProfile(
            id=person.id,
            email=person.email,
            name=person.name,
            created_at=person.created_at,
            email_verified_at=person.email_verified_at,
            last_login=person.last_login,
            erased_at=person.erased_at,
        ),
        memberships=[_view_membership(row) for row in memberships],
        tokens=[_view_token(row) for row in tokens],
        invitations=[_view_invitation(row) for row in invitations.select_related("organisation")],
        mentions=mentions,
        tables_cut=cut,
    )


def list_id_columns(*, model: type[Model]) -> list[str]:
    """Return the columns of a table that can hold the id of a person, but for its own key."""
    return [field.attname for field in model._meta.concrete_fields if not field.primary_key and _holds_ids(field)]


def _holds_ids(field: object) -> bool:
    if isinstance(field, ForeignKey):
        return field.related_model is Person
    return isinstance(field, CharField) and (field.max_length or 0) >= ID_LENGTH


def _find_mentions(person_id: str) -> tuple[list[Mention], list[str]]:
    found: list[Mention] = []
    cut: list[str] = []
    for model in sorted(apps.get_models(), key=lambda each: each._meta.db_table):
        columns = list_id_columns(model=model)
        if model in {Membership, Person} or not columns:
            continue
        named = Q()
        for column in columns:
            named |= Q(**{column: person_id})
        times = [each.attname for each in model._meta.concrete_fields if isinstance(each, DateTimeField)]
        table = model._meta.db_table
        rows = list(QuerySet(model).filter(named).order_by("pk").values("pk", *columns, *times)[: MENTIONS_MAX + 1])
        found += [
            Mention(
                table=table,
                id=str(row["pk"]),
                columns=[column for column in columns if row[column] == person_id],
                times={name: format_moment(row[name]) for name in times if row[name] is not None},
            )
            for row in rows[:MENTIONS_MAX]
        ]
        if len(rows) > MENTIONS_MAX:
            cut.append(table)
    return found, cut


def _view_membership(row: Membership) -> PersonMembership:
    return PersonMembership(
        id=row.id,
        organisation_id=row.organisation_id,
        organisation_name=row.organisation.name,
        role=Role(row.role),
        joined_at=row.joined_at,
        left_at=row.left_at,
    )


def _view_token(row: Token) -> PersonToken:
    return PersonToken(
        id=row.id,
        organisation_id=row.membership.organisation_id,
        name=row.name,
        scopes=sorted(read_scopes(row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        last_used_at=row.last_used_at,
    )


def _view_invitation(row: Invitation) -> PersonInvitation:
    return PersonInvitation(
        id=row.id,
        organisation_id=row.organisation_id,
        organisation_name=row.organisation.name,
        role=Role(row.role),
        created_at=row.created_at,
        expires_at=row.expires_at,
        accepted_at=row.accepted_at,
        withdrawn_at=row.withdrawn_at,
    )
