"""Reads of volumes."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from lilong.common.django.paging import page_newest_first
from lilong.common.errors import NotFound
from lilong.common.paging import Page
from lilong.common.permissions import Actor, Scope, may, require
from lilong.foundation.objects.public import ObjectReader, open_object
from lilong.foundation.runs.models import Run, Volume
from lilong.foundation.runs.queries.artefacts import READERS
from lilong.foundation.runs.queries.manifests import read_manifest
from lilong.protocol.manifest import Manifest

USES_MAX = 1000


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


class VolumeFileMissing(NotFound):
    """The volume holds no file of this path now."""

    code = "runs.volume_file_missing"
    title = "There is no such file in the volume"
    next_step = "Look at what the volume holds now: its content is replaced as a whole."


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A run that is not over and has the volume mounted."""

    run_id: str
    name: str
    writes: bool


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


def read_volume(*, actor: Actor, volume_id: str) -> tuple[VolumeView, Manifest]:
    """Return a volume of the actor's organisation with its files; raises VolumeMissing. Two queries."""
    volume = get_volume(actor=actor, volume_id=volume_id)
    if not volume.manifest_sha256:
        return volume, Manifest()
    return volume, read_manifest(organisation_id=actor.organisation_id, sha256=volume.manifest_sha256)


def open_volume_file(*, actor: Actor, volume_id: str, path: str) -> ObjectReader:
    """Open a file of a volume of the actor's organisation, for the same roles as any object.

    Close its chunks, or read them all. Raises VolumeMissing, VolumeFileMissing. Three queries.
    """
    require(may(actor, roles=READERS, scope=Scope.READ))
    _, manifest = read_volume(actor=actor, volume_id=volume_id)
    sha256 = next((file.sha256 for file in manifest.files if file.path == path), None)
    if sha256 is None:
        raise VolumeFileMissing
    return open_object(organisation_id=actor.organisation_id, sha256=sha256)


def list_uses(*, actor: Actor) -> dict[str, list[VolumeUse]]:
    """Return the runs of the actor's organisation that are not over and have a volume mounted, by volume. Two queries.

    Cost: linear in the runs that are not over.
    """
    uses: dict[str, list[VolumeUse]] = {}
    if not actor.organisation_id:
        return uses
    written = Volume.objects.visible_to(actor).exclude(writer=None).values_list("id", "writer_id", "writer__name")
    for volume_id, run_id, name in written:
        uses.setdefault(volume_id, []).append(VolumeUse(run_id=run_id, name=name, writes=True))
    reading = Run.objects.filter(organisation_id=actor.organisation_id, finished_at=None).exclude(volumes={})
    for run_id, name, volumes in reading.order_by("id").values_list("id", "name", "volumes")[:USES_MAX]:
        for volume_id in volumes:
            if all(use.run_id != run_id for use in uses.get(volume_id, [])):
                uses.setdefault(volume_id, []).append(VolumeUse(run_id=run_id, name=name, writes=False))
    return uses


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
