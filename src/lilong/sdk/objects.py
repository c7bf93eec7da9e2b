"""Bytes by digest: uploads and downloads that go on where they were interrupted."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

import stamina

from lilong.common.canonical import sha256_hex
from lilong.common.errors import InputInvalid, LilongError
from lilong.sdk.noun import Answer, Noun, address, read_answer
from lilong.sdk.transport import ATTEMPTS, is_worth_a_retry

PART_BYTES = 8 * 1024**2
READ_BYTES = 256 * 1024
FIND_MAX = 1000
_OFFSET_WRONG = "objects.offset_wrong"
_PARTIAL_CONTENT = 206
_RANGE_UNSATISFIABLE = 416

BytesMoved: TypeAlias = Callable[[int], None]
"""Called with the number of further bytes that have moved."""


class BytesDiffer(LilongError):
    """What was downloaded is not what the digest names; nothing was kept."""

    code = "sdk.bytes_differ"
    title = "The bytes that came are not the right ones"
    status = 502
    next_step = "Download it again; if it happens twice, tell the operator."


class FileChanged(InputInvalid):
    """The file became shorter while it was uploaded."""

    code = "sdk.file_changed"
    title = "The file changed while it was uploaded"
    next_step = "Wait until nothing writes to it and upload it again."


class StoredObject(Answer):
    """One object of the organisation."""

    sha256: str
    size_bytes: int
    created_at: datetime


class Storage(Answer):
    """What the organisation uses of its quota, in bytes, open uploads included."""

    used_bytes: int
    quota_bytes: int


class Link(Answer):
    """A link, shown once: whoever has it may read this object until it expires."""

    token: str
    path: str
    expires_at: datetime


class _Found(Answer):
    missing: tuple[str, ...]


class _Upload(Answer):
    upload_id: str
    size_bytes: int
    offset: int
    complete: bool


def ignore_bytes(_count: int) -> None:
    """Take no notice of progress."""


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Objects(Noun):
    """Find, upload and download the organisation's objects."""

    def find_missing(self, *, sha256s: Iterable[str]) -> tuple[str, ...]:
        """Return those that the organisation does not hold, in the order given, each once."""
        wanted = tuple(dict.fromkeys(sha256s))
        found: list[str] = []
        for start in range(0, len(wanted), FIND_MAX):
            body = {"sha256s": wanted[start : start + FIND_MAX]}
            found += self._post(_Found, address("objects", "find"), json=body).missing
        return tuple(found)

    def list(self) -> Iterator[StoredObject]:
        """Yield the organisation's objects, newest first."""
        return self._list(StoredObject, address("objects"))

    def get_storage(self) -> Storage:
        """Return how much the organisation stores and may store."""
        return self._get(Storage, address("storage"))

    def upload_bytes(self, content: bytes, *, on_bytes: BytesMoved = ignore_bytes) -> str:
        """Upload content that fits into memory and return its digest."""
        sha256 = sha256_hex(content)
        self._send(BytesIO(content), sha256=sha256, size_bytes=len(content), on_bytes=on_bytes)
        return sha256

    def upload_file(self, path: Path, *, sha256: str = "", on_bytes: BytesMoved = ignore_bytes) -> str:
        """Upload a file and return its digest; an upload that was interrupted goes on where the hub has it.

        sha256: the file's digest where it is known. When the file is another one by now, the hub refuses.
        """
        digest = sha256 or digest_file(path)
        with path.open("rb") as file:
            self._send(file, sha256=digest, size_bytes=path.stat().st_size, on_bytes=on_bytes)
        return digest

    def read(self, sha256: str) -> bytes:
        """Return an object that fits into memory; raises BytesDiffer."""
        content = self._transport.request("GET", address("objects", sha256)).content
        if sha256_hex(content) != sha256:
            raise BytesDiffer(detail=f"The object {sha256} came with other bytes.")
        return content

    def read_chunks(self, sha256: str, *, on_bytes: BytesMoved = ignore_bytes) -> Iterator[bytes]:
        """Yield the bytes of an object as they come, unchecked."""
        with self._transport.stream(address("objects", sha256)) as response:
            for chunk in response.iter_bytes(READ_BYTES):
                on_bytes(len(chunk))
                yield chunk

    def download(self, sha256: str, *, target: Path, on_bytes: BytesMoved = ignore_bytes) -> None:
        """Write an object to `target`, whole or not at all; raises BytesDiffer.

        What an interrupted download left beside `target` is used; its bytes count as moved at once.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{sha256[:32]}.part")
        counted = _CountOnce(on_bytes)
        for attempt in stamina.retry_context(
            on=is_worth_a_retry, attempts=ATTEMPTS, wait_initial=0.1, wait_max=5.0, timeout=None
        ):
            with attempt, part.open("ab+") as file:
                self._receive(file, sha256=sha256, counted=counted)
        if digest_file(part) != sha256:
            part.unlink()
            raise BytesDiffer(detail=f"The object {sha256} came with other bytes.")
        part.replace(target)

    def delete(self, sha256: str) -> None:
        """Delete an object, with its links; refused while something needs it."""
        self._do("DELETE", address("objects", sha256))

    def make_link(self, sha256: str, *, seconds: int) -> Link:
        """Make a link through which anyone may read this one object for a while."""
        return self._post(Link, address("objects", sha256, "links"), json={"seconds": seconds})

    def revoke_links(self, sha256: str) -> None:
        """End all links to an object."""
        self._do("DELETE", address("objects", sha256, "links"))

    def _send(self, source: BinaryIO, *, sha256: str, size_bytes: int, on_bytes: BytesMoved) -> None:
        counted = _CountOnce(on_bytes)
        body = {"sha256": sha256, "size_bytes": size_bytes}
        upload = self._post(_Upload, address("uploads"), json=body)
        counted.reach(upload.offset)
        while not upload.complete:
            source.seek(upload.offset)
            content = source.read(PART_BYTES)
            if not content and upload.offset < size_bytes:
                raise FileChanged(facts={"expected_bytes": size_bytes, "found_bytes": upload.offset})
            upload = self._append(upload, content)
            counted.reach(upload.offset)

    def _append(self, upload: _Upload, content: bytes) -> _Upload:
        path = address("uploads", upload.upload_id)
        try:
            answer = self._transport.request("PUT", path, params={"offset": upload.offset}, content=content)
        except LilongError as error:
            if error.code != _OFFSET_WRONG:
                raise
            return self._get(_Upload, path)
        return read_answer(answer.content, kind=_Upload)

    def _receive(self, file: BinaryIO, *, sha256: str, counted: "_CountOnce") -> None:
        offset = file.seek(0, 2)
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with self._transport.stream(address("objects", sha256), headers=headers) as response:
                if response.status_code != _PARTIAL_CONTENT:
                    file.truncate(0)
                for chunk in response.iter_bytes(READ_BYTES):
                    file.write(chunk)
                    counted.reach(file.tell())
        except LilongError as error:
            if error.status != _RANGE_UNSATISFIABLE:
                raise  # else all bytes are here already


class _CountOnce:
    """Reports progress in a file of which pieces may be sent twice: each byte counts once."""

    def __init__(self, on_bytes: BytesMoved) -> None:
        self._on_bytes = on_bytes
        self._reached = 0

    def reach(self, offset: int) -> None:
        """Report the bytes from the furthest place until now to `offset`."""
        if offset > self._reached:
            self._on_bytes(offset - self._reached)
            self._reached = offset
