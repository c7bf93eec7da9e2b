"""What is done with a person, whatever organisations the person belongs to.

A token acts for one organisation and may have been handed over by whoever added the person, so none of this is done by
a token of the person's own: the pages do it for somebody who is signed in, or an operator does it on request.
"""

from datetime import datetime

from django.db import IntegrityError, transaction

from lilong.common.errors import Conflict, NotFound
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.languages import Language
from lilong.foundation.members.core.roles import OrganisationKind, OrganisationState
from lilong.foundation.members.events import PersonErased
from lilong.foundation.members.models import Invitation, Membership, Organisation, Person, Token
from lilong.foundation.members.queries.people import PersonExport, gather_person
from lilong.foundation.members.services.memberships import end_membership, require_another_head
from lilong.foundation.members.services.organisations import EmailTaken
from lilong.foundation.members.services.second_factors import forget_sign_ins
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import append

ERASED_NAME = "erased"


class PersonChanged(Conflict):
    """The person joined or founded an organisation in the same moment."""

    code = "members.person_changed"
    title = "The person joined an organisation just now"
    next_step = "Ask again."
    retryable = True


def confirm_email(*, person_id: str, email: str, now: datetime) -> None:
    """Note that the person has proven to read the mail of this address, which is the person's from now on.

    For the sign-in alone: it has just seen the proof. Raises NotFound, and EmailTaken where somebody else has it.
    """
    address = email.strip().lower()
    try:
        with transaction.atomic():
            present = Person.objects.filter(id=person_id, erased_at=None)
            changed = present.update(email=address, email_verified_at=now)
    except IntegrityError as error:
        raise EmailTaken from error
    if not changed:
        raise NotFound(detail=say("There is no person {person_id}.", person_id=person_id[:64]))


def export_person(*, person_id: str, now: datetime) -> PersonExport:
    """Return everything that the hub holds about a person who is signed in and asks; raises NotFound."""
    with transaction.atomic():
        return _export(person_id, by=person_id, now=now)


def export_person_on_request(*, actor: Actor, person_id: str, now: datetime) -> PersonExport:
    """Return it to an operator, to whom the person has written; raises NotFound."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        return _export(person_id, by=actor.person_id, now=now)


def erase_person(*, person_id: str, now: datetime) -> None:
    """Erase a person who is signed in and asks: name and address go, memberships and tokens end, sessions with them.

    Ids stay, and what the person did under them. A maker's organisation is suspended, and its name goes, too. Doing it
    again does nothing. Raises LastHead, which names the organisation, and NotFound.
    """
    with transaction.atomic():
        _erase(person_id, by=person_id, reason="The person asked for it.", now=now)


def erase_person_on_request(*, actor: Actor, person_id: str, reason: str, now: datetime) -> None:
    """Erase a person who has written to the hub, as `erase_person` does. For the operator."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        _erase(person_id, by=actor.person_id, reason=reason, now=now)


def _export(person_id: str, *, by: str, now: datetime) -> PersonExport:
    export = gather_person(person_id=person_id, now=now)
    append(kind="members.person_exported", subject_id=person_id, payload={"by": by}, now=now)
    return export


def _erase(person_id: str, *, by: str, reason: str, now: datetime) -> None:
    own = Organisation.objects.filter(membership__person_id=person_id, membership__left_at=None)
    # Locked one after the other in the order of their ids, before the person: as everybody does who changes members.
    organisations = list(Organisation.objects.select_for_update().filter(id__in=own.values("id")).order_by("id"))
    person = Person.objects.select_for_update().filter(id=person_id).first()
    if person is None:
        raise NotFound(detail=say("There is no person {person_id}.", person_id=person_id[:64]))
    if person.erased_at is not None:
        return
    present = Membership.objects.filter(person=person, left_at=None)
    if present.exclude(organisation__in=organisations).exists():
        raise PersonChanged
    for membership in present.select_related("organisation").order_by("organisation_id"):
        if membership.organisation.kind == OrganisationKind.MAKER:
            _close_maker(membership.organisation, by=by, now=now)
        else:
            require_another_head(membership=membership)
        end_membership(membership=membership, by=by, now=now)
    Token.objects.filter(membership__person=person, ended_at=None).update(ended_at=now)
    Token.objects.filter(membership__person=person).update(name=ERASED_NAME)
    tombstone = f"{person.id}@erased.invalid"
    addressed = Invitation.objects.filter(email=person.email)
    addressed.unanswered().update(withdrawn_at=now)
    addressed.update(email=tombstone)
    forget_sign_ins(person=person)
    person.email, person.name = tombstone, ERASED_NAME
    person.email_verified_at, person.last_login, person.erased_at = None, None, now
    person.set_unusable_password()  # a session is bound to the password's hash, and ends with it
    person.save()
    append(kind="members.person_erased", subject_id=person.id, payload={"by": by, "reason": reason}, now=now)
    emit(event=PersonErased(person_id=person.id))


def _close_maker(organisation: Organisation, *, by: str, now: datetime) -> None:
    """Suspend a maker whose one person goes, and erase its name, which is often the person's."""
    old = organisation.state
    Organisation.objects.filter(id=organisation.id).update(state=OrganisationState.SUSPENDED, name=ERASED_NAME)
    payload = {"old": old, "new": OrganisationState.SUSPENDED.value, "reason": "Its one person was erased.", "by": by}
    append(kind="hub.override", subject_id=organisation.id, payload=payload, organisation_id=organisation.id, now=now)


def set_language(*, actor: Actor, language: Language) -> None:
    """Choose the language in which the hub writes to the actor."""
    require(may(actor, roles=frozenset(Role), scope=Scope.MANAGE))
    with transaction.atomic():
        Person.objects.filter(id=actor.person_id).update(language=language)
