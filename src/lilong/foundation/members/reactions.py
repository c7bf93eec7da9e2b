"""What members do without a request: they send the mails that wait. And what whoever keeps the hub running asks."""

from datetime import datetime

from lilong.foundation.members.queries import MailBacklog, count_organisations, measure_mails
from lilong.foundation.members.services.mail import send_due_mails

__all__ = ["MailBacklog", "count_organisations", "measure_mails", "reconcile"]


def reconcile(now: datetime) -> None:
    """Send every mail that is due."""
    send_due_mails(now=now)
