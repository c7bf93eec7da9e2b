"""What members do without a request: they send the mails that wait."""

from datetime import datetime

from lilong.foundation.members.services.mail import send_due_mails


def reconcile(now: datetime) -> None:
    """Send every mail that is due."""
    send_due_mails(now=now)
