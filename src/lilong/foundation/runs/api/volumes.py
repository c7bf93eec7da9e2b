"""Volumes over HTTP."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status

from lilong.common.django.fields import PAGE_LIMIT_DEFAULT, CursorInQuery, IdInPath, LimitInQuery, Name, RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.foundation.runs.queries.volumes import get_volume, list_volumes
from lilong.foundation.runs.services.volumes import (
    KEEPERS,
    create_volume,
    delete_volume,
    move_file,
    put_volume,
    remove_file,
)
from lilong.protocol.manifest import PATH_CHARACTERS_MAX
from lilong.protocol.spec import Sha256

router = Router(tags=["volumes"])

SIZE_MAX = 2**50

FilePath = Annotated[str, Field(min_length=1, max_length=PATH_CHARACTERS_MAX)]


class VolumeIn(RequestBody):
    """A new volume."""

    name: Name
    max_bytes: Annotated[int, Field(ge=1, le=SIZE_MAX)]


class VolumeContentIn(RequestBody):
    """New content: the digest of an uploaded manifest whose files are uploaded too."""

    manifest_sha256: Sha256


class FileMoveIn(RequestBody):
    """A file of the volume, and the path that it gets."""

    path: FilePath
    new_path: FilePath


class VolumeOut(Schema):
    """A volume and its present content; version 0 is empty."""

    id: str
    name: str
    max_bytes: int
    version: int
    manifest_sha256: str
    size_bytes: int
    created_at: datetime
    changed_at: datetime
    writer_run_id: str


class VolumePageOut(Schema):
    """A page of volumes, newest first."""

    items: list[VolumeOut]
    next_cursor: str | None


@router.get("/volumes", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: VolumePageOut, **PROBLEMS})
def list_own_volumes(
    request: HttpRequest, cursor: CursorInQuery = None, limit: LimitInQuery = PAGE_LIMIT_DEFAULT
) -> object:
    """List the organisation's volumes, newest first."""
    return list_volumes(actor=get_actor(request), cursor=cursor, limit=limit)


@router.post("/volumes", openapi_extra=allow(KEEPERS, Scope.RUN), response={201: VolumeOut, **PROBLEMS})
def add_volume(request: HttpRequest, body: VolumeIn) -> object:
    """Create an empty volume; the same name and size again return the same volume."""
    made = create_volume(actor=get_actor(request), name=body.name, max_bytes=body.max_bytes, now=utc_now())
    return Status(201, made)


@router.get("/volumes/{volume_id}", openapi_extra=allow(ALL_ROLES, Scope.READ), response={200: VolumeOut, **PROBLEMS})
def show_volume(request: HttpRequest, volume_id: IdInPath) -> object:
    """Show a volume and the manifest that is its content."""
    return get_volume(actor=get_actor(request), volume_id=volume_id)


@router.put("/volumes/{volume_id}", openapi_extra=allow(KEEPERS, Scope.RUN), response={200: VolumeOut, **PROBLEMS})
def fill_volume(request: HttpRequest, volume_id: IdInPath, body: VolumeContentIn) -> object:
    """Give a volume new content: a manifest and files that were uploaded as objects."""
    return put_volume(
        actor=get_actor(request), volume_id=volume_id, manifest_sha256=body.manifest_sha256, now=utc_now()
    )


@router.delete("/volumes/{volume_id}", openapi_extra=allow(KEEPERS, Scope.RUN), response={204: None, **PROBLEMS})
def remove_volume(request: HttpRequest, volume_id: IdInPath) -> object:
    """Delete a volume; refused while a run writes to it."""
    delete_volume(actor=get_actor(request), volume_id=volume_id)
    return Status(204, None)


@router.patch(
    "/volumes/{volume_id}/files", openapi_extra=allow(KEEPERS, Scope.RUN), response={200: VolumeOut, **PROBLEMS}
)
def rename_file(request: HttpRequest, volume_id: IdInPath, body: FileMoveIn) -> object:
    """Give one file another path; refused while a run writes to the volume. Runs that read it keep what they have."""
    return move_file(
        actor=get_actor(request), volume_id=volume_id, path=body.path, new_path=body.new_path, now=utc_now()
    )


@router.delete(
    "/volumes/{volume_id}/files", openapi_extra=allow(KEEPERS, Scope.RUN), response={200: VolumeOut, **PROBLEMS}
)
def take_file_out(
    request: HttpRequest,
    volume_id: IdInPath,
    path: Annotated[str, Query(min_length=1, max_length=PATH_CHARACTERS_MAX)],
) -> object:
    """Take one file out; refused while a run writes to the volume. Runs that read it keep what they mounted."""
    return remove_file(actor=get_actor(request), volume_id=volume_id, path=path, now=utc_now())
