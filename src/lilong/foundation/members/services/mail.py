"""Mails: written down in the transaction of what they tell, sent by the worker, tried again until they are too old.

No request waits for a mail server, so an answer takes as long for a known address as for an unknown one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException

import structlog
from django.core.mail import EmailMessage, get_connection
from django.db import transaction

from lilong.common.django.sealing import seal, unseal
from lilong.common.ids import new_id
from lilong.foundation.members.core.mails import KEPT_FOR, PERMANENT, quote_answer, read_status
from lilong.foundation.members.models import Mail, RefusedMail

BATCH = 50
CLAIMED_FOR = timedelta(minutes=2)
PAUSE_MAX_S = 15 * 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a mail server answered. is_final: it refuses this mail, and will again."""

    code: int
    words: str
    is_final: bool


def queue_mail(*, to: str, subject: str, text: str, now: datetime) -> None:
    """Write down a mail for the worker to send at once."""
    mail_id = new_id("mail")
    content = json.dumps({"to": to, "subject": subject, "text": text})
    with transaction.atomic():
        Mail.objects.create(
            id=mail_id, sealed=seal(text=content, context=f"mail {mail_id}"), created_at=now, due_at=now
        )


def send_due_mails(*, now: datetime) -> None:
    """Send what is due, each at least once.

    One that fails waits longer each time, for a day at most; one that is refused for good is given up at once.
    """
    for mail in _claim(now):
        content = json.loads(unseal(sealed=mail.sealed, context=f"mail {mail.id}"))
        refusal = ""
        try:
            _send(content)
        except (OSError, SMTPException) as error:
            answer = _read_answer(error)
            if answer is not None and answer.is_final:
                mail_text = f"{content['subject']}\n{content['text']}"
                refusal = quote_answer(code=answer.code, answer=answer.words, mail=mail_text)
            log.warning(
                "mail_not_sent", mail=mail.id, tries=mail.tries, error=_describe(error, answer), dead=bool(refusal)
            )
            if not refusal and mail.created_at > now - KEPT_FOR:
                continue
        _end(mail, refusal=refusal, now=now)


def _read_answer(error: OSError | SMTPException) -> _Answer | None:
    """Return what the server answered, if it did. What it says of the hub rather than of a mail is never final."""
    answer: bytes | str
    if isinstance(error, SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
    elif isinstance(error, SMTPResponseException):
        code, answer = error.smtp_code, error.smtp_error
    else:
        return None
    words = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    is_of_mail = isinstance(error, (SMTPRecipientsRefused, SMTPDataError))
    return _Answer(code=code, words=words, is_final=is_of_mail and code in PERMANENT)


def _describe(error: OSError | SMTPException, answer: _Answer | None) -> str:
    """Say what failed without the server's own words, which may quote the mail and with it a code."""
    said = read_status(code=answer.code, answer=answer.words) if answer is not None else error
    return f"{type(error).__name__}: {said}"


def _end(mail: Mail, *, refusal: str, now: datetime) -> None:
    """Forget a mail; of one that was refused, keep why. Only one of several workers that had it does."""
    with transaction.atomic():
        deleted, _ = Mail.objects.filter(id=mail.id).delete()
        if deleted and refusal:
            RefusedMail.objects.create(
                id=mail.id, written_at=mail.created_at, refused_at=now, tries=mail.tries, answer=refusal
            )


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


def _send(content: Mapping[str, str]) -> None:
    message = EmailMessage(
        subject=content["subject"], body=content["text"], to=[content["to"]], connection=get_connection()
    )
    message.send()
