"""Write and send mail about letters.

A mail is claimed by moving its next_at ahead, sent outside of any transaction, and then noted as sent. A worker that is
killed between the two lets it be sent again with the same Message-ID, by which mail programs know a repetition.
"""

import re
import smtplib
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.db.models import Q, QuerySet

from lilong.common.errors import NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.public.people import Language, list_people
from lilong.foundation.notices.core.digests import WaitingLetter, plan_mails, start_of_hour
from lilong.foundation.notices.core.kinds import MailRule, Wording
from lilong.foundation.notices.core.retries import MAIL_WAITS_S, find_next_try
from lilong.foundation.notices.models import DEAD, DROPPED, SENT, WAITING, Letter, Mail
from lilong.foundation.notices.queries.kinds import load_kinds
from lilong.foundation.notices.queries.wording import word_invitation, word_mail
from lilong.foundation.notices.services.invitations import (
    INVITATION,
    reveal_for_mail,
    write_missing_invitation_mails,
)

PEOPLE_A_CALL = 50
LETTERS_A_PERSON = 2000
MAILS_A_CALL = 20
CLAIM_S = 300
ERROR_MAX = 500
PERMANENT = range(500, 600)
LEFT = "The person has left."
OVER = "The invitation is over: answered, withdrawn, sent again or expired, or the hub's key was replaced."

_SECRET = re.compile(r"lil[a-z]*_[A-Za-z0-9_-]{20,}")
"""A mail server that refuses a mail may quote it, and with it a secret, in its answer."""

log = structlog.get_logger()


class MailMissing(NotFound):
    """There is no mail with this id that waits for an operator."""

    code = "notices.mail_missing"
    title = "There is no such undelivered mail"
    next_step = "List them with `GET /api/v1/mails?state=dead`."


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a mail was not taken; permanent: trying again would change nothing."""

    text: str
    permanent: bool = False


def write_mails(*, now: datetime) -> int:
    """Write the mails that are due about new letters, single ones or digests, and return how many.

    Mails of invitations that an event should have asked for are made up for.
    """
    write_missing_invitation_mails(now=now)
    written, after = 0, ("", "")
    while people := _list_people_with_letters(after):
        for person_id, organisation_id in people:
            written += _write_for(person_id, organisation_id, now=now)
        after = people[-1]
    return written


def send_mails(*, now: datetime, limit: int = MAILS_A_CALL) -> int:
    """Send what is due and return how many were sent; an unreachable server is asked once for all of them."""
    mails = _claim(now, limit)
    if not mails:
        return 0
    connection = get_connection()
    sent, unreachable = 0, None
    try:
        for mail in mails:
            message, failure = _build(mail, connection, now=now), unreachable
            if message is not None and failure is None:
                failure, is_down = _hand_over(message, connection)
                unreachable = failure if is_down else None
            sent += _note(mail, failure, is_dropped=message is None, now=now)
    finally:
        connection.close()
    return sent


def retry_mail(*, actor: Actor, mail_id: str, now: datetime) -> None:
    """Let a mail that was given up be sent again from the start; for the operator. Raises MailMissing."""
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        dead = Mail.objects.filter(id=mail_id, state=DEAD)
        if not dead.update(state=WAITING, attempts=0, next_at=now):
            raise MailMissing(detail=say("There is no undelivered mail {mail_id}.", mail_id=mail_id[:64]))


def _list_people_with_letters(after: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the next people, with the organisation, about whose letters mail is still to be written."""
    unmailed = Letter.objects.filter(wants_mail=True, mail=None)
    rest = unmailed.filter(Q(person_id__gt=after[0]) | Q(person_id=after[0], organisation_id__gt=after[1]))
    pairs = rest.order_by("person_id", "organisation_id").values_list("person_id", "organisation_id").distinct()
    return list(pairs[:PEOPLE_A_CALL])


def _write_for(person_id: str, organisation_id: str, *, now: datetime) -> int:
    """Write what is due to one person. It is planned without a lock first: most letters wait for their hour to end."""
    unmailed = Letter.objects.filter(
        person_id=person_id, organisation_id=organisation_id, wants_mail=True, mail=None, kind__in=load_kinds()
    )
    if not _plan(unmailed, now):
        return 0
    with transaction.atomic():
        planned = _plan(unmailed.select_for_update(skip_locked=True), now)
        for letters in planned:
            first = letters[0]
            mail = Mail.objects.create(
                id=new_id("mal"),
                person_id=person_id,
                organisation_id=organisation_id,
                kind=first.kind,
                hour=start_of_hour(first.posted_at),
                is_digest=len(letters) > 1 or load_kinds()[first.kind].mail is not MailRule.NOW,
                written_at=now,
                next_at=now,
            )
            Letter.objects.filter(id__in=[letter.id for letter in letters]).update(mail=mail)
    return len(planned)


def _plan(unmailed: QuerySet[Letter], now: datetime) -> list[list[Letter]]:
    """Return the letters of one person that belong into one mail each, of what is due."""
    letters = {letter.id: letter for letter in unmailed.order_by("id")[:LETTERS_A_PERSON]}
    if not letters:
        return []
    first = next(iter(letters.values()))
    at_once = Counter(
        Mail.objects.filter(
            person_id=first.person_id,
            organisation_id=first.organisation_id,
            is_digest=False,
            hour__gte=start_of_hour(first.posted_at),
        ).values_list("kind", "hour")
    )
    waiting = [WaitingLetter(id=row.id, kind=row.kind, posted_at=row.posted_at) for row in letters.values()]
    planned = plan_mails(letters=waiting, kinds=load_kinds(), at_once=at_once, now=now)
    return [[letters[letter_id] for letter_id in letter_ids] for letter_ids in planned]


def _claim(now: datetime, limit: int) -> list[Mail]:
    due = Mail.objects.filter(state=WAITING, next_at__lte=now)
    if not due.exists():
        return []
    with transaction.atomic():
        mails = list(due.select_for_update(skip_locked=True).order_by("next_at", "id")[:limit])
        for mail in mails:
            mail.attempts += 1
            mail.next_at = now + timedelta(seconds=CLAIM_S)
        Mail.objects.bulk_update(mails, ["attempts", "next_at"])
    return mails


def _build(mail: Mail, connection: BaseEmailBackend, *, now: datetime) -> EmailMessage | None:
    """Return the message, or None where the person has left the organisation, or the invitation is over."""
    addressed = _address_invitation(mail, now) if mail.invitation_id else _address_person(mail)
    if addressed is None:
        return None
    to, language, wording = addressed
    host = urlsplit(settings.LILONG.public_url).hostname or "localhost"
    return EmailMessage(
        subject=wording.title,
        body=wording.text,
        from_email=settings.LILONG.mail_from_in_force,
        to=[to],
        connection=connection,
        headers={
            "Message-ID": f"<{mail.id}@{host}>",
            "Auto-Submitted": "auto-generated",
            "Content-Language": language.value,
        },
    )


def _address_person(mail: Mail) -> tuple[str, Language, Wording] | None:
    people = list_people(organisation_id=mail.organisation_id, person_ids=[mail.person_id])
    if not people:
        return None
    return people[0].email, people[0].language, word_mail(mail=mail, language=people[0].language)


def _address_invitation(mail: Mail, now: datetime) -> tuple[str, Language, Wording] | None:
    revealed = reveal_for_mail(mail=mail, now=now)
    if revealed is None:
        return None
    return revealed.invitation.email, revealed.invitation.language, word_invitation(kind=INVITATION, revealed=revealed)


def _hand_over(message: EmailMessage, connection: BaseEmailBackend) -> tuple[_Failure | None, bool]:
    """Send it; return why it failed, and whether the server could not be used at all."""
    try:
        connection.open()
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _Failure(f"{code} {text!r}", permanent=code in PERMANENT), False
    except smtplib.SMTPDataError as error:
        return _Failure(f"{error.smtp_code} {error.smtp_error!r}", permanent=error.smtp_code in PERMANENT), False
    except (smtplib.SMTPException, OSError) as error:
        connection.close()
        return _Failure(f"{type(error).__name__}: {error}"), True
    except (ValueError, IndexError, LookupError) as error:  # an address that no header can hold
        return _Failure(f"{type(error).__name__}: {error}", permanent=True), False
    return None, False


def _note(mail: Mail, failure: _Failure | None, *, is_dropped: bool, now: datetime) -> bool:
    """Write down what became of a claimed mail, unless another worker took it over; return whether it was sent."""
    mine = Mail.objects.filter(id=mail.id, attempts=mail.attempts, state=WAITING)
    with transaction.atomic():
        if is_dropped:
            mine.update(state=DROPPED, last_error=OVER if mail.invitation_id else LEFT)
            return False
        if failure is None:
            mine.update(state=SENT, sent_at=now, last_error="")
            return True
        next_at = None
        if not failure.permanent:
            next_at = find_next_try(attempts=mail.attempts, waits_s=MAIL_WAITS_S, now=now)
        text = _SECRET.sub("…", failure.text)
        mine.update(state=WAITING if next_at else DEAD, next_at=next_at or now, last_error=text[:ERROR_MAX])
    log.warning("mail_failed", mail=mail.id, attempts=mail.attempts, error=text, dead=next_at is None)
    return False
