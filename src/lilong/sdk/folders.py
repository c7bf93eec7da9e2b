"""Folders as objects: send what the hub lacks of one, fetch one back."""

from functools import partial
from pathlib import Path

from lilong.protocol.manifest import parse_manifest
from lilong.sdk.objects import BytesMoved, Objects, ignore_bytes
from lilong.sdk.pack import Packed, unpack_manifest


def list_missing(*, packed: Packed, objects: Objects) -> dict[str, Path]:
    """Return the files that the organisation's objects lack, by digest."""
    missing = set(objects.find_missing(sha256s=packed.sources))
    return {sha256: path for sha256, path in packed.sources.items() if sha256 in missing}


def send_folder(
    *, packed: Packed, missing: dict[str, Path], objects: Objects, on_bytes: BytesMoved = ignore_bytes
) -> str:
    """Upload the missing files and the manifest; return the manifest's digest, by which the folder is known."""
    for sha256, path in missing.items():
        objects.upload_file(path, sha256=sha256, on_bytes=on_bytes)
    return objects.upload_bytes(packed.manifest.to_bytes())


def fetch_folder(*, manifest_sha256: str, target: Path, objects: Objects, on_bytes: BytesMoved = ignore_bytes) -> None:
    """Write the folder that a manifest names into the new or empty `target`, whole or not at all."""
    manifest = parse_manifest(objects.read(manifest_sha256))
    unpack_manifest(manifest=manifest, target=target, read=partial(objects.read_chunks, on_bytes=on_bytes))
