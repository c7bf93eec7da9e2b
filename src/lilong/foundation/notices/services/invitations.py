"""The mails of invitations. Address and secret are asked for when one is sent: neither is kept here."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from lilong.common.ids import new_id
from lilong.foundation.members.public.invitations import RevealedInvitation, list_open_sendings, reveal_invitation
from lilong.foundation.notices.core.digests import start_of_hour
from lilong.foundation.notices.models import Mail

INVITATION = "notices.invitation"


def write_invitation_mails(*, sendings: Mapping[str, int], now: datetime) -> None:
    """Let invitations be mailed, once for each sending: `sendings` holds which, by the invitation's id."""
    mails = [
        Mail(
            id=new_id("mal"),
            invitation_id=invitation_id,
            generation=generation,
            kind=INVITATION,
            hour=start_of_hour(now),
            is_digest=False,
            written_at=now,
            next_at=now,
        )
        for invitation_id, generation in sendings.items()
    ]
    with transaction.atomic():
        Mail.objects.bulk_create(mails, ignore_conflicts=True)


def write_missing_invitation_mails(*, now: datetime) -> None:
    """Find open invitations of whose newest sending there is no mail, as when the event was lost. Two queries."""
    sendings = list_open_sendings(now=now)
    written = Mail.objects.filter(invitation_id__in=sendings).values_list("invitation_id", "generation")
    missing = dict(sendings.items() - set(written))
    if missing:
        write_invitation_mails(sendings=missing, now=now)


def reveal_for_mail(*, mail: Mail, now: datetime) -> RevealedInvitation | None:
    """Return what a mail says; None once the invitation was answered, withdrawn, sent again, or has expired."""
    return reveal_invitation(invitation_id=mail.invitation_id, generation=mail.generation, now=now)
