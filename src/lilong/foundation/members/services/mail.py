"""Mails: written down in the transaction of what they tell, sent by the worker, tried again until they are too old.

No request waits for a mail server, so an answer takes as long for a known address as for an unknown one.
"""

import json
import re
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

import structlog
from django.core.mail import EmailMessage, get_connection
from django.db import transaction

from lilong.common.django.sealing import seal, unseal
from lilong.common.ids import new_id
from lilong.foundation.members.core.mails import KEPT_FOR
from lilong.foundation.members.models import Mail

BATCH = 50
CLAIMED_FOR = timedelta(minutes=2)
PAUSE_MAX_S = 15 * 60

_STATUS = re.compile(r"[245](\.\d{1,3}){2}(?= |$)")
"""Why, in a word of RFC 3463."""

log = structlog.get_logger()


def queue_mail(*, to: str, subject: str, text: str, now: datetime) -> None:
    """Write down a mail for the worker to send at once."""
    mail_id = new_id("mail")
    content = json.dumps({"to": to, "subject": subject, "text": text})
    with transaction.atomic():
        Mail.objects.create(
            id=mail_id, sealed=seal(text=content, context=f"mail {mail_id}"), created_at=now, due_at=now
        )


def send_due_mails(*, now: datetime) -> None:
    """Send what is due, each at least once; one that fails waits longer each time, for a day at most."""
    for mail in _claim(now):
        try:
            _send(mail)
        except (OSError, SMTPException) as error:
            log.warning("mail_not_sent", mail=mail.id, tries=mail.tries, error=_describe(error))
            if mail.created_at > now - KEPT_FOR:
                continue
        with transaction.atomic():
            Mail.objects.filter(id=mail.id).delete()


def _describe(error: OSError | SMTPException) -> str:
    """Say what failed without the server's own words, which may quote the mail and with it a code."""
    name = type(error).__name__
    answer: bytes | str
    if isinstance(error, SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
    elif isinstance(error, SMTPResponseException):
        code, answer = error.smtp_code, error.smtp_error
    else:
        return f"{name}: {error}"
    status = _STATUS.match(answer.decode(errors="replace") if isinstance(answer, bytes) else answer)
    return f"{name}: {code} {status[0]}" if status else f"{name}: {code}"


def _claim(now: datetime) -> list[Mail]:
    """Take due mails away from other workers, for as long as sending one may last or its next try has to wait."""
    if not Mail.objects.filter(due_at__lte=now).exists():
        return []
    with transaction.atomic():
        due = list(Mail.objects.select_for_update(skip_locked=True).filter(due_at__lte=now).order_by("id")[:BATCH])
        for mail in due:
            mail.tries += 1
            pause_s = min(PAUSE_MAX_S, CLAIMED_FOR.total_seconds() * mail.tries)
            mail.due_at = now + timedelta(seconds=pause_s)
        Mail.objects.bulk_update(due, ["tries", "due_at"])
    return due


def _send(mail: Mail) -> None:
    content = json.loads(unseal(sealed=mail.sealed, context=f"mail {mail.id}"))
    message = EmailMessage(
        subject=content["subject"], body=content["text"], to=[content["to"]], connection=get_connection()
    )
    message.send()
