"""What organisations are at the hub, and from when to when."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from lilong.common.errors import Conflict, FieldProblem, InputInvalid, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import OrganisationKind
from lilong.foundation.members.core.standings import Standing, StandingKind, overlaps
from lilong.foundation.members.models import Organisation, OrganisationStanding, StandingApplication
from lilong.foundation.members.queries.standings import StandingView, view_standing
from lilong.foundation.record.public import append

STANDINGS_MAX = 200


class StandingMissing(NotFound):
    """The organisation has no such standing."""

    code = "standing.missing"
    title = "There is no such standing"
    next_step = "List the standings of the organisation."


class StandingOverlaps(Conflict):
    """The organisation has this standing on some of these days already."""

    code = "standing.overlaps"
    title = "The organisation has this standing already in that time"
    next_step = "Begin on the day on which the other one ends, or change when that ends."


class StandingInvalid(InputInvalid):
    """The days of a standing do not fit."""

    code = "standing.invalid"
    title = "A standing cannot have these days"
    next_step = "Correct the fields named here."


class StandingRefused(Conflict):
    """This organisation takes no standing."""

    code = "standing.refused"
    title = "This organisation cannot get a standing"
    next_step = "The hub itself needs none; an organisation that has applied gets its first one by its admission."


class StandingAsked(Conflict):
    """A case about this standing of the organisation is open; it is not gone round."""

    code = "standing.asked"
    title = "A case about this standing is open"
    next_step = "Wait for its decision; operators decide the case that is named here."


@dataclass(frozen=True, slots=True)
class StandingGrant:
    """What an admission or another case grants: a standing, for how many days (None: without end), why."""

    kind: StandingKind
    days: int | None
    reason: str
    case_id: str = ""


def grant_standing(
    *,
    actor: Actor,
    organisation_id: str,
    kind: StandingKind,
    starts_on: date,
    ends_on: date | None,
    reason: str,
    now: datetime,
) -> StandingView:
    """Let an admitted organisation be something more, or something for longer. For the operator.

    Raises NotFound, StandingInvalid, StandingOverlaps, StandingRefused, StandingAsked.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    if ends_on is not None and ends_on <= starts_on:
        message = say("It must be later than the first day; on this day the standing holds no more.")
        raise StandingInvalid(fields=[FieldProblem(path="ends_on", code="standing.ends_early", message=message)])
    with transaction.atomic():
        organisation = lock_organisation(organisation_id=organisation_id)
        if organisation.kind == OrganisationKind.HUB or organisation.state == "applied":
            raise StandingRefused(
                detail=say("It is of the kind {kind} and {state}.", kind=organisation.kind, state=organisation.state)
            )
        _require_unasked(organisation, kind)
        wanted = Standing(kind=kind, starts_on=starts_on, ends_on=ends_on)
        row = insert_standing(organisation=organisation, standing=wanted, by=actor.person_id, reason=reason, now=now)
    return view_standing(row=row, now=now)


def end_standing(
    *, actor: Actor, organisation_id: str, standing_id: str, ends_on: date, reason: str, now: datetime
) -> StandingView:
    """Set the first day on which a standing holds no more: today or later, earlier or later than it was.

    One whose end has passed stays as it is. For the operator.
    Raises StandingMissing, StandingInvalid, StandingOverlaps, and StandingAsked for a later end.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        organisation = lock_organisation(organisation_id=organisation_id)
        row = OrganisationStanding.objects.filter(organisation=organisation, id=standing_id).first()
        if row is None:
            raise StandingMissing(detail=say("There is no standing {standing_id}.", standing_id=standing_id[:64]))
        least = max(now.date(), row.starts_on)
        if ends_on < least or (row.ends_on is not None and row.ends_on < now.date()):
            message = say(
                "It must be {least} or later, and the standing must not have ended before today.",
                least=least.isoformat(),
            )
            raise StandingInvalid(fields=[FieldProblem(path="ends_on", code="standing.ends_early", message=message)])
        if row.ends_on is not None and ends_on > row.ends_on:
            _require_unasked(organisation, StandingKind(row.kind))
        wanted = Standing(kind=StandingKind(row.kind), starts_on=row.starts_on, ends_on=ends_on)
        _require_free(organisation, wanted, but=row.id)
        old, row.ends_on = row.ends_on, ends_on
        row.save(update_fields=["ends_on"])
        _record(row, old=old, by=actor.person_id, reason=reason, now=now)
    return view_standing(row=row, now=now)


def lock_organisation(*, organisation_id: str) -> Organisation:
    """Return the organisation, locked until the transaction ends; raises NotFound."""
    row = Organisation.objects.select_for_update().filter(id=organisation_id).first()
    if row is None:
        raise NotFound(detail=say("There is no organisation {organisation_id}.", organisation_id=organisation_id[:64]))
    return row


def begin_standing(*, organisation: Organisation, grant: StandingGrant, now: datetime) -> None:
    """Let a standing begin today for an organisation that the caller admits and has locked or just made."""
    today = now.date()
    ends_on = None if grant.days is None else today + timedelta(days=grant.days)
    standing = Standing(kind=grant.kind, starts_on=today, ends_on=ends_on)
    insert_standing(
        organisation=organisation, standing=standing, by="", reason=grant.reason, case_id=grant.case_id, now=now
    )


def insert_standing(
    *, organisation: Organisation, standing: Standing, by: str, reason: str, now: datetime, case_id: str = ""
) -> OrganisationStanding:
    """Write and record a standing of an organisation that the caller has locked; raises StandingOverlaps."""
    _require_free(organisation, standing, but="")
    row = OrganisationStanding.objects.create(
        id=new_id("std"),
        organisation=organisation,
        kind=standing.kind,
        starts_on=standing.starts_on,
        ends_on=standing.ends_on,
        granted_at=now,
        by=by,
        reason=reason,
        case_id=case_id,
    )
    _record(row, old=None, by=by, reason=reason, now=now)
    return row


def _require_unasked(organisation: Organisation, kind: StandingKind) -> None:
    asked = StandingApplication.objects.filter(organisation=organisation, kind=kind, answered_at=None).first()
    if asked is not None:
        raise StandingAsked(detail=say("It is {case_id}.", case_id=asked.case_id), facts={"case_id": asked.case_id})


def _require_free(organisation: Organisation, wanted: Standing, *, but: str) -> None:
    rows = list(OrganisationStanding.objects.filter(organisation=organisation).exclude(id=but))
    if len(rows) >= STANDINGS_MAX:
        raise StandingRefused(detail=say("It has {count} already.", count=len(rows)))
    for row in rows:
        other = Standing(kind=StandingKind(row.kind), starts_on=row.starts_on, ends_on=row.ends_on)
        if other.kind is wanted.kind and overlaps(other, wanted):
            raise StandingOverlaps(facts={"standing_id": row.id})


def _record(row: OrganisationStanding, *, old: date | None, by: str, reason: str, now: datetime) -> None:
    append(
        kind="members.standing_changed",
        subject_id=row.id,
        payload={
            "kind": row.kind,
            "starts_on": str(row.starts_on),
            "ends_on": str(row.ends_on) if row.ends_on else None,
            "ended_on_before": str(old) if old else None,
            "reason": reason,
            "by": by,
        },
        organisation_id=row.organisation_id,
        now=now,
    )
