"""Applications of organisations to be something more at the hub, or for longer. Cases decide; the answer is here."""

from datetime import date, datetime, timedelta

from django.db import transaction

from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.roles import MANAGERS, OrganisationKind, OrganisationState
from lilong.foundation.members.core.standings import Standing, StandingKind
from lilong.foundation.members.models import Organisation, OrganisationStanding, StandingApplication
from lilong.foundation.members.services.memberships import lock_own_organisation
from lilong.foundation.members.services.standings import (
    StandingAsked,
    StandingGrant,
    StandingOverlaps,
    StandingRefused,
    insert_standing,
    lock_organisation,
)

APPLICANTS = MANAGERS


def may_apply(*, actor: Actor) -> Verdict:
    """Say whether the actor speaks for the organisation here: its owners and admins do."""
    return may(actor, roles=APPLICANTS, scope=Scope.MANAGE)


def apply_for_standing(*, actor: Actor, application_id: str, kind: StandingKind, case_id: str, now: datetime) -> None:
    """Note what the actor's organisation asks to be, and the case that the caller opened for it.

    For cases, in its transaction. Raises StandingRefused, StandingOverlaps for a standing without end, StandingAsked.
    """
    require(may_apply(actor=actor))
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        if organisation.kind == OrganisationKind.HUB or organisation.state != OrganisationState.ADMITTED:
            raise StandingRefused(
                detail=say("It is of the kind {kind} and {state}.", kind=organisation.kind, state=organisation.state)
            )
        endless = OrganisationStanding.objects.filter(organisation=organisation, kind=kind, ends_on=None).first()
        if endless is not None:
            raise StandingOverlaps(facts={"standing_id": endless.id})
        asked = StandingApplication.objects.filter(organisation=organisation, kind=kind, answered_at=None).first()
        if asked is not None:
            raise StandingAsked(detail=say("It is {case_id}.", case_id=asked.case_id), facts={"case_id": asked.case_id})
        StandingApplication.objects.create(
            id=application_id,
            organisation=organisation,
            kind=kind,
            case_id=case_id,
            applied_by=actor.person_id,
            applied_at=now,
        )


def grant_application(*, application_id: str, grant: StandingGrant, now: datetime) -> None:
    """Grant what was asked for, from today or from the day on which the same standing ends. Again: nothing.

    For cases, once one is approved, or overturned on appeal.
    """
    with transaction.atomic():
        application, organisation = _lock(application_id)
        if application.standing_id:
            return
        own = list(OrganisationStanding.objects.filter(organisation=organisation, kind=grant.kind))
        granted = next((row for row in own if row.ends_on is None), None)
        if granted is None:
            starts_on = max([now.date(), *(row.ends_on for row in own if row.ends_on is not None)])
            standing = Standing(kind=grant.kind, starts_on=starts_on, ends_on=_find_end(starts_on, grant.days))
            granted = insert_standing(
                organisation=organisation, standing=standing, by="", reason=grant.reason, case_id=grant.case_id, now=now
            )
        application.standing_id, application.answered_at = granted.id, application.answered_at or now
        application.save(update_fields=["standing_id", "answered_at"])


def refuse_application(*, application_id: str, now: datetime) -> None:
    """Note that the case was refused; the organisation may apply again. Again: nothing. For cases."""
    with transaction.atomic():
        application, _ = _lock(application_id)
        if application.answered_at is None:
            application.answered_at = now
            application.save(update_fields=["answered_at"])


def _lock(application_id: str) -> tuple[StandingApplication, Organisation]:
    asked = StandingApplication.objects.filter(id=application_id).first()
    if asked is None:
        raise NotFound(detail=say("There is no application {application_id}.", application_id=application_id[:64]))
    organisation = lock_organisation(organisation_id=asked.organisation_id)
    return StandingApplication.objects.select_for_update().get(id=application_id), organisation


def _find_end(starts_on: date, days: int | None) -> date | None:
    return None if days is None else starts_on + timedelta(days=days)
