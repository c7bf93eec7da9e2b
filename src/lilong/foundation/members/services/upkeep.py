"""Deleting what signing in leaves behind."""

from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction

from lilong.foundation.members.core.mails import REFUSALS_KEPT_FOR
from lilong.foundation.members.models import RefusedMail

BATCH = 1000
BATCHES = 50


def prune(*, now: datetime) -> int:
    """Delete sessions that have expired, with the addresses of who had them; return how many sessions went.

    Answers to mails that were refused go once they are old. At most BATCHES times BATCH sessions a call, each batch in
    a transaction of its own. Idle calls read.
    """
    old = RefusedMail.objects.filter(refused_at__lte=now - REFUSALS_KEPT_FOR)
    if old.exists():
        with transaction.atomic():
            RefusedMail.objects.filter(id__in=list(old.values_list("id", flat=True)[:BATCH])).delete()
    count = 0
    for _ in range(BATCHES):
        expired = Session.objects.filter(expire_date__lt=now).order_by("expire_date")[:BATCH]
        if not expired.exists():
            break
        with transaction.atomic():
            keys = list(expired.select_for_update(skip_locked=True).values_list("session_key", flat=True))
            UserSession.objects.filter(session_key__in=keys).delete()
            count += Session.objects.filter(session_key__in=keys).delete()[0]
        if len(keys) < BATCH:
            break
    return count
