"""The right to do something alone: named, held, expiring."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from lilong.foundation.outbox.models import Lease


def take_lease(*, name: str, holder: str, seconds: float, now: datetime) -> bool:
    """Take the lease `name` for `holder`, or renew it; return False while somebody else holds it.

    A lease that another holder let expire is taken over: what it protects must bear a former holder that still acts.
    """
    until = now + timedelta(seconds=seconds)
    with transaction.atomic():
        free = Lease.objects.filter(Q(holder=holder) | Q(expires_at__lte=now), name=name)
        if free.update(holder=holder, expires_at=until):
            return True
        fresh = Lease(name=name, holder=holder, expires_at=until)
        Lease.objects.bulk_create([fresh], ignore_conflicts=True)
        return Lease.objects.filter(name=name, holder=holder).exists()


def release_lease(*, name: str, holder: str) -> None:
    """Give the lease back early; nothing happens when `holder` does not hold it."""
    with transaction.atomic():
        Lease.objects.filter(name=name, holder=holder).delete()
