"""Changing the key that seals what the database keeps: every room tells its tables, here they are sealed anew.

What pages show once is sealed in sessions for some minutes. It is not sealed anew: older keys stay until that is over,
and with it every request that began before the change.
"""

import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from lilong.common.django.once import SHOWN_WITHIN
from lilong.common.django.outages import StorageFull
from lilong.common.django.resealing import SealedTable, count_openers, reseal
from lilong.common.django.sealing import (
    Opener,
    changing_keys,
    drop_older_keys,
    find_keys_changed_at,
    put_first_key,
    read_keys,
)
from lilong.common.errors import Conflict
from lilong.common.time import format_moment
from lilong.foundation.members import reactions as members
from lilong.foundation.notices import reactions as notices
from lilong.foundation.outbox import reactions as outbox

SEALED: tuple[SealedTable, ...] = (*members.SEALED, *notices.SEALED, *outbox.SEALED)
OLDER_KEPT_FOR = SHOWN_WITHIN + timedelta(minutes=5)


class KeysInUse(Conflict):
    """An older key alone opens some of what the database keeps."""

    code = "seal.keys_in_use"
    title = "Older sealing keys are still needed"
    next_step = "Run `lilong seal rotate-key`, which seals anew what they seal, then this again."


class KeysTooYoung(Conflict):
    """The keys were changed so lately that pages may still show once what an older key seals."""

    code = "seal.keys_too_young"
    title = "Older sealing keys are needed for some minutes more"
    next_step = "Run this again after the time in may_go_at."


@dataclass(frozen=True, slots=True)
class Kind:
    """Sealed texts of one kind: how many were sealed anew, were so already, and are opened by no key of the hub."""

    kind: str
    resealed: int
    current: int
    closed: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did. made_key: False when it finished another that had been cut short."""

    made_key: bool
    kinds: tuple[Kind, ...]
    older_keys: int
    older_may_go_at: datetime


def rotate_key() -> Rotation:
    """Make a new key and seal everything anew with it; safe to be killed and called again.

    While something is sealed with an older key, no other is made: that rotation is finished first. Raises StorageFull,
    KeysChanging, KeysForeign.
    """
    with changing_keys():
        _require_room()
        made_key = not _count_older()
        if made_key:
            put_first_key()
        kinds = tuple(_describe(table.kind, reseal(table=table)) for table in SEALED)
        return Rotation(
            made_key=made_key,
            kinds=kinds,
            older_keys=len(read_keys().keys) - 1,
            older_may_go_at=find_keys_changed_at() + OLDER_KEPT_FOR,
        )


def drop_old_keys(*, now: datetime) -> int:
    """Forget all keys but the first, when nothing is sealed with them any more, and return how many.

    Raises KeysInUse, KeysTooYoung, KeysChanging, KeysForeign.
    """
    with changing_keys():
        if len(read_keys().keys) == 1:
            return 0
        older = _count_older()
        if older:
            said = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in older.items())
            raise KeysInUse(detail=f"Sealed with an older key: {said}.", facts=older)
        may_go_at = find_keys_changed_at() + OLDER_KEPT_FOR
        if now < may_go_at:
            until = format_moment(may_go_at)
            raise KeysTooYoung(
                detail=f"Until {until} a page may have to show once what they seal.", facts={"may_go_at": until}
            )
        return drop_older_keys()


def _count_older() -> dict[str, int]:
    """Return how many texts of each kind only an older key opens, of kinds that have some."""
    counts = {table.kind: count_openers(table=table)[Opener.OLDER] for table in SEALED}
    return {kind: count for kind, count in counts.items() if count}


def _describe(kind: str, before: Counter[Opener]) -> Kind:
    return Kind(kind=kind, resealed=before[Opener.OLDER], current=before[Opener.FIRST], closed=before[Opener.NONE])


def _require_room() -> None:
    free_bytes, needed_bytes = shutil.disk_usage(settings.LILONG.home).free, settings.LILONG.storage_reserve_bytes
    if free_bytes < needed_bytes:
        raise StorageFull(detail=f"{free_bytes >> 20} MiB are free, {needed_bytes >> 20} MiB have to be.")
