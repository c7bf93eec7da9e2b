"""Writing a pack: each file hashed while it is compressed, the manifest and its signature last.

Names, order and times in the zip are fixed, so equal contents make equal bytes with the same zlib.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, Self
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from lilong.foundation.record.public import Signature
from lilong.protocol.audit_pack import MANIFEST_FILE, SIGNATURE_FILE, PackedFile, render_manifest
from lilong.protocol.exports import render_json

PIECE_BYTES = 1 << 16
BEGINNING_OF_ZIP = (1980, 1, 1, 0, 0, 0)
UNIX, READABLE = 3, 0o100644 << 16


class PackWriter:
    """Writes files into a zip one after the other; memory is bounded by one piece and by the number of files."""

    def __init__(self, file: IO[bytes]) -> None:
        self._zip = ZipFile(file, "w", ZIP_DEFLATED, allowZip64=True)
        self._files: list[PackedFile] = []

    def add(self, path: str, chunks: Iterable[bytes], *, about: str) -> None:
        """Add a file. about: what it is, for the manifest."""
        digest, size_bytes = hashlib.sha256(), 0
        with self._zip.open(_describe(path), "w", force_zip64=True) as member:
            for piece in _gather(chunks):
                digest.update(piece)
                size_bytes += len(piece)
                member.write(piece)
        self._files.append(PackedFile(path, about, size_bytes, digest.hexdigest()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._zip.close()

    def seal(self, *, hub: str, begins_on: str, ends_on: str, sign: Callable[[bytes], Signature]) -> None:
        """Add the manifest of all that was added, and the signature over it."""
        manifest = render_manifest(hub=hub, begins_on=begins_on, ends_on=ends_on, files=self._files)
        signature = sign(manifest)
        signed = render_json({"key_id": signature.key_id, "signature": signature.hex})
        for path, content in ((MANIFEST_FILE, manifest), (SIGNATURE_FILE, signed)):
            self._zip.writestr(_describe(path), content)


def _gather(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in pieces of PIECE_BYTES or a little more: lines are short, and each write costs."""
    waiting, size_bytes = [], 0
    for chunk in chunks:
        waiting.append(chunk)
        size_bytes += len(chunk)
        if size_bytes >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size_bytes = [], 0
    yield b"".join(waiting)


def _describe(path: str) -> ZipInfo:
    info = ZipInfo(path, BEGINNING_OF_ZIP)
    info.compress_type, info.create_system, info.external_attr = ZIP_DEFLATED, UNIX, READABLE
    return info
