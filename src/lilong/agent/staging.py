"""Bring an attempt's files to its work folder and its secrets to a folder in memory, before any of its code runs."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lilong.agent.cache import ObjectCache
from lilong.agent.engines.rank.launch import MIB
from lilong.agent.spool import AttemptFolder, remove_tree
from lilong.common.errors import InputInvalid, LilongError
from lilong.protocol.manifest import Manifest, is_safe_path, parse_manifest
from lilong.protocol.messages import Submit

_MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - a folder of ours alone is made in it, checked for its owner


class StagingInvalid(InputInvalid):
    """The files asked for do not fit together: two in one place, a path that leaves the folder, a missing secret."""

    code = "agent.staging_invalid"
    title = "The job's files cannot be laid out"
    next_step = "Let every input and the checkpoint have a place of its own inside the work folder."


class DiskTooSmall(InputInvalid):
    """The job's own disk is smaller than what it starts with."""

    code = "agent.disk_too_small"
    title = "The job's files are larger than its disk"
    next_step = "Ask for more disk in `resources`."


class HostDiskFull(LilongError):
    """This machine has no room for the job's files."""

    code = "agent.host_disk_full"
    title = "The machine's disk is full"
    status = 507
    next_step = "The provider must free disk space under the agent's home."


@dataclass(slots=True)
class Progress:
    """Bytes of staging, for people to watch. Written by one thread, read by another."""

    done_bytes: int = 0
    total_bytes: int = 0

    def add(self, count: int) -> None:
        """Count bytes that have come."""
        self.done_bytes += count


class SecretFolders:
    """Secrets as files in memory, one folder per attempt; on disk only where the machine has no memory file system."""

    def __init__(self, *, home: Path) -> None:
        name = f"lilong-{sha256(str(home.resolve()).encode()).hexdigest()[:16]}"
        root = _MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() and os.access(_MEMORY_FOLDER, os.W_OK) else home
        self._folder = root / name
        self._folder.mkdir(mode=0o711, exist_ok=True)
        facts = self._folder.lstat()
        if facts.st_uid != os.geteuid() or self._folder.is_symlink():
            self._folder = home / name
            self._folder.mkdir(mode=0o711, exist_ok=True)
        self._folder.chmod(0o711)

    def write(self, *, attempt_id: str, values: Mapping[str, str]) -> None:
        """Write one file per secret, readable by its owner alone."""
        if not values:
            return
        folder = self._folder / attempt_id
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, value in values.items():
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(value.encode())

    def find(self, attempt_id: str) -> Path | None:
        """Return the attempt's folder, or None when it has no secrets here."""
        folder = self._folder / attempt_id
        return folder if folder.is_dir() else None

    def require(self, *, attempt_id: str, names: Sequence[str]) -> None:
        """Raise StagingInvalid unless every one of these secrets is here."""
        lacking = [name for name in names if not (self._folder / attempt_id / name).is_file()]
        if lacking:
            raise StagingInvalid(detail=f"Secrets {', '.join(lacking)} are not on this machine.")

    def drop(self, attempt_id: str) -> None:
        """Forget an attempt's secrets."""
        shutil.rmtree(self._folder / attempt_id, ignore_errors=True)

    def drop_others(self, attempt_ids: set[str]) -> None:
        """Forget the secrets of all attempts but these."""
        for folder in list(self._folder.iterdir()):
            if folder.name not in attempt_ids:
                shutil.rmtree(folder, ignore_errors=True)


class Stager:
    """Lays out work folders from the object cache. A staging that was cut off starts anew, with what the cache has."""

    def __init__(self, *, cache: ObjectCache, free_disk_bytes: int) -> None:
        self._cache = cache
        self._free_disk_bytes = free_disk_bytes

    def stage(self, *, submit: Submit, folder: AttemptFolder, progress: Progress) -> None:
        """Put working folder, inputs, volumes and checkpoint into the work folder, each over the one before.

        Raises StagingInvalid, DiskTooSmall, HostDiskFull, and what the cache raises.
        """
        remove_tree(folder.job)
        folder.work.mkdir(parents=True)
        progress.done_bytes = progress.total_bytes = 0
        layers = self._find_layers(submit, progress=progress)
        spec = submit.spec
        total = sum(manifest.size_bytes for _, manifest in layers)
        if total > spec.resources.disk_mib * MIB * spec.nodes:
            raise DiskTooSmall(detail=f"They have {total} bytes; the disk has {spec.resources.disk_mib} MiB a node.")
        if shutil.disk_usage(folder.path).free - total < self._free_disk_bytes:
            raise HostDiskFull(detail=f"{total} bytes do not fit on the disk of {folder.path.parent}.")
        progress.total_bytes += total
        for mount, manifest in layers:
            self._lay(manifest, mount=mount, submit=submit, folder=folder, progress=progress)
        for one in spec.inputs:
            if one.object_sha256 is not None:
                source = self._fetch(submit, sha256=one.object_sha256, progress=progress)
                _copy(source, to=folder.work, path=one.mount, executable=False, read_only=one.read_only)

    def _find_layers(self, submit: Submit, *, progress: Progress) -> list[tuple[str, Manifest]]:
        spec = submit.spec
        wanted = [("", spec.workdir_sha256)]
        wanted += [(one.mount, submit.volumes.get(one.volume_id)) for one in spec.inputs if one.volume_id is not None]
        if spec.checkpoint is not None and submit.checkpoint_sha256 is not None:
            wanted.append((spec.checkpoint.path, submit.checkpoint_sha256))
        layers: list[tuple[str, Manifest]] = []
        for mount, digest in wanted:
            content = b'{"files":[]}'
            if digest is not None:
                content = self._fetch(submit, sha256=digest, progress=progress).read_bytes()
            layers.append((mount, parse_manifest(content)))
        return layers

    def _lay(
        self, manifest: Manifest, *, mount: str, submit: Submit, folder: AttemptFolder, progress: Progress
    ) -> None:
        """Copy one layer; a checkpoint or volume takes the place of what the working folder has there."""
        if mount:
            _check_path(mount)
            if manifest.files:
                _remove(folder.work / mount)
            _make_folder(folder.work / mount)
        for file in manifest.files:
            source = self._fetch(submit, sha256=file.sha256, progress=progress)
            path = f"{mount}/{file.path}" if mount else file.path
            _copy(source, to=folder.work, path=path, executable=file.executable, read_only=False)

    def _fetch(self, submit: Submit, *, sha256: str, progress: Progress) -> Path:
        return self._cache.fetch(attempt_id=submit.attempt_id, sha256=sha256, on_bytes=progress.add)


def _check_path(path: str) -> None:
    if not is_safe_path(path):
        raise StagingInvalid(detail=f"{path[:200]!r} leaves the work folder.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StagingInvalid(detail=f"A file stands where {folder.name[:200]!r} should be a folder.") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, *, to: Path, path: str, executable: bool, read_only: bool) -> None:
    _check_path(path)
    target = to / path
    _make_folder(target.parent)
    if target.is_dir():
        raise StagingInvalid(detail=f"A folder stands where the file {path[:200]!r} should be.")
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    target.chmod((0o500 if executable else 0o400) if read_only else (0o700 if executable else 0o600))
