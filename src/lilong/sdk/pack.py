"""Turn a working folder into a manifest and its files, and a manifest into a folder again.

Links to a file inside the folder travel as a copy of the file; all other links are refused, because following one
could send what nobody meant to send. Sockets, pipes and devices are no content and are refused, too.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from lilong.common.errors import Conflict, FieldProblem, InputInvalid, LimitReached
from lilong.protocol.manifest import FILES_MAX, TOTAL_BYTES_MAX, Manifest, ManifestFile
from lilong.protocol.packing import ENVIRONMENT_MARK, IGNORE_FILES, IgnoreRules, find_name_problem

READ_BYTES = 1 << 20
IGNORE_FILE_BYTES_MAX = 1 << 20
PROBLEMS_SHOWN = 50


class FolderUnpackable(InputInvalid):
    """Files of the folder cannot travel; `fields` names each with the reason."""

    code = "pack.folder_unpackable"
    title = "Some files of this folder cannot travel"
    next_step = "Rename, copy or remove them, or list them in .lilongignore."


class FolderTooLarge(LimitReached):
    """The folder has more files or bytes than a run may bring; `facts` holds limit and used."""

    code = "pack.folder_too_large"
    title = "This folder is too large to travel"
    next_step = "List what the run does not need in .lilongignore, or put data into a volume."


class FolderMissing(InputInvalid):
    """There is no such folder."""

    code = "pack.folder_missing"
    title = "There is no such folder"
    next_step = "Name a folder that exists."


class TargetExists(Conflict):
    """What is to be written would lie over something that is there already."""

    code = "pack.target_exists"
    title = "There is something there already"
    next_step = "Name a folder that does not exist yet, or an empty one."


class ContentWrong(InputInvalid):
    """The bytes of a file are not those that its manifest names; nothing was written."""

    code = "pack.content_wrong"
    title = "The bytes are not those of the manifest"
    next_step = "Fetch the object again; if it stays like this, tell the operator."


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that travels: its path in the folder with `/`, where its bytes lie, size in bytes, executable or not."""

    path: str
    source: Path
    size_bytes: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What would travel, by path, before anything is read: for showing sizes first. left: what stays behind."""

    files: tuple[FoundFile, ...]
    left: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Sum of the sizes of all files."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Packed:
    """A manifest and where the bytes of each digest lie; the manifest itself is an object, too."""

    manifest: Manifest
    sources: Mapping[str, Path]


def list_folder(*, folder: Path) -> Listing:
    """Return what of `folder` travels; raises FolderMissing, FolderTooLarge and FolderUnpackable with all reasons."""
    root = folder.resolve()
    if not root.is_dir():
        raise FolderMissing(detail=f"{folder} is not a folder.")
    walk = _Walk(root)
    walk.visit(root, at="", rules=IgnoreRules())
    walk.follow_links()
    if walk.problems:
        raise FolderUnpackable(fields=walk.problems[:PROBLEMS_SHOWN], facts={"problems": len(walk.problems)})
    return Listing(files=tuple(sorted(walk.files, key=lambda file: file.path)), left=tuple(walk.left))


def pack_files(*, listing: Listing, on_bytes: Callable[[int], None] = lambda _: None) -> Packed:
    """Hash the listed files. `on_bytes` is told how many bytes were read, again and again. Linear in bytes."""
    files: list[ManifestFile] = []
    sources: dict[str, Path] = {}
    for file in listing.files:
        try:
            sha256, size_bytes = _hash_file(file.source, on_bytes=on_bytes)
        except OSError as error:
            raise FolderUnpackable(fields=[_problem(file.path, f"it cannot be read ({error.strerror})")]) from error
        files.append(ManifestFile(path=file.path, sha256=sha256, size_bytes=size_bytes, executable=file.executable))
        sources[sha256] = file.source
    return Packed(manifest=Manifest(files=tuple(files)), sources=sources)


def unpack_manifest(*, manifest: Manifest, target: Path, read: Callable[[str], Iterable[bytes]]) -> None:
    """Write the files of a manifest into the new or empty folder `target`, all of them or none.

    `read` returns the bytes of a digest; size and digest are checked while they are written. The manifest must come
    from `parse_manifest`, which refuses paths that leave their folder. Raises TargetExists and ContentWrong.
    """
    target = target.absolute()
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise TargetExists(detail=f"{target} is not an empty folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{token_hex(8)}.partial")
    fresh.mkdir()
    try:
        for file in manifest.files:
            _write_file(fresh / file.path, file=file, chunks=read(file.sha256))
        fresh.replace(target)
    except BaseException:
        shutil.rmtree(fresh)
        raise


class _Walk:
    """Visits folders from the top, so that what stays behind is never looked into."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._size_bytes = 0
        self._links: list[tuple[Path, str]] = []
        self.files: list[FoundFile] = []
        self.left: list[str] = []
        self.problems: list[FieldProblem] = []

    def visit(self, folder: Path, *, at: str, rules: IgnoreRules) -> None:
        try:
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            self.problems.append(_problem(at or ".", f"it cannot be read ({error.strerror})"))
            return
        if at and any(entry.name == ENVIRONMENT_MARK and entry.is_file() for entry in entries):
            self.left.append(at)
            return
        rules = rules.enter(folder=at, lines=list(_read_ignore_lines(folder)))
        for entry in entries:
            path = at + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if rules.leaves(f"{path}/" if is_folder else path):
                self.left.append(f"{path}/" if is_folder else path)
            elif problem := find_name_problem(path):
                self.problems.append(_problem(path, problem))
            elif is_folder:
                self.visit(Path(entry.path), at=f"{path}/", rules=rules)
            elif entry.is_symlink():
                self._links.append((Path(entry.path), path))
            elif entry.is_file():
                self._add(Path(entry.path), path=path)
            else:
                self.problems.append(_problem(path, "it is neither a file nor a folder"))

    def follow_links(self) -> None:
        """Add each link to a file that travels itself; anything else behind a link was not meant to travel."""
        travelling = {file.source for file in self.files}
        for place, path in self._links:
            source = Path(os.path.realpath(place))
            if source in travelling:
                self._add(source, path=path)
            else:
                self.problems.append(_problem(path, "it is a link, and not to a file that travels"))

    def _add(self, source: Path, *, path: str) -> None:
        status = source.stat()
        executable = bool(status.st_mode & stat.S_IXUSR)
        self.files.append(FoundFile(path=path, source=source, size_bytes=status.st_size, executable=executable))
        self._size_bytes += status.st_size
        if len(self.files) > FILES_MAX:
            raise FolderTooLarge(detail="Too many files.", facts={"limit": FILES_MAX, "used": len(self.files)})
        if self._size_bytes > TOTAL_BYTES_MAX:
            raise FolderTooLarge(detail="Too many bytes.", facts={"limit": TOTAL_BYTES_MAX, "used": self._size_bytes})


def _problem(path: str, reason: str) -> FieldProblem:
    name = path.encode(errors="backslashreplace").decode()
    return FieldProblem(path=name, code="pack.file_unpackable", message=f"It cannot travel: {reason}.")


def _read_ignore_lines(folder: Path) -> Iterator[str]:
    for name in IGNORE_FILES:
        file = folder / name
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                yield from opened.read(IGNORE_FILE_BYTES_MAX).decode(errors="replace").splitlines()


def _hash_file(source: Path, *, on_bytes: Callable[[int], None]) -> tuple[str, int]:
    state, size_bytes = hashlib.sha256(), 0
    with source.open("rb") as opened:
        while piece := opened.read(READ_BYTES):
            state.update(piece)
            size_bytes += len(piece)
            on_bytes(len(piece))
    return state.hexdigest(), size_bytes


def _write_file(place: Path, *, file: ManifestFile, chunks: Iterable[bytes]) -> None:
    """Write a new file. Two paths that this disk takes for one (case, Unicode form) meet here and are refused."""
    place.parent.mkdir(parents=True, exist_ok=True)
    state, size_bytes = hashlib.sha256(), 0
    mode = 0o777 if file.executable else 0o666
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise TargetExists(detail=f"{file.path} and another path of the manifest are one and the same here.") from error
    with os.fdopen(descriptor, "wb") as opened:
        for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > file.size_bytes:
                break
            state.update(chunk)
            opened.write(chunk)
    if size_bytes != file.size_bytes or state.hexdigest() != file.sha256:
        raise ContentWrong(detail=f"{file.path} is not what the manifest names.")
