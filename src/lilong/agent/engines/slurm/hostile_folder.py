"""Open, make, list and delete files of one user in a folder where the same user's jobs do what they like meanwhile.

Standard library only and Python 3.6 syntax: it is installed beside job_helper.py. Every name is opened by itself below
an open folder, links are never followed, and what is no regular file or folder of this very user counts as missing.
"""

import contextlib
import errno
import json
import os
import signal
import stat
from typing import IO, Dict, Generator, List, Optional, Set, Tuple

NAMES_MAX, PATH_CHARACTERS_MAX = 64, 512
ENTRIES_MAX, LISTING_BYTES_MAX = 200_000, 12 * 1024 * 1024
PASSES_IN_VAIN, CHUNK_BYTES, UNSYNCED_MAX = 50, 256 * 1024, 64
FRESH, TRASH = b".fresh-", b".trash-"
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = READ | os.O_DIRECTORY
AS_IF_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENXIO, errno.ENAMETOOLONG}

Names = List[bytes]
Entry = Tuple[Names, int, int]  # a file's path, size and mode


class Refused(Exception):
    """Nothing was done; `code` is for the agent, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def split_path(path: str) -> Names:
    """Return the names of a relative path that cannot leave its folder."""
    parts = path.split("/")
    unsafe = "\\" in path or any(character < " " or "\x7f" <= character <= "\x9f" for character in path)
    if unsafe or len(path) > PATH_CHARACTERS_MAX or len(parts) > NAMES_MAX or {"", ".", ".."} & set(parts):
        raise Refused("path", f"{path[:200]!r} is no safe relative path.")
    try:
        return [part.encode("utf-8") for part in parts]
    except UnicodeEncodeError:
        raise Refused("path", f"{path[:200]!r} cannot be encoded.") from None


def _is_safe(path: str) -> bool:
    try:
        return bool(split_path(path))
    except Refused:
        return False


def check_owners(path: str, owners: Set[int]) -> None:
    """Refuse unless these users alone decide what lies at `path`, by any folder on the way."""
    path, inner = os.path.realpath(path), True
    while True:
        facts = os.lstat(path)
        shared = facts.st_mode & 0o022 and (inner or not facts.st_mode & stat.S_ISVTX)
        if shared or facts.st_uid not in owners:
            raise Refused("unsafe", f"{path} can be changed by others than root.")
        if path == "/":
            return
        path, inner = os.path.dirname(path), False


def open_own(folder: int, names: Names, kind: int = READ) -> Optional[int]:
    """Open a file or folder of this user below `folder`, None where there is none.

    Raises OSError where that cannot be known: a file server that is away must not look like a missing file.
    """
    fd = os.dup(folder)
    try:
        for position, name in enumerate(names):
            inner = os.open(name, kind if position == len(names) - 1 else FOLDER, dir_fd=fd)
            os.close(fd)
            fd = inner
            _check_own(fd)
        return fd
    except OSError as error:
        os.close(fd)
        if error.errno in AS_IF_MISSING:
            return None
        raise


def _check_own(fd: int) -> None:
    facts = os.fstat(fd)
    if facts.st_uid != os.getuid() or not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)):
        raise OSError(errno.ENOENT, "neither a file nor a folder of this user")


def exists(folder: int, name: bytes) -> bool:
    """Return whether anything at all has this name."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def make_folders(folder: int, names: Names) -> int:
    """Open a folder below `folder` after making what is missing of the way."""
    fd = os.dup(folder)
    for name in names:
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=fd)
            inner = open_own(fd, [name], FOLDER)
        finally:
            os.close(fd)
        if inner is None:
            raise Refused("path", f"{name.decode('utf-8', 'replace')!r} is no folder of this user.")
        fd = inner
    return fd


def make_hidden(folder: int, prefix: bytes) -> Tuple[bytes, int]:
    """Make a folder under a fresh name and open it."""
    name = prefix + os.urandom(8).hex().encode("ascii")
    os.mkdir(name, 0o700, dir_fd=folder)
    return name, os.open(name, FOLDER, dir_fd=folder)


@contextlib.contextmanager
def fresh_folder(folder: int, prefix: bytes) -> Generator[Tuple[bytes, int], None, None]:
    """Make a folder, name it and open it; unless it was renamed, nothing of it is left afterwards."""
    name, fd = make_hidden(folder, prefix)
    try:
        yield name, fd
    finally:
        os.close(fd)
        if exists(folder, name):
            remove(folder, [name])


def create_file(folder: int, names: Names) -> int:
    """Open a new file for writing, its folders made as needed."""
    parent = make_folders(folder, names[:-1])
    try:
        kind = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(names[-1], kind, 0o600, dir_fd=parent)
    except (FileExistsError, IsADirectoryError):
        raise Refused("path", f"{names[-1].decode()!r} stands twice.") from None
    finally:
        os.close(parent)


def receive(fresh: int, folders: List[Names], entries: List[Entry], body: IO[bytes], seconds_max: int) -> None:
    """Write what the request brings into a fresh folder, on the disk before this returns."""
    for names in folders:
        os.close(make_folders(fresh, names))
    written: List[int] = []
    try:
        for names, size, mode in entries:
            signal.alarm(seconds_max)
            written.append(create_file(fresh, names))
            _copy(body, written[-1], size, seconds_max)
            os.fchmod(written[-1], mode)
            if len(written) == UNSYNCED_MAX:
                _sync(written)
        _sync(written)
    finally:
        for fd in written:
            os.close(fd)


def _copy(body: IO[bytes], fd: int, size: int, seconds_max: int) -> None:
    """Write the next `size` bytes of the request into a file."""
    while size:
        chunk = body.read(min(size, CHUNK_BYTES))
        if not chunk:
            raise Refused("short", "Fewer bytes came than were announced.")
        signal.alarm(seconds_max)
        size -= len(chunk)
        while chunk:
            chunk = chunk[os.write(fd, chunk) :]


def _sync(written: List[int]) -> None:
    """Let files reach the disk and close them: many at once cost a file system little more than one."""
    while written:
        os.fsync(written[-1])
        os.close(written.pop())


def move_file(source: int, target: int, names: Names) -> None:
    """Move a file from one folder to the same path of another, over what is there, in one step."""
    source_parent, target_parent = open_own(source, names[:-1], FOLDER), make_folders(target, names[:-1])
    try:
        if source_parent is None:
            raise Refused("busy", "Somebody else changes the user's folder.")
        os.rename(names[-1], names[-1], src_dir_fd=source_parent, dst_dir_fd=target_parent)
    except IsADirectoryError:
        raise Refused("path", f"{names[-1].decode()!r} is a folder.") from None
    finally:
        os.close(target_parent)
        if source_parent is not None:
            os.close(source_parent)


def move_files(source: int, ground: int, attempt: bytes, folders: List[Names], moved: List[Names]) -> None:
    """Move files from a fresh folder into an attempt that is there, each in one step."""
    place = open_own(ground, [attempt], FOLDER)
    if place is None:
        raise Refused("missing", "The attempt has no folder.")
    try:
        for names in folders:
            os.close(make_folders(place, names))
        for names in moved:
            move_file(source, place, names)
    finally:
        os.close(place)


def name_folder(folder: int, old: bytes, new: bytes) -> None:
    """Give a folder another name in one step; refused when something else has it, or came to have it."""
    if exists(folder, new):
        raise Refused("exists", "The attempt has a folder already.")
    try:
        os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise Refused("exists", "The attempt has a folder already.") from None
        raise


def read_part(folder: int, names: Names, offset: int, limit: int) -> Tuple[Optional[int], bytes]:
    """Return the size of a file and at most `limit` bytes of it; no size where there is no regular file."""
    fd = open_own(folder, names)
    if fd is None:
        return None, b""
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            return None, b""
        part = b""
        while len(part) < limit:
            chunk = os.pread(fd, limit - len(part), offset + len(part))
            if not chunk:
                break
            part += chunk
        return max(facts.st_size, offset + len(part) if part else 0), part
    finally:
        os.close(fd)


class Listing:
    """The regular files below some paths: size and executable bit by path. Too many or too large is refused."""

    def __init__(self, files_max: int, bytes_max: int) -> None:
        self.files: Dict[str, Tuple[int, bool]] = {}
        self.skipped = self._entries = self._listing_bytes = 0
        self._files_max, self._bytes_left = files_max, bytes_max

    def add(self, fd: int, path: str, depth: int) -> None:
        """Add what is open at `path`, a folder with all that is below it."""
        facts = os.fstat(fd)
        if stat.S_ISREG(facts.st_mode) and path not in self.files:
            self._bytes_left -= facts.st_size
            self._listing_bytes += len(json.dumps(path)) + 64
            full = self._bytes_left < 0 or self._listing_bytes > LISTING_BYTES_MAX
            if full or len(self.files) >= self._files_max:
                raise Refused("too_much", f"{path[:200]!r} is beyond the limit of files or bytes.")
            self.files[path] = (facts.st_size, bool(facts.st_mode & stat.S_IXUSR))
        elif stat.S_ISDIR(facts.st_mode):
            for name in sorted(map(os.fsencode, os.listdir(fd))):
                self._add_entry(fd, name, path, depth)

    def _add_entry(self, folder: int, name: bytes, above: str, depth: int) -> None:
        self._entries += 1
        if self._entries > ENTRIES_MAX:
            raise Refused("too_much", f"There are more than {ENTRIES_MAX} entries.")
        path = f"{above}/{name.decode('utf-8', 'surrogateescape')}"
        inner = open_own(folder, [name]) if depth < NAMES_MAX and _is_safe(path) else None
        if inner is None:
            self.skipped += 1
            return
        try:
            self.add(inner, path, depth + 1)
        finally:
            os.close(inner)


def remove(folder: int, names: List[bytes]) -> int:
    """Delete what has these names in `folder`, whatever is nested in it; returns how many there were.

    Each is renamed first, so that it is gone at once, and makes no room necessary where the disk is full.
    """
    found = 0
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # another call deletes it
            fd = _open_to_empty(folder, name)
            found += 1
            if fd is None:
                os.unlink(name, dir_fd=folder)
                continue
            hidden = TRASH + os.urandom(8).hex().encode("ascii")
            try:
                os.rename(name, hidden, src_dir_fd=folder, dst_dir_fd=folder)
                _Emptying(fd).finish()
            finally:
                os.close(fd)
            os.rmdir(hidden, dir_fd=folder)
    return found


class _Emptying:
    """A folder of which nothing shall be left: what is nested in it is moved up, so that no depth is too deep."""

    def __init__(self, trash: int) -> None:
        self.trash, self.count, self.prefix = trash, 0, os.urandom(8).hex()

    def _move_up(self, folder: int, name: bytes) -> None:
        """Move a folder up; it has to be writable for that."""
        inner = _open_to_empty(folder, name)
        if inner is not None:
            os.close(inner)
        self.count += 1
        os.rename(name, f"{self.prefix}-{self.count}".encode("ascii"), src_dir_fd=folder, dst_dir_fd=self.trash)

    def finish(self) -> None:
        """Delete until nothing is left; refuses when others write faster."""
        vain = 0
        while vain < PASSES_IN_VAIN:
            entries = os.listdir(self.trash)
            if not entries:
                return
            vain += 1
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if self._remove(os.fsencode(entry)):
                        vain = 0
        raise Refused("busy", "Files of the attempt are still being written.")

    def _remove(self, entry: bytes) -> bool:
        """Delete one entry, its folders moved up first; returns whether it is gone."""
        fd = _open_to_empty(self.trash, entry)
        if fd is None:
            os.unlink(entry, dir_fd=self.trash)
            return True
        try:
            for inner in os.listdir(fd):
                with contextlib.suppress(FileNotFoundError):
                    self._remove_inner(fd, os.fsencode(inner))
        finally:
            os.close(fd)
        try:
            os.rmdir(entry, dir_fd=self.trash)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        return True

    def _remove_inner(self, folder: int, name: bytes) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except (IsADirectoryError, PermissionError):
            self._move_up(folder, name)


def _open_to_empty(folder: int, name: bytes) -> Optional[int]:
    """Open a folder in which everything may be deleted, whatever its mode was; None for anything else."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISDIR(mode):
            return None
        if mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)  # the folder that is open, though its name be another's by now
        return os.open(".", FOLDER, dir_fd=handle)
    finally:
        os.close(handle)
