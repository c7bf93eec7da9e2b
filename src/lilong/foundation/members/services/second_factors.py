"""A second factor that was lost, and the recovery codes with it: an operator takes it away, and nobody overlooks it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token as Grant
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from lilong.common.canonical import Json
from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.factor_losses import OPEN, LossState
from lilong.foundation.members.models import FactorLoss, Person, Token
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.record.public import append

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def reset_second_factor(*, actor: Actor, person_id: str, reason: str, now: datetime) -> None:
    """Take every authenticator from a person who lost them; all their sessions and tokens end, and a mail tells them.

    For an operator who knows by other means that it is this person, and who is somebody else.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    if person_id == actor.person_id:
        require(Verdict(allowed=False, reason=say("Another operator has to do this for you.")))
    with transaction.atomic():
        person = Person.objects.select_for_update().filter(id=person_id).first()
        if person is None:
            raise NotFound(detail=say("There is no person {person_id}.", person_id=person_id[:64]))
        remove_second_factor(person=person, by=actor.person_id, reason=reason, now=now)


def remove_second_factor(*, person: Person, by: str, reason: str, now: datetime) -> None:
    """Take every authenticator from a person, in the caller's transaction, which holds the person.

    All sessions and tokens end, a request to do this is done, and all the person's addresses are told.
    """
    removed, _rows = Authenticator.objects.filter(user=person).delete()
    for session in UserSession.objects.filter(user=person):
        session.end()
    Token.objects.filter(membership__person=person, ended_at=None).update(ended_at=now)
    FactorLoss.objects.filter(person=person, state__in=OPEN).update(state=LossState.DONE, ended_at=now)
    person.factor_loss_at = None
    person.save(update_fields=["factor_loss_at"])
    payload: dict[str, Json] = {"reason": reason, "by": by, "authenticators": removed}
    append(kind="members.second_factor_reset", subject_id=person.id, payload=payload, now=now)
    tell_everywhere(
        person=person,
        subject=_("Your second factor was removed"),
        text=_(
            "An operator of the hub has removed your second factor, at the request of somebody who said to be you. All "
            "your sessions and tokens have ended. Set up a new one when you sign in again. If this was not you, change "
            "your password now and tell the operator."
        ),
        now=now,
    )


def forget_sign_ins(*, person: Person) -> None:
    """Delete all by which a person signs in, in the caller's transaction, which holds the person."""
    for session in UserSession.objects.filter(user=person):
        session.end()
    FactorLoss.objects.filter(person=person).delete()
    person.factor_loss_at = None
    for model in (EmailAddress, Authenticator, SocialAccount, Grant):
        model.objects.filter(user=person).delete()


def tell_everywhere(
    *, person: Person, subject: "_StrPromise", text: "_StrPromise", now: datetime, more: Mapping[str, str] | None = None
) -> None:
    """Write to each address that the person has proven, in the person's language; `more` fills the text."""
    proven = EmailAddress.objects.filter(user=person, verified=True).values_list("email", flat=True)
    with override(person.language):
        for address in sorted({person.email, *proven}):
            queue_mail(to=address, subject=str(subject), text=str(text) % (more or {}), now=now)
