"""Writing what was decided, and erasing what it said."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.errors import NotAllowed, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor
from lilong.common.sentences import say
from lilong.foundation.record.core.entries import render_payload
from lilong.foundation.record.models import Entry, Payload
from lilong.protocol.evidence import COMMITMENT_KEY_BYTES, commit_payload


def append(*, kind: str, subject_id: str, payload: Mapping[str, Json], now: datetime, organisation_id: str = "") -> str:
    """Record a decision in the caller's transaction and return the entry's id; it waits for no other writer.

    Its place in the log is given later, by `seal`. organisation_id: whose members may see the payload, besides the
    operators. Raises EntryInvalid.
    """
    content = render_payload(kind=kind, subject_id=subject_id, payload=payload)
    key = secrets.token_bytes(COMMITMENT_KEY_BYTES)
    with transaction.atomic(savepoint=False):
        entry = Entry.objects.create(
            id=new_id("rec"),
            kind=kind,
            recorded_at=now,
            subject_id=subject_id,
            organisation_id=organisation_id,
            commitment=commit_payload(payload=payload, key=key),
        )
        Payload.objects.create(entry=entry, content=content, key=key)
    return entry.id


def erase_payload(*, entry_id: str, actor: Actor, now: datetime) -> None:
    """Erase what an entry said and the key of its commitment; every proof stays valid. Doing it again does nothing."""
    if not actor.is_operator:
        raise NotAllowed(detail=say("Only an operator may erase what an entry says."))
    with transaction.atomic():
        if not Entry.objects.filter(pk=entry_id).exists():
            raise NotFound(detail=say("There is no entry {entry_id}.", entry_id=entry_id[:64]))
        erased, _ = Payload.objects.filter(pk=entry_id).delete()
        if erased:
            append(kind="record.payload_erased", subject_id=entry_id, payload={"erased_by": actor.person_id}, now=now)
