"""What an archive of a working folder may be, decided by its bytes and its list of files before any is unpacked.

It stays in memory, and nothing is written. Links, passwords, ways out of the folder, doubled paths and more
than the limits are refused, all with reasons.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.sentences import say
from lilong.protocol.packing import ALWAYS_LEFT, find_name_problem

ARCHIVE_BYTES_MAX = 16 * 1024**2
UNPACKED_BYTES_MAX = 32 * 1024**2
FILES_MAX = 500
PROBLEMS_SHOWN = 50

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_COMMENT_BYTES_MAX = 65_535
_DIRECTORY_BYTES_MAX = 512 * 1024
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_DAMAGES = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
    *(NotImplementedError, EOFError, ValueError, RuntimeError, OSError),
)
"""All that zipfile raises of files that are no zips, or no longer."""


class ArchiveInvalid(InputInvalid):
    """The archive of the working folder cannot be used; `fields` says why for each file."""

    code = "job.archive_invalid"
    title = "This archive cannot be used as a working folder"
    next_step = (
        "Make a plain zip of the folder's files, without links and passwords, or use `lilong run` for large folders."
    )


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """One file of a working folder: its path, its bytes, whether it is executable."""

    path: str
    content: bytes
    executable: bool


def read_archive(*, content: bytes) -> tuple[ArchivedFile, ...]:
    """Return the files of a zip, by path; raises ArchiveInvalid with all reasons. Memory: what it unpacks to, bounded.

    Folders, and what never travels (.git, __pycache__ …), stay behind.
    """
    _check_end(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not (entry.is_dir() or _stays_behind(entry.filename))]
            problems = [*_find_problems(entries)]
            if problems:
                raise ArchiveInvalid(fields=problems[:PROBLEMS_SHOWN])
            files: list[ArchivedFile] = []
            left_bytes = UNPACKED_BYTES_MAX
            for entry in sorted(entries, key=lambda entry: entry.filename):
                files.append(_unpack(archive, entry, at_most=left_bytes))
                left_bytes -= len(files[-1].content)
    except _DAMAGES as error:
        raise ArchiveInvalid(detail=say("It is damaged, or no zip.")) from error
    return tuple(files)


def _check_end(content: bytes) -> None:
    """Refuse before the list of files is read, which a small archive could make very long."""
    if len(content) > ARCHIVE_BYTES_MAX:
        raise ArchiveInvalid(detail=say("It has more than {most} bytes.", most=ARCHIVE_BYTES_MAX))
    at = content.rfind(_END_SIGNATURE, max(0, len(content) - _COMMENT_BYTES_MAX - _END.size))
    if at < 0 or len(content) - at < _END.size:
        raise ArchiveInvalid(detail=say("It is damaged, or no zip."))
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(content, at)
    if directory_bytes > _DIRECTORY_BYTES_MAX or entries > FILES_MAX * 4:
        raise ArchiveInvalid(detail=say("It names too many files; {most} may travel.", most=FILES_MAX))


def _find_problems(entries: list[zipfile.ZipInfo]) -> Iterable[FieldProblem]:
    paths = [entry.filename for entry in entries]
    if len(paths) > FILES_MAX:
        yield _problem("archive", say("it has {count} files, and {most} may travel", count=len(paths), most=FILES_MAX))
    if sum(entry.file_size for entry in entries) > UNPACKED_BYTES_MAX:
        yield _problem("archive", say("it unpacks to more than {most} bytes", most=UNPACKED_BYTES_MAX))
    folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
    seen: set[str] = set()
    for entry in entries:
        mode = entry.external_attr >> 16
        if problem := find_name_problem(entry.filename):
            yield _problem(entry.filename, problem)
        elif entry.filename in seen or entry.filename in folders:
            yield _problem(entry.filename, say("its path stands twice"))
        elif stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
            yield _problem(entry.filename, say("it is a link or a device"))
        elif entry.flag_bits & _ENCRYPTED:
            yield _problem(entry.filename, say("it needs a password"))
        elif entry.compress_type not in _METHODS:
            yield _problem(entry.filename, say("it is packed in a way that is not read here"))
        seen.add(entry.filename)


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, at_most: int) -> ArchivedFile:
    """Return one file; what it says of its size is not believed."""
    with archive.open(entry) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most or len(content) != entry.file_size:
        raise ArchiveInvalid(fields=[_problem(entry.filename, say("it is larger than it says, or than may travel"))])
    executable = bool(entry.external_attr >> 16 & stat.S_IXUSR)
    return ArchivedFile(path=entry.filename, content=content, executable=executable)


def _stays_behind(path: str) -> bool:
    return any(part in ALWAYS_LEFT for part in path.split("/"))


def _problem(path: str, reason: str) -> FieldProblem:
    name = path.encode(errors="backslashreplace").decode()[:200]
    return FieldProblem(path=name, code="job.file_refused", message=say("It cannot travel: {reason}.", reason=reason))
