"""Bytes in a folder of this machine. A part is a file that is renamed, once it is whole, to the object it is then."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lilong.common.ids import new_id
from lilong.common.sentences import say
from lilong.foundation.objects.hashing import DigestProgress
from lilong.foundation.objects.storage import (
    BUSY_RETRY_S,
    HASH_AHEAD_BYTES,
    READ_BYTES,
    BytesMissing,
    StorageFull,
    UploadBusy,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_progress = DigestProgress()


class FolderStorage:
    """Objects under `folder/ab/cd/KEY`, parts under `folder/uploads`; `reserve_bytes` of the disk stay free."""

    size_bytes_max = 1 << 62

    def __init__(self, *, folder: Path, reserve_bytes: int) -> None:
        self._folder = folder
        self._parts = folder / "uploads"
        self._reserve_bytes = reserve_bytes

    @contextmanager
    def open_part(self, *, upload_id: str) -> Iterator["FolderPart"]:
        """Open the part's file with an exclusive lock, which ends with this process at the latest."""
        self._parts.mkdir(parents=True, exist_ok=True)
        with _storage_errors():
            descriptor = os.open(self._parts / upload_id, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UploadBusy(retry_after_s=BUSY_RETRY_S) from error
            yield FolderPart(
                name=upload_id,
                descriptor=descriptor,
                path=self._parts / upload_id,
                storage=self,
                reserve_bytes=self._reserve_bytes,
            )
        finally:
            os.close(descriptor)

    def path_of(self, key: str) -> Path:
        """Return where the object `key` lies."""
        return self._folder / key[:2] / key[2:4] / key

    def read(self, *, key: str, start: int, end: int) -> "FileStream":
        """Open a slice of the object's file."""
        try:
            descriptor = os.open(self.path_of(key), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BytesMissing(detail=say("{key} is not in the storage.", key=key)) from error
        if os.fstat(descriptor).st_size < end:
            os.close(descriptor)
            raise BytesMissing(detail=say("{key} is shorter than it was.", key=key))
        return FileStream(descriptor=descriptor, start=start, end=end)

    def has(self, *, key: str) -> bool:
        """Return whether the file is there: it got its name when it was whole."""
        return self.path_of(key).exists()

    def delete(self, *, key: str) -> None:
        """Unlink the object's file; whoever reads it at this moment reads on."""
        self.path_of(key).unlink(missing_ok=True)

    def delete_part(self, *, upload_id: str) -> None:
        """Unlink the part's file."""
        (self._parts / upload_id).unlink(missing_ok=True)
        _progress.forget(name=upload_id)

    def list_parts(self, *, older_than: float) -> Iterator[str]:
        """Yield names in the folder of parts."""
        yield from _list_old_files(self._parts, older_than=older_than)

    def clear_leftovers(self, *, older_than: float) -> int:  # noqa: ARG002 - the port hands it in
        """Find nothing: a folder holds parts and objects alone."""
        return 0

    def probe(self) -> None:
        """Write a file among the parts, which are swept when a crash leaves one."""
        name, content = new_id("upl"), os.urandom(16)
        with self.open_part(upload_id=name) as part:
            part.write(content)
            part.sync()
        try:
            if (self._parts / name).read_bytes() != content:
                raise BytesMissing(detail=say("{name} is not what was written.", name=str(self._parts / name)))
        finally:
            self.delete_part(upload_id=name)

    def list_keys(self, *, shard: int, older_than: float) -> Iterator[str]:
        """Yield names below one of the 256 first-level folders."""
        top = self._folder / f"{shard:02x}"
        with suppress(FileNotFoundError):
            for folder in sorted(top.iterdir()):
                yield from _list_old_files(folder, older_than=older_than)


class FolderPart:
    """One open, locked part."""

    def __init__(self, *, name: str, descriptor: int, path: Path, storage: FolderStorage, reserve_bytes: int) -> None:
        self.end = os.fstat(descriptor).st_size
        self._name = name
        self._descriptor = descriptor
        self._path = path
        self._storage = storage
        self._reserve_bytes = reserve_bytes
        self._start = self.end

    def cut(self, *, size_bytes: int) -> bool:
        """Truncate: what lies behind was never promised to anyone."""
        if self.end < size_bytes:
            return False
        os.ftruncate(self._descriptor, size_bytes)
        os.lseek(self._descriptor, size_bytes, os.SEEK_SET)
        self.end = self._start = size_bytes
        return True

    def write(self, chunk: bytes) -> None:
        """Append the chunk if the disk keeps its reserve."""
        try:
            self._require_room(len(chunk))
            with _storage_errors():
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
        except StorageFull:
            self.cut(size_bytes=self._start)
            raise
        self.end += len(chunk)

    def _require_room(self, size_bytes: int) -> None:
        disk = os.fstatvfs(self._descriptor)
        if disk.f_bavail * disk.f_frsize - size_bytes < self._reserve_bytes:
            raise StorageFull

    def sync(self) -> None:
        """Flush the file to the disk, and its name when it is new."""
        with _storage_errors():
            os.fsync(self._descriptor)
            if self._start == 0:
                _sync_folder(self._path.parent)

    def hash_ahead(self) -> None:
        """Hash what came in, and some of what this process has not seen."""
        _progress.advance(name=self._name, descriptor=self._descriptor, end=self.end, at_most_bytes=HASH_AHEAD_BYTES)

    def digest(self) -> str:
        """Hash what is left to hash, from the file itself. Linear in the bytes this process has not yet seen."""
        return _progress.digest(name=self._name, descriptor=self._descriptor, end=self.end)

    def place(self, *, key: str) -> bool:
        """Rename the part's file to the object's, which is atomic, and make the names durable."""
        target = self._storage.path_of(key)
        with _storage_errors():
            if not target.parent.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _sync_folder(target.parent.parent.parent)
                _sync_folder(target.parent.parent)
            try:
                self._path.replace(target)
            except FileNotFoundError:
                return False
            _sync_folder(target.parent)
            _sync_folder(self._path.parent)
        _progress.forget(name=self._name)
        return True


class FileStream:
    """Chunks of one open file from `start` up to `end`."""

    def __init__(self, *, descriptor: int, start: int, end: int) -> None:
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._position, self._end = start, end

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        size = min(READ_BYTES, self._end - self._position)
        piece = os.pread(self._file.fileno(), size, self._position) if size else b""
        if not piece:
            self.close()
            raise StopIteration
        self._position += len(piece)
        return piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _list_old_files(folder: Path, *, older_than: float) -> Iterator[str]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                if entry.stat().st_mtime < older_than:
                    yield entry.name


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise
