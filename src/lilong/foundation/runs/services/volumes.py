"""Volumes: named folders of an organisation that outlive runs. Their content is a manifest of objects."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import PurePosixPath

from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import Conflict, FieldProblem, InputInvalid, LimitReached
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.objects.public import drop_hold, hold, store_contents
from lilong.foundation.runs.models import Volume
from lilong.foundation.runs.queries.manifests import read_manifest
from lilong.foundation.runs.queries.volumes import (
    VolumeFileMissing,
    VolumeMissing,
    VolumeView,
    read_volume,
    view_volume,
)
from lilong.protocol.manifest import (
    PATH_CHARACTERS_MAX,
    TOTAL_BYTES_MAX,
    Manifest,
    ManifestFile,
    is_safe_path,
    parse_manifest,
)

VOLUMES_PER_ORGANISATION_MAX = 100
KEEPERS = frozenset({Role.OPERATOR, Role.OWNER, Role.ADMIN, Role.MEMBER})

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class VolumeInvalid(InputInvalid):
    """A volume needs a name and a size within bounds."""

    code = "runs.volume_invalid"
    title = "This volume cannot be created"
    next_step = "Correct the fields named here."


class VolumeNameTaken(Conflict):
    """The organisation has a volume of this name with another size."""

    code = "runs.volume_name_taken"
    title = "There is a volume of this name already"
    next_step = "Choose another name, or use the volume that is there."


class VolumesReached(LimitReached):
    """An organisation has a bounded number of volumes."""

    code = "runs.volumes_reached"
    title = "Your organisation has as many volumes as it may"
    next_step = "Delete one that is not needed any more."


class VolumeFull(LimitReached):
    """The content is larger than the volume."""

    code = "runs.volume_full"
    title = "This is more than the volume takes"
    next_step = "Put less into it, or create a larger volume."


class VolumeWritten(Conflict):
    """A run has the volume mounted for writing."""

    code = "runs.volume_written"
    title = "A run is writing to this volume"
    next_step = "Wait until the run named here has finished."


class VolumeChanged(Conflict):
    """Somebody else gave the volume other content meanwhile."""

    code = "runs.volume_changed"
    title = "The volume was changed meanwhile"
    next_step = "Look at what it holds now, then do it again."


class VolumePathInvalid(InputInvalid):
    """A file can stand at no such path: it leaves the volume, is taken, or leads through a file."""

    code = "runs.volume_path_invalid"
    title = "A file cannot have this path in the volume"
    next_step = "Choose a path inside the volume that no file and no folder has, and that leads through no file."


def create_volume(*, actor: Actor, name: str, max_bytes: int, now: datetime) -> VolumeView:
    """Create an empty volume of the actor's organisation; the same call again returns the same volume."""
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    problems: list[FieldProblem] = []
    if not _NAME.fullmatch(name):
        message = say("Use small letters, digits and hyphens, beginning with a letter or digit, at most 63.")
        problems.append(FieldProblem(path="name", code="runs.volume_name", message=message))
    if not 1 <= max_bytes <= TOTAL_BYTES_MAX:
        message = say("Between 1 and {most} bytes.", most=TOTAL_BYTES_MAX)
        problems.append(FieldProblem(path="max_bytes", code="runs.volume_size", message=message))
    if problems:
        raise VolumeInvalid(fields=problems)
    with transaction.atomic():
        mine = Volume.objects.visible_to(actor)
        volume = mine.filter(name=name).first()
        if volume is None:
            if mine.count() >= VOLUMES_PER_ORGANISATION_MAX:
                raise VolumesReached(facts={"limit": VOLUMES_PER_ORGANISATION_MAX})
            volume = Volume.objects.create(
                id=new_id("vol"),
                organisation_id=actor.organisation_id,
                name=name,
                max_bytes=max_bytes,
                created_at=now,
                changed_at=now,
            )
        if volume.max_bytes != max_bytes:
            raise VolumeNameTaken(facts={"max_bytes": volume.max_bytes})
    return view_volume(volume=volume)


def put_volume(*, actor: Actor, volume_id: str, manifest_sha256: str, now: datetime) -> VolumeView:
    """Give a volume new content: a manifest whose files the organisation has uploaded. The old content is let go.

    Raises VolumeMissing, VolumeWritten, VolumeFull, ObjectMissing, ManifestInvalid.
    """
    return _put(actor, volume_id=volume_id, manifest_sha256=manifest_sha256, version=None, now=now)


def put_file(*, actor: Actor, volume_id: str, path: str, content: bytes, now: datetime) -> VolumeView:
    """Put one small file into a volume, in place of what was at its path; the others stay.

    Raises VolumeMissing, VolumeWritten, VolumeFull, VolumeChanged, ManifestInvalid and what refuses uploads.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    before, old = read_volume(actor=actor, volume_id=volume_id)
    file = ManifestFile(path=path, sha256=sha256_hex(content), size_bytes=len(content))
    others = [each for each in old.files if each.path != path]
    return _put_files(actor, before, [*others, file], contents=[content], now=now)


def remove_file(*, actor: Actor, volume_id: str, path: str, now: datetime) -> VolumeView:
    """Take one file out of a volume; the others stay, and runs that read it keep what they mounted.

    Raises VolumeMissing, VolumeFileMissing, VolumeWritten, VolumeChanged.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    before, _, others = _split_off(actor, volume_id=volume_id, path=path)
    return _put_files(actor, before, others, now=now)


def move_file(*, actor: Actor, volume_id: str, path: str, new_path: str, now: datetime) -> VolumeView:
    """Give one file of a volume another path; the others stay, and runs that read it keep what they mounted.

    Raises VolumeMissing, VolumeFileMissing, VolumePathInvalid, VolumeWritten, VolumeChanged.
    """
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    before, file, others = _split_off(actor, volume_id=volume_id, path=path)
    if not _is_free(new_path, others):
        raise VolumePathInvalid(detail=repr(new_path[:200]))
    return _put_files(actor, before, [*others, file.model_copy(update={"path": new_path})], now=now)


def delete_volume(*, actor: Actor, volume_id: str) -> None:
    """Delete a volume; runs that read it keep what they mounted. Raises VolumeMissing and VolumeWritten."""
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    with transaction.atomic():
        volume = _lock_own(actor, volume_id)
        drop_hold(holder=_name_holder(volume))
        volume.delete()


def write_version(*, volume: Volume, manifest_sha256: str, size_bytes: int, now: datetime) -> None:
    """Make a manifest the content of a locked volume: the new one is held before the old one is let go."""
    old = _name_holder(volume)
    manifest = read_manifest(organisation_id=volume.organisation_id, sha256=manifest_sha256)
    volume.version += 1
    volume.manifest_sha256, volume.size_bytes, volume.changed_at = manifest_sha256, size_bytes, now
    digests = sorted({manifest_sha256, *(file.sha256 for file in manifest.files)})
    hold(organisation_id=volume.organisation_id, sha256s=digests, holder=_name_holder(volume), until=None, now=now)
    volume.save(update_fields=["version", "manifest_sha256", "size_bytes", "changed_at"])
    drop_hold(holder=old)


def _split_off(actor: Actor, *, volume_id: str, path: str) -> tuple[VolumeView, ManifestFile, list[ManifestFile]]:
    """Return a volume, the file of a path, and all others; raises VolumeMissing, VolumeFileMissing."""
    volume, manifest = read_volume(actor=actor, volume_id=volume_id)
    file = next((each for each in manifest.files if each.path == path), None)
    if file is None:
        raise VolumeFileMissing
    return volume, file, [each for each in manifest.files if each is not file]


def _is_free(path: str, others: Sequence[ManifestFile]) -> bool:
    taken = {each.path for each in others}
    folders = {str(parent) for each in taken for parent in PurePosixPath(each).parents}
    is_possible = is_safe_path(path) and len(path) <= PATH_CHARACTERS_MAX
    return is_possible and path not in taken | folders and taken.isdisjoint(map(str, PurePosixPath(path).parents))


def _put_files(
    actor: Actor, before: VolumeView, files: Sequence[ManifestFile], *, contents: Sequence[bytes] = (), now: datetime
) -> VolumeView:
    """Give a volume these files, unless it has changed since it was read. contents: bytes that are not stored yet."""
    manifest = Manifest(files=tuple(sorted(files, key=lambda each: each.path)))
    parse_manifest(manifest.to_bytes())
    _require_room(manifest, max_bytes=before.max_bytes)
    stored = [*contents, manifest.to_bytes()]
    store_contents(organisation_id=actor.organisation_id, contents=stored, now=now)
    return _put(actor, volume_id=before.id, manifest_sha256=manifest.sha256, version=before.version, now=now)


def _put(actor: Actor, *, volume_id: str, manifest_sha256: str, version: int | None, now: datetime) -> VolumeView:
    """Give a volume new content. version: the one that it has to have still."""
    require(may(actor, roles=KEEPERS, scope=Scope.RUN))
    manifest = read_manifest(organisation_id=actor.organisation_id, sha256=manifest_sha256)
    with transaction.atomic():
        volume = _lock_own(actor, volume_id)
        if version not in {None, volume.version}:
            raise VolumeChanged
        _require_room(manifest, max_bytes=volume.max_bytes)
        write_version(volume=volume, manifest_sha256=manifest_sha256, size_bytes=manifest.size_bytes, now=now)
    return view_volume(volume=volume)


def _require_room(manifest: Manifest, *, max_bytes: int) -> None:
    if manifest.size_bytes > max_bytes:
        raise VolumeFull(facts={"limit": max_bytes, "used": manifest.size_bytes})


def _lock_own(actor: Actor, volume_id: str) -> Volume:
    """Return the volume, locked; raises VolumeMissing, and VolumeWritten while a run writes to it."""
    volume = Volume.objects.visible_to(actor).select_for_update().filter(id=volume_id).first()
    if volume is None:
        raise VolumeMissing
    if volume.writer_id is not None:
        raise VolumeWritten(facts={"run_id": volume.writer_id})
    return volume


def _name_holder(volume: Volume) -> str:
    return f"{volume.id}.{volume.version}"
