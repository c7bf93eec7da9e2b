"""Opening logs: the first of a hub, and another after a restore."""

from datetime import datetime

from django.conf import settings
from django.db import transaction

from lilong.common.errors import Conflict, NotAllowed
from lilong.common.ids import new_id
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.models import Log
from lilong.foundation.record.services.entries import append
from lilong.foundation.record.services.key_files import find_newest_key, make_key


class NotRestoring(Conflict):
    """The hub is not in restore mode."""

    code = "record.not_restoring"
    title = "The hub is not in restore mode"
    next_step = "Nothing is to be done: pay-outs are not frozen by a restore."


def open_log(*, now: datetime) -> Log:
    """Return the open log; the first is opened here."""
    with transaction.atomic():
        log = Log.objects.filter(is_open=True).first()
        return log or _open(number=1, follows_note="", now=now)


def open_log_after_restore(*, number: int, follows_note: str, now: datetime) -> Log:
    """Close the open log for ever and open log `number`, which names the last known head of the one before."""
    with transaction.atomic():
        Log.objects.filter(is_open=True).update(is_open=False)
        return _open(number=number, follows_note=follows_note, now=now)


def end_restore(*, actor: Actor, reason: str, now: datetime) -> None:
    """Let money be paid out again, after the statements were matched; `reason` says how, for the record."""
    if not actor.is_operator:
        raise NotAllowed(detail=say("Only an operator may end restore mode."))
    with transaction.atomic():
        log = Log.objects.select_for_update().filter(is_open=True, restore_ended_at=None).exclude(number=1).first()
        if log is None:
            raise NotRestoring
        Log.objects.filter(pk=log.pk).update(restore_ended_at=now)
        append(
            kind="record.restore_ended",
            subject_id=log.id,
            payload={"ended_by": actor.person_id, "reason": reason},
            now=now,
        )


def name_log(*, number: int) -> str:
    """Return the origin of log `number`: the setting's, with the number behind it from the second on."""
    origin = settings.LILONG.record_origin_in_force
    return origin if number == 1 else f"{origin}/{number}"


def _open(*, number: int, follows_note: str, now: datetime) -> Log:
    """Open a log, and make the key that it will be trusted by before it has a head."""
    if find_newest_key() is None:
        make_key(number=1)
    log = Log.objects.create(
        id=new_id("log"), number=number, origin=name_log(number=number), opened_at=now, follows_note=follows_note
    )
    append(
        kind="record.log_opened",
        subject_id=log.id,
        payload={"follows": follows_note, "origin": log.origin},
        now=now,
    )
    return log
