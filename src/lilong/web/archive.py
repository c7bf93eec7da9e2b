"""One file that holds a hub: database, keys, settings, objects and logs, each with its SHA-256.

The database is a SQLite file and the objects lie in folders, wherever the hub keeps them. A plain tar file whose last
member, `manifest.json`, lists the others, so one that was cut short is known by its lack.
It holds the hub's private keys: keep it like them.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from lilong.common.errors import Conflict, InputInvalid
from lilong.common.files import write_durably
from lilong.common.time import format_moment

FORMAT = "lilong-backup-1"
DATABASE = "hub.sqlite3"
STAGED_DATABASE = "hub.sqlite3.restored"
SETTINGS = "settings.toml"
KEYS = "keys"
OBJECTS = "objects"
PARTS = f"{OBJECTS}/uploads/"
FOLDERS = (KEYS, OBJECTS, "logs")
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 1 << 30
CHUNK_BYTES = 1 << 20


class ArchiveBroken(InputInvalid):
    """The file is no backup, or not all of one."""

    code = "backup.archive_broken"
    title = "This is not a whole backup"
    next_step = "Use another archive. Nothing runs from what was unpacked of this one."


class HomeInUse(Conflict):
    """There is a hub in the folder already."""

    code = "backup.home_in_use"
    title = "There is a hub in this folder already"
    next_step = "Stop it and move its hub.sqlite3 (with -wal and -shm) and keys away, or restore into another folder."


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object that does not lie in the home: its key, its size, and how to read it; raises FileNotFoundError."""

    key: str
    size_bytes: int
    read: Callable[[], Iterator[bytes]]


def write_archive(
    *,
    home: Path,
    copy_database: Callable[[Path], None],
    list_remote: Callable[[Path], Iterable[RemoteObject]] | None,
    archive: Path,
    now: datetime,
) -> int:
    """Write the hub in `home`, which may be running, into `archive` and return how many files it holds.

    The database is copied first, in one consistent state, by `copy_database`, which makes the file it is given. What
    the storage gains meanwhile does no harm, and what it loses nobody refers to in that state. A crash leaves no
    archive or the whole one. list_remote: tells, from the copied database, the objects that lie elsewhere than in the
    home. Raises FileExistsError rather than replace an archive.
    """
    if archive.exists():
        raise FileExistsError(archive)
    fresh = archive.with_name(f".{archive.name}.{os.getpid()}")
    copy = archive.with_name(f".{archive.name}.{os.getpid()}.sqlite3")
    try:
        copy_database(copy)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            sums = _write_members(file, home=home, copy=copy, list_remote=list_remote, now=now)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, archive)
        _sync_folder(archive.parent)
    finally:
        fresh.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
    return len(sums)


def unpack_archive(
    *, archive: Path, home: Path, place_remote: Callable[[str, Iterator[bytes]], object] | None = None
) -> int:
    """Unpack a backup into `home` and return how many files it held; raises ArchiveBroken and HomeInUse.

    The database is put aside as `hub.sqlite3.restored`: no hub starts from it before the restore is finished. Doing it
    again, after a crash, is fine. Settings that are there already stay. place_remote: takes key and bytes of each
    object where they lie elsewhere than in the home; parts of uploads are then left out, and begin anew.
    """
    if (home / DATABASE).exists():
        raise HomeInUse(detail=f"{home / DATABASE} exists.")
    _check_archive(archive, home)
    try:
        with tarfile.open(archive, "r:") as tar:
            count = 0
            for member in tar:
                if member.name == MANIFEST:
                    continue
                count += 1
                if place_remote is None or not member.name.startswith(f"{OBJECTS}/"):
                    _unpack_member(tar, member, home)
                elif not member.name.startswith(PARTS) and (content := tar.extractfile(member)):
                    place_remote(PurePosixPath(member.name).name, iter(partial(content.read, CHUNK_BYTES), b""))
    except tarfile.TarError as error:
        raise ArchiveBroken(detail=str(error)) from error
    for folder in (home, *(home / name for name in FOLDERS if (home / name).is_dir())):
        _sync_folder(folder)
    return count


def copy_sqlite(database: Path, copy: Path) -> None:
    """Copy a SQLite database that is in use, at one moment, into a new file."""
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")


def _write_members(
    file: IO[bytes],
    *,
    home: Path,
    copy: Path,
    list_remote: Callable[[Path], Iterable[RemoteObject]] | None,
    now: datetime,
) -> dict[str, str]:
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        tar.copybufsize = CHUNK_BYTES  # type: ignore[attr-defined]  # documented for the constructor
        folders = FOLDERS if list_remote is None else tuple(name for name in FOLDERS if name != OBJECTS)
        for name, path in [(DATABASE, copy), *_list_files(home, folders)]:
            try:
                content = path.open("rb")
            except FileNotFoundError:
                continue  # deleted since it was listed: the copied database wants nothing of it
            with content:
                sums[name] = _add_member(tar, name, content, size_bytes=os.fstat(content.fileno()).st_size)
        for found in list_remote(copy) if list_remote is not None else ():
            with suppress(FileNotFoundError):
                name = f"{OBJECTS}/{found.key[:2]}/{found.key[2:4]}/{found.key}"
                sums[name] = _add_member(tar, name, _ChunkReader(found.read()), size_bytes=found.size_bytes)
        manifest = {"format": FORMAT, "made_at": format_moment(now), "sha256": sums}
        text = json.dumps(manifest, ensure_ascii=False, sort_keys=True).encode()
        tar.addfile(_describe(MANIFEST, len(text)), io.BytesIO(text))
    return sums


def _list_files(home: Path, folders: Sequence[str]) -> Iterator[tuple[str, Path]]:
    if (home / SETTINGS).exists():
        yield SETTINGS, home / SETTINGS
    for name in folders:
        for path in sorted((home / name).rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                yield path.relative_to(home).as_posix(), path


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def _add_member(tar: tarfile.TarFile, name: str, content: _Readable, *, size_bytes: int) -> str:
    """Add so many bytes, even if there are more meanwhile, and return their digest."""
    reader = _HashingReader(content)
    tar.addfile(_describe(name, size_bytes), reader)
    return reader.digest.hexdigest()


def _describe(name: str, size_bytes: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size_bytes, 0o600
    return member


class _HashingReader(io.RawIOBase):
    """Reads from a file and hashes what was read."""

    def __init__(self, content: _Readable) -> None:
        self._content = content
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        chunk = self._content.read(size)
        self.digest.update(chunk)
        return chunk


class _ChunkReader:
    """Reads chunks as if they were a file; what opens them is asked at once, so that a lack shows before the first."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = next(chunks, b"")

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, or fewer at the end."""
        gathered = [self._rest]
        length = len(self._rest)
        while length < size and (chunk := next(self._chunks, b"")):
            gathered.append(chunk)
            length += len(chunk)
        content = b"".join(gathered)
        self._rest = content[size:]
        return content[:size]


def _check_archive(archive: Path, home: Path) -> None:
    """Raise ArchiveBroken unless every member is what the manifest says, and HomeInUse where keys differ."""
    sums: dict[str, str] = {}
    manifest: object = None
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not _is_ours(member.name) or member.name in sums or manifest is not None:
                    raise ArchiveBroken(detail=f"It holds {member.name[:200]!r}.")
                if member.name == MANIFEST:
                    manifest = json.loads(content.read(MANIFEST_BYTES_MAX))
                    continue
                sums[member.name] = _hash_all(content)
                if member.name.startswith(f"{KEYS}/record-"):
                    _require_same_key(home / member.name, sums[member.name])
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise ArchiveBroken(detail=str(error)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ArchiveBroken(detail="It was cut short, or another program made it.")
    if manifest.get("sha256") != sums or DATABASE not in sums:
        raise ArchiveBroken(detail="Its files are not those that were put in.")


def _hash_all(content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _require_same_key(path: Path, sha256: str) -> None:
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise HomeInUse(detail=f"{path} is a key of another hub.")


def _is_ours(name: str) -> bool:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        return False
    return name in {DATABASE, SETTINGS, MANIFEST} or (len(path.parts) > 1 and path.parts[0] in FOLDERS)


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, home: Path) -> None:
    name = STAGED_DATABASE if member.name == DATABASE else member.name
    path = home / name
    content = tar.extractfile(member)
    if content is None or (name == SETTINGS and path.exists()):
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if member.size <= CHUNK_BYTES:
        write_durably(path=path, content=content.read())
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
