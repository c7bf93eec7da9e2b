"""What tells notices without a request: letters and mails are written by the worker's steps, and sent by its couriers.

For events of the rooms before this one, which cannot post notices themselves, a subscriber belongs here.
"""

from datetime import datetime
from typing import cast

from lilong.common.canonical import Json
from lilong.common.django.resealing import SealedTable
from lilong.foundation.notices.models import Webhook
from lilong.foundation.notices.queries.backlog import MailBacklog, WebhookBacklog, measure_mails, measure_webhooks
from lilong.foundation.notices.services.deliveries import deliver_webhooks
from lilong.foundation.notices.services.erasure import forget_people
from lilong.foundation.notices.services.invitations import write_invitation_mails
from lilong.foundation.notices.services.mails import send_mails, write_mails
from lilong.foundation.notices.services.posting import tell_notices
from lilong.foundation.notices.services.upkeep import prune

__all__ = [
    "SEALED",
    "MailBacklog",
    "WebhookBacklog",
    "deliver_webhooks",
    "measure_mails",
    "measure_webhooks",
    "on_invitation_made",
    "on_person_erased",
    "prune",
    "reconcile",
    "send_mails",
    "tell_notices",
    "write_mails",
]

SEALED = (SealedTable(kind="webhook_secrets", model=Webhook, columns=("secret", "old_secret")),)


def on_invitation_made(payload: dict[str, Json], *, now: datetime) -> None:
    """Let the invitation be mailed."""
    sendings = {str(payload["invitation_id"]): cast("int", payload["generation"])}
    write_invitation_mails(sendings=sendings, now=now)


def on_person_erased(payload: dict[str, Json], *, now: datetime) -> None:  # noqa: ARG001 - a subscriber's signature
    """Forget what the person was told."""
    forget_people(person_ids=[str(payload["person_id"])])


def reconcile(*, now: datetime) -> None:
    """Tell what was posted, and write the mails that are due: all found in the tables alone.

    The worker does the two at periods of their own.
    """
    tell_notices(now=now)
    write_mails(now=now)
