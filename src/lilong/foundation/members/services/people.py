"""What is done with a person, whatever organisations the person belongs to."""

from datetime import datetime

from django.db import IntegrityError, transaction

from lilong.common.errors import NotFound
from lilong.foundation.members.models import Person
from lilong.foundation.members.services.organisations import EmailTaken


def confirm_email(*, person_id: str, email: str, now: datetime) -> None:
    """Note that the person has proven to read the mail of this address, which is the person's from now on.

    For the sign-in alone: it has just seen the proof. Raises NotFound, and EmailTaken where somebody else has it.
    """
    address = email.strip().lower()
    try:
        with transaction.atomic():
            changed = Person.objects.filter(id=person_id).update(email=address, email_verified_at=now)
    except IntegrityError as error:
        raise EmailTaken from error
    if not changed:
        raise NotFound(detail=f"There is no person {person_id[:64]}.")
