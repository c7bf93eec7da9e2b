"""Forgetting a person who was erased: the inbox, mails and choices go, and the name wherever a notice tells it."""

from collections.abc import Collection

from django.db import transaction

from lilong.foundation.members.public.people import list_erased_people
from lilong.foundation.notices.models import Letter, Mail, Notice, Preference

PERSON_NAME, PERSON_ID = "person", "person_id"
"""The parameters of a notice that names who did something: the name goes when the person of this id is erased."""

ERASED_NAME = "erased"
BATCH = 500


def forget_people(*, person_ids: Collection[str]) -> None:
    """Delete what these people were told and what they chose; doing it again does nothing.

    Notices stay for the others who were told; they bear ids, and no name of these people any more.
    """
    with transaction.atomic():
        Letter.objects.filter(person_id__in=person_ids).delete()
        Mail.objects.filter(person_id__in=person_ids).delete()
        Preference.objects.filter(person_id__in=person_ids).delete()
        named = Notice.objects.filter(**{f"params__{PERSON_ID}__in": list(person_ids)})
        for notice in named.exclude(**{f"params__{PERSON_NAME}": ERASED_NAME}):
            notice.params[PERSON_NAME] = ERASED_NAME
            notice.save(update_fields=["params"])


def forget_erased_people() -> None:
    """Do it for everybody who was erased: for what was written in the same moment, or where the event was lost."""
    for start in range(0, len(erased := list_erased_people()), BATCH):
        forget_people(person_ids=erased[start : start + BATCH])
