"""A second factor that was lost, and the recovery codes with it: an operator takes it away, and nobody overlooks it."""

from datetime import datetime

from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Token as Grant
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils.translation import gettext, override

from lilong.common.canonical import Json
from lilong.common.errors import NotFound
from lilong.common.permissions import Actor, Role, Scope, Verdict, may, require
from lilong.foundation.members.models import Person, Token
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.record.public import append


def reset_second_factor(*, actor: Actor, person_id: str, reason: str, now: datetime) -> None:
    """Take every authenticator from a person who lost them; all their sessions and tokens end, and a mail tells them.

    For an operator who knows by other means that it is this person, and who is somebody else.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    if person_id == actor.person_id:
        require(Verdict(allowed=False, reason="Another operator has to do this for you."))
    with transaction.atomic():
        person = Person.objects.select_for_update().filter(id=person_id).first()
        if person is None:
            raise NotFound(detail=f"There is no person {person_id[:64]}.")
        removed, _ = Authenticator.objects.filter(user=person).delete()
        for session in UserSession.objects.filter(user=person):
            session.end()
        Token.objects.filter(membership__person=person, ended_at=None).update(ended_at=now)
        payload: dict[str, Json] = {"reason": reason, "by": actor.person_id, "authenticators": removed}
        append(
            kind="members.second_factor_reset",
            subject_id=person.id,
            payload=payload,
            organisation_id=actor.organisation_id,
            now=now,
        )
        _tell_of_reset(person, now=now)


def forget_sign_ins(*, person: Person) -> None:
    """Delete all by which a person signs in, in the caller's transaction, which holds the person."""
    for session in UserSession.objects.filter(user=person):
        session.end()
    for model in (EmailAddress, Authenticator, SocialAccount, Grant):
        model.objects.filter(user=person).delete()


def _tell_of_reset(person: Person, *, now: datetime) -> None:
    texts = []
    for language in ("en", "zh-hans"):  # nobody knows yet which one this person reads
        with override(language):
            texts.append(
                gettext(
                    "An operator of the hub has removed your second factor, at the request of somebody who said to be "
                    "you. All your sessions and tokens have ended. If this was not you, change your password now and "
                    "tell the operator."
                )
            )
    with override("en"):
        subject = gettext("Your second factor was removed")
    queue_mail(to=person.email, subject=subject, text="\n\n".join(texts), now=now)
