"""Declaring who owns an organisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Max

from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.ids import is_id, new_id
from lilong.common.money import PPM
from lilong.common.permissions import Actor, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.ownership import HolderKind, name_outsider
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.models import Membership, OwnershipShare
from lilong.foundation.members.queries.ownership import OwnershipView, view_share
from lilong.foundation.members.services.memberships import lock_own_organisation
from lilong.foundation.record.public import append

OWNERS_MAX = 100


class OwnershipInvalid(InputInvalid):
    """Something in a declaration of owners does not fit."""

    code = "ownership.invalid"
    title = "Owners cannot be declared like this"
    next_step = "Correct the fields named here."


@dataclass(frozen=True, slots=True)
class DeclaredOwner:
    """One owner: an organisation of the hub or a member of one's own by id, or anybody outside by name and number."""

    share_ppm: int
    organisation_id: str = ""
    person_id: str = ""
    name: str = ""
    registration_number: str = ""


def declare_ownership(
    *, actor: Actor, owners: Sequence[DeclaredOwner], starts_on: date, now: datetime
) -> list[OwnershipView]:
    """State who owns the actor's organisation from a day on, all of them at once; what was declared before ends there.

    Parts that nobody is named for are nobody's. An organisation's id is taken as it is: the answer does not tell
    whether there is one. Raises OwnershipInvalid.
    """
    require(may(actor, roles=MANAGERS, scope=Scope.MANAGE))
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        members = set(
            Membership.objects.filter(organisation=organisation, left_at=None).values_list("person_id", flat=True)
        )
        holders = [_name_holder(owner) for owner in owners]
        own = OwnershipShare.objects.filter(organisation=organisation)
        least = own.aggregate(latest=Max("starts_on"))["latest"]
        problems = _find_day_problems(starts_on, least=least, day=now.date())
        for number, owner in enumerate(owners):
            problems += _find_owner_problems(number, owner, own_id=organisation.id, members=members, holders=holders)
        if not 1 <= len(owners) <= OWNERS_MAX:
            problems.append(_problem("owners", say("Name 1 to {most} owners.", most=OWNERS_MAX)))
        if sum(owner.share_ppm for owner in owners) > PPM:
            problems.append(
                _problem("owners", say("All shares together are at most {most} parts per million.", most=PPM))
            )
        if problems:
            raise OwnershipInvalid(fields=problems)
        own.filter(ends_on=None).update(ends_on=starts_on)
        rows = [
            OwnershipShare(
                id=new_id("own"),
                organisation=organisation,
                holder_kind=kind,
                holder=holder,
                name=owner.name,
                registration_number=owner.registration_number,
                share_ppm=owner.share_ppm,
                starts_on=starts_on,
                declared_by=actor.person_id,
                declared_at=now,
            )
            for owner, (kind, holder) in zip(owners, holders, strict=True)
        ]
        OwnershipShare.objects.bulk_create(rows)
        _record(rows, organisation_id=organisation.id, starts_on=starts_on, by=actor.person_id, now=now)
    return [view_share(row=row) for row in rows]


def end_ownership(*, actor: Actor, ends_on: date, now: datetime) -> None:
    """State that from a day on nobody is declared any more; without a declaration it does nothing.

    Raises OwnershipInvalid for a day before the declaration began, or after today.
    """
    require(may(actor, roles=MANAGERS, scope=Scope.MANAGE))
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        declared = OwnershipShare.objects.filter(organisation=organisation, ends_on=None)
        least = declared.aggregate(latest=Max("starts_on"))["latest"]
        if least is None:
            return
        problems = _find_day_problems(ends_on, least=least, day=now.date())
        if problems:
            raise OwnershipInvalid(fields=problems)
        declared.update(ends_on=ends_on)
        _record([], organisation_id=organisation.id, starts_on=ends_on, by=actor.person_id, now=now)


def _name_holder(owner: DeclaredOwner) -> tuple[HolderKind, str]:
    if owner.organisation_id:
        return HolderKind.ORGANISATION, owner.organisation_id
    if owner.person_id:
        return HolderKind.PERSON, owner.person_id
    return HolderKind.OUTSIDE, name_outsider(registration_number=owner.registration_number)


def _find_day_problems(starts_on: date, *, least: date | None, day: date) -> list[FieldProblem]:
    # A day of grace: where the declarer is it may be tomorrow already.
    if starts_on > day + timedelta(days=1):
        return [_problem("starts_on", say("It must not be later than today."))]
    if least is not None and starts_on < least:
        return [
            _problem(
                "starts_on",
                say("It must be {least} or later: from then on other owners are declared.", least=least.isoformat()),
            )
        ]
    return []


def _find_owner_problems(
    number: int,
    owner: DeclaredOwner,
    *,
    own_id: str,
    members: set[str],
    holders: Sequence[tuple[HolderKind, str]],
) -> list[FieldProblem]:
    path, (kind, holder) = f"owners.{number}", holders[number]
    problems: list[FieldProblem] = []
    named = [owner.organisation_id, owner.person_id, owner.name and owner.registration_number]
    if sum(bool(each) for each in named) != 1:
        text = say("Name either an organisation_id, or a person_id, or a name with a registration_number.")
        return [_problem(path, text)]
    if not 1 <= owner.share_ppm <= PPM:
        problems.append(_problem(f"{path}.share_ppm", say("It must be from {least} to {most}.", least=1, most=PPM)))
    if kind is HolderKind.ORGANISATION and (not is_id(holder, prefix="org") or holder == own_id):
        problems.append(_problem(f"{path}.organisation_id", say("It must be the id of another organisation.")))
    if kind is HolderKind.PERSON and holder not in members:
        text = say("It must be a member of your organisation; name others by name and registration_number.")
        problems.append(_problem(f"{path}.person_id", text))
    if kind is HolderKind.OUTSIDE and holder == name_outsider(registration_number=""):
        problems.append(_problem(f"{path}.registration_number", say("It needs letters or digits.")))
    if holder in [each for _, each in holders[:number]]:
        problems.append(_problem(path, say("This owner is named already.")))
    return problems


def _problem(path: str, message: str) -> FieldProblem:
    return FieldProblem(path=path, code="ownership.field", message=message)


def _record(rows: Sequence[OwnershipShare], *, organisation_id: str, starts_on: date, by: str, now: datetime) -> None:
    """Record the declaration; names and numbers of people outside stay out of the record, as it knows ids alone."""
    append(
        kind="members.ownership_declared",
        subject_id=organisation_id,
        payload={
            "starts_on": str(starts_on),
            "shares": [{"id": row.id, "kind": row.holder_kind, "share_ppm": row.share_ppm} for row in rows],
            "by": by,
        },
        organisation_id=organisation_id,
        now=now,
    )
