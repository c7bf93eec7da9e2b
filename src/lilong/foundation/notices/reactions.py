"""What tells notices without a request: letters and mails are written by the worker's steps, and sent by its couriers.

For events of the rooms before this one, which cannot post notices themselves, a subscriber belongs here.
"""

from datetime import datetime

from lilong.foundation.notices.queries.backlog import MailBacklog, WebhookBacklog, measure_mails, measure_webhooks
from lilong.foundation.notices.services.deliveries import deliver_webhooks
from lilong.foundation.notices.services.mails import send_mails, write_mails
from lilong.foundation.notices.services.posting import tell_notices
from lilong.foundation.notices.services.upkeep import prune

__all__ = [
    "MailBacklog",
    "WebhookBacklog",
    "deliver_webhooks",
    "measure_mails",
    "measure_webhooks",
    "prune",
    "reconcile",
    "send_mails",
    "tell_notices",
    "write_mails",
]


def reconcile(*, now: datetime) -> None:
    """Tell what was posted, and write the mails that are due: all found in the tables alone.

    The worker does the two at periods of their own.
    """
    tell_notices(now=now)
    write_mails(now=now)
