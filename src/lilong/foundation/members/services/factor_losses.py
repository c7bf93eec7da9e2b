"""Taking away a second factor that a person says to have lost: asked, proven by mail, decided, waited for, done.

Three things have to hold: the password, by which the person has come here; the mail, by a code; and an operator who is
sure. Then the time has to pass in which whoever reads the mails or has a session can stop it.
"""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from lilong.common.errors import Conflict, InputInvalid, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, require
from lilong.common.sentences import say
from lilong.foundation.members.core.factor_losses import (
    CODE_LIFE,
    CODE_TRIES_MAX,
    TOLD,
    LossDecision,
    LossState,
    digest_code,
)
from lilong.foundation.members.models import FactorLoss, Person
from lilong.foundation.members.queries.factor_losses import derive_stop_secret, may_decide_loss, read_stop_secret
from lilong.foundation.members.services.mail import queue_mail
from lilong.foundation.members.services.second_factors import remove_second_factor, tell_everywhere
from lilong.foundation.record.public import append

BATCH = 20
LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789"  # no vowels, so no words, and nothing that is read as something else


class LossOpen(Conflict):
    """The hub is asked already, and somebody has proven to read the person's mail."""

    code = "members.factor_loss_open"
    title = "The hub is asked for this already"
    next_step = "Wait for the mail that tells the decision."


class LossCodeWrong(InputInvalid):
    """The code is wrong, too old, or was tried too often."""

    code = "members.factor_loss_code_wrong"
    title = "This code does not fit"
    next_step = "Type the code of the newest mail, or have another one sent."


class LossNotWaiting(Conflict):
    """The request was decided, stopped or done in the meantime."""

    code = "members.factor_loss_not_waiting"
    title = "This request does not wait for a decision any more"
    next_step = "Look at what became of it."


class LossStopUnknown(NotFound):
    """The link stops nothing: it is mistyped, or what it was made for has ended."""

    code = "members.factor_loss_stop_unknown"
    title = "There is nothing to stop by this link"
    next_step = "If your second factor was removed and it was not you, change your password and tell an operator."


def ask_for_removal(*, person_id: str, now: datetime) -> None:
    """Send a code to the person who has given the password and lacks the second factor; an older code ends.

    Raises LossOpen once a code was proven.
    """
    code = _make_code()
    with transaction.atomic():
        person = _lock_person(person_id)
        row = FactorLoss.objects.filter(person=person, state__in=(LossState.ASKED, *TOLD)).first()
        if row is None:
            row = FactorLoss(id=new_id("flo"), person=person, state=LossState.ASKED)
        elif row.state != LossState.ASKED:
            raise LossOpen
        row.code_digest, row.code_tries = digest_code(loss_id=row.id, code=code), 0
        row.code_expires_at, row.asked_at = now + CODE_LIFE, now
        row.save()
        with override(person.language):
            queue_mail(
                to=person.email,
                subject=str(_("Your code for a lost second factor")),
                text=str(
                    _(
                        "Somebody who knows your password says to have lost your second factor. If this is you, type "
                        "this code:\n\n%(code)s\n\nIf it is not you, tell nobody the code and change your password now."
                    )
                )
                % {"code": code},
                now=now,
            )


def prove_mail(*, person_id: str, code: str, said: str, now: datetime) -> None:
    """Let operators decide, once the code is right, and tell it to all the person's addresses and sessions.

    said: by what an operator can make sure who it is. Raises LossCodeWrong; a try counts.
    """
    with transaction.atomic():
        person = _lock_person(person_id)
        row = FactorLoss.objects.select_for_update().filter(person=person, state=LossState.ASKED).first()
        fits = row is not None and _fits(row, code, now=now)
        if row is not None and fits:
            row.state, row.said, row.proven_at = LossState.WAITING, said, now
            _tell_of_request(row, person, now=now)
        elif row is not None:
            row.code_tries = min(row.code_tries + 1, CODE_TRIES_MAX)
        if row is not None:
            row.save()
    if not fits:
        raise LossCodeWrong


def decide_loss(*, actor: Actor, loss_id: str, decision: LossDecision, reason: str, now: datetime) -> None:
    """Let an operator who is somebody else grant or refuse it; raises NotFound, NotAllowed and LossNotWaiting."""
    with transaction.atomic():
        row, person = _lock(loss_id)
        require(may_decide_loss(actor=actor, person_id=person.id))
        if row.state != LossState.WAITING:
            raise LossNotWaiting
        row.decided_at, row.decided_by, row.reason = now, actor.person_id, reason
        if decision is LossDecision.GRANT:
            row.state = LossState.GRANTED
            row.due_at = now + timedelta(hours=settings.LILONG.second_factor_wait_hours)
        else:
            row.state, row.ended_at = LossState.REFUSED, now
            _unmark(person)
        row.save()
        append(
            kind="members.second_factor_loss_decided",
            subject_id=person.id,
            payload={"request_id": row.id, "decision": decision, "reason": reason, "by": actor.person_id},
            organisation_id=actor.organisation_id,
            now=now,
        )
        _tell_of_decision(row, person, now=now)


def stop_loss(*, secret: str, now: datetime) -> None:
    """Stop a request by the link of a mail; raises LossStopUnknown."""
    loss_id = read_stop_secret(secret=secret)
    with transaction.atomic():
        if loss_id is None or not FactorLoss.objects.filter(id=loss_id).exists():
            raise LossStopUnknown
        row, person = _lock(loss_id)
        if row.state not in TOLD:
            raise LossStopUnknown
        _stop(row, person, by="mail", now=now)


def stop_own_loss(*, person_id: str, now: datetime) -> None:
    """Stop the request about a person who is signed in, second factor and all; raises LossStopUnknown."""
    with transaction.atomic():
        person = _lock_person(person_id)
        row = FactorLoss.objects.select_for_update().filter(person=person, state__in=TOLD).first()
        if row is None:
            raise LossStopUnknown
        _stop(row, person, by=person.id, now=now)


def finish_losses(*, now: datetime) -> None:
    """Take away every second factor whose time has come, each in a transaction of its own."""
    due = FactorLoss.objects.filter(state=LossState.GRANTED, due_at__lte=now).order_by("due_at")
    for loss_id in list(due.values_list("id", flat=True)[:BATCH]):
        with transaction.atomic():
            row, person = _lock(loss_id)
            if row.state == LossState.GRANTED:
                remove_second_factor(person=person, by=row.decided_by, reason=row.reason, now=now)


def _make_code() -> str:
    """Return a fresh code of 38 bits, such as `BC4D-XZ29`."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _lock_person(person_id: str) -> Person:
    person = Person.objects.select_for_update().filter(id=person_id, erased_at=None).first()
    if person is None:
        raise NotFound(detail=say("There is no person {person_id}.", person_id=person_id[:64]))
    return person


def _lock(loss_id: str) -> tuple[FactorLoss, Person]:
    """Return a request and its person, the person locked first, as everybody does."""
    found = FactorLoss.objects.filter(id=loss_id).first()
    if found is None:
        raise NotFound(detail=say("There is no request {loss_id}.", loss_id=loss_id[:64]))
    person = _lock_person(found.person_id)
    return FactorLoss.objects.select_for_update().get(id=loss_id), person


def _fits(row: FactorLoss, code: str, *, now: datetime) -> bool:
    if row.code_tries >= CODE_TRIES_MAX or now >= row.code_expires_at:
        return False
    return constant_time_compare(row.code_digest, digest_code(loss_id=row.id, code=code))


def _stop(row: FactorLoss, person: Person, *, by: str, now: datetime) -> None:
    row.state, row.ended_at = LossState.STOPPED, now
    row.save()
    _unmark(person)
    append(
        kind="members.second_factor_loss_stopped",
        subject_id=person.id,
        payload={"request_id": row.id, "by": by},
        now=now,
    )
    tell_everywhere(
        person=person,
        subject=_("Your second factor stays"),
        text=_(
            "The request to remove your second factor was stopped. Whoever made it knows your password, and has read "
            "your mail: change both passwords now."
        ),
        now=now,
    )


def _unmark(person: Person) -> None:
    person.factor_loss_at = None
    person.save(update_fields=["factor_loss_at"])


def _tell_of_request(row: FactorLoss, person: Person, *, now: datetime) -> None:
    person.factor_loss_at = now
    person.save(update_fields=["factor_loss_at"])
    append(kind="members.second_factor_loss_told", subject_id=person.id, payload={"request_id": row.id}, now=now)
    tell_everywhere(
        person=person,
        subject=_("Somebody asks to remove your second factor"),
        text=_(
            "Somebody who knows your password and reads your mail says to have lost your second factor. An operator of "
            "the hub decides about it. If this is not you, stop it here:\n\n%(link)s"
        ),
        more={"link": _write_link(row)},
        now=now,
    )


def _tell_of_decision(row: FactorLoss, person: Person, *, now: datetime) -> None:
    if row.state == LossState.REFUSED:
        tell_everywhere(
            person=person,
            subject=_("Your second factor stays"),
            text=_("An operator has refused to remove your second factor, with this reason:\n\n%(reason)s"),
            more={"reason": row.reason},
            now=now,
        )
        return
    tell_everywhere(
        person=person,
        subject=_("Your second factor will be removed"),
        text=_(
            "An operator has agreed to remove your second factor. It goes in %(hours)s hours; then sign in by your "
            "password and set up a new one. If this is not you, stop it here:\n\n%(link)s"
        ),
        more={"hours": str(settings.LILONG.second_factor_wait_hours), "link": _write_link(row)},
        now=now,
    )


def _write_link(row: FactorLoss) -> str:
    path = reverse("account_stop_factor_loss", kwargs={"secret": derive_stop_secret(loss_id=row.id)})
    return f"{settings.LILONG.public_url.rstrip('/')}{path}"
