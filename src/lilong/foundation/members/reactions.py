"""What members do without a request: they send the mails that wait. And what whoever keeps the hub running asks."""

from datetime import datetime

from lilong.foundation.members.queries import count_organisations
from lilong.foundation.members.services.mail import send_due_mails

__all__ = ["count_organisations", "reconcile"]


def reconcile(now: datetime) -> None:
    """Send every mail that is due."""
    send_due_mails(now=now)
