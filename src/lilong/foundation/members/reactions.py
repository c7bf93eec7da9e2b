"""What members do without a request: they send the mails that wait, and take away second factors whose time has come.

And what whoever keeps the hub running asks.
"""

from datetime import datetime

from allauth.mfa.models import Authenticator

from lilong.common.django.resealing import SealedTable
from lilong.foundation.members.models import Mail, Secret
from lilong.foundation.members.queries import count_organisations
from lilong.foundation.members.queries.mails import MailBacklog, measure_mails
from lilong.foundation.members.services.factor_losses import finish_losses
from lilong.foundation.members.services.mail import send_due_mails
from lilong.foundation.members.services.upkeep import prune

__all__ = ["SEALED", "MailBacklog", "count_organisations", "measure_mails", "prune", "reconcile"]

SEALED = (
    SealedTable(kind="secrets", model=Secret, columns=("sealed",)),
    SealedTable(
        kind="second_factors", model=Authenticator, columns=("data",), keys=("secret", "seed", "migrated_codes")
    ),
    SealedTable(kind="mails", model=Mail, columns=("sealed",)),
)


def reconcile(now: datetime) -> None:
    """Take away every second factor that is due, and send every mail that is."""
    finish_losses(now=now)
    send_due_mails(now=now)
