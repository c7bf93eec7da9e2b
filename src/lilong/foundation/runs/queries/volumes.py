"""Reads of volumes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor
from lilong.foundation.runs.models import Volume


class VolumeMissing(NotFound):
    """There is no such volume of this organisation."""

    code = "runs.volume_missing"
    title = "There is no such volume"
    next_step = "`lilong volumes list` shows those of your organisation."


@dataclass(frozen=True, slots=True)
class VolumeView:
    """A volume and its present content; version 0 is empty. writer_run_id: the run that writes to it now, if any."""

    id: str
    name: str
    max_bytes: int
    version: int
    manifest_sha256: str
    size_bytes: int
    created_at: datetime
    changed_at: datetime
    writer_run_id: str


def get_volume(*, actor: Actor, volume_id: str) -> VolumeView:
    """Return a volume of the actor's organisation; raises VolumeMissing."""
    volume = Volume.objects.visible_to(actor).filter(id=volume_id).first()
    if volume is None:
        raise VolumeMissing
    return view_volume(volume=volume)


def list_volumes(*, actor: Actor, cursor: str | None, limit: int) -> Page[VolumeView]:
    """Return a page of the volumes of the actor's organisation, newest first."""
    page = page_newest_first(Volume.objects.visible_to(actor), cursor=cursor, limit=limit)
    return Page(items=[view_volume(volume=volume) for volume in page.items], next_cursor=page.next_cursor)


def find_missing_volumes(*, organisation_id: str, volume_ids: Collection[str]) -> list[str]:
    """Return which of these volumes the organisation does not have, sorted. One query."""
    present = Volume.objects.filter(organisation_id=organisation_id, id__in=volume_ids).values_list("id", flat=True)
    return sorted(set(volume_ids) - set(present))


def view_volume(*, volume: Volume) -> VolumeView:
    """Return the row as others see it."""
    return VolumeView(
        id=volume.id,
        name=volume.name,
        max_bytes=volume.max_bytes,
        version=volume.version,
        manifest_sha256=volume.manifest_sha256,
        size_bytes=volume.size_bytes,
        created_at=volume.created_at,
        changed_at=volume.changed_at,
        writer_run_id=volume.writer_id or "",
    )
