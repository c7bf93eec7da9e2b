"""Passwords: a new one, and the first one of somebody who has a one-time token."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from lilong.common.errors import Conflict, NotSignedIn
from lilong.common.sentences import say
from lilong.foundation.members.core.tokens import OPERATORS_FIRST, TokenUse, find_use
from lilong.foundation.members.models import Membership, Person, Token
from lilong.foundation.members.services.tokens import lock_one_time_token
from lilong.foundation.record.public import append


class PasswordSetAlready(Conflict):
    """The person signs in here already, so a one-time token may not set a password."""

    code = "members.password_set_already"
    title = "This person signs in here already"
    next_step = "Sign in with the password, or set a new one at “Forgot your password?”."


def set_password(*, person_id: str, password: str) -> Person:
    """Give a person a password; sessions that began with another one end with it."""
    hashed = make_password(password)  # slow on purpose, so outside of the transaction
    with transaction.atomic():
        person = Person.objects.select_for_update().get(id=person_id)
        person.password = hashed
        person.save(update_fields=["password"])
    return person


def set_first_password(*, token: str, password: str, now: datetime) -> Person:
    """Use up a one-time token to give its person a first password; raises NotSignedIn and PasswordSetAlready.

    Only a token that `lilong init` made vouches for the address. Others are handed over by an owner, who need not be
    the one who reads the mails: there the address has to be verified by a code.
    """
    hashed = make_password(password)  # slow on purpose, so outside of the transaction
    with transaction.atomic():
        row = _lock(token, now=now)
        person = _require_first_comer(row)
        row.ended_at = now
        row.save(update_fields=["ended_at"])
        person.password = hashed
        if row.name == OPERATORS_FIRST:
            person.email_verified_at = now
            EmailAddress.objects.update_or_create(
                user=person, email=person.email, defaults={"verified": True, "primary": True}
            )
        person.save(update_fields=["password", "email_verified_at"])
        append(
            kind="members.first_password_set",
            subject_id=person.id,
            payload={"token_id": row.id},
            organisation_id=row.membership.organisation_id,
            now=now,
        )
    return person


def _lock(token: str, *, now: datetime) -> Token:
    if find_use(token) is not TokenUse.ONCE:
        raise NotSignedIn(detail=say("This is not a one-time token."))
    return lock_one_time_token(token=token, now=now)


def _require_first_comer(row: Token) -> Person:
    person = Person.objects.select_for_update().get(id=row.membership.person_id)
    elsewhere = Membership.objects.filter(person=person).exclude(id=row.membership_id)
    is_known = person.has_usable_password() or elsewhere.exists() or person.last_login is not None
    # An owner may add anybody by address: that must open nothing of what the person has elsewhere.
    if is_known or EmailAddress.objects.filter(user=person, verified=True).exists():
        raise PasswordSetAlready
    return person
