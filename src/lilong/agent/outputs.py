"""Collect what an ended attempt leaves: artefacts, checkpoint, volumes. The work folder is hostile ground.

Nothing of the job runs any more, but its links still point where they like: every step opens one name without
following links, and only regular files of the job's own user count.
"""

import hashlib
import os
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from lilong.agent.engines.port import NativeState
from lilong.agent.engines.rank.launch import MIB
from lilong.agent.spool import AttemptFolder, write_bytes
from lilong.common.canonical import sha256_hex
from lilong.protocol.manifest import FILES_MAX, Manifest, ManifestFile, is_safe_path
from lilong.protocol.messages import Artefact, AttemptState, CheckpointNote, Fault, Reason, Submit, VolumeNote
from lilong.protocol.spec import Frozen, Output

_PATH_MAX = 512
_DEPTH_MAX = 64
_UNFINISHED = ".tmp"
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Outputs(Frozen):
    """What is kept of an attempt, before it is uploaded. sources: where each object's bytes are, in the work folder."""

    artefacts: tuple[Artefact, ...] = ()
    checkpoint: CheckpointNote | None = None
    volumes: tuple[VolumeNote, ...] = ()
    sources: dict[str, str] = {}  # noqa: RUF012 - pydantic copies defaults
    sizes: dict[str, int] = {}  # noqa: RUF012 - pydantic copies defaults
    manifests: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    files: list[ManifestFile] = field(default_factory=list[ManifestFile])
    skipped: int = 0
    size_bytes: int = 0


class _TooMuch(Exception):  # never leaves this module
    pass


@contextmanager
def open_inside(root: Path, *, path: str) -> Generator[int, None, None]:
    """Yield a descriptor of `path` below `root`, whatever links lie on the way.

    A link or a special file raises OSError.
    """
    descriptor = os.open(root, _OPEN | os.O_DIRECTORY)
    try:
        for part in path.split("/"):
            inner = os.open(part, _OPEN, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise OSError(f"{path!r} is neither a file nor a folder")
        yield descriptor
    finally:
        os.close(descriptor)


def collect_outputs(
    *, folder: AttemptFolder, submit: Submit, end: NativeState, uid: int | None
) -> tuple[Outputs, Reason | None, str]:
    """Return what is kept, and the reason and a sentence when outputs turn a success into a failure.

    Artefacts are kept unless the attempt was lost to its provider: then the next one makes them. The checkpoint is
    always kept. uid: the job's user; files of others are left out.
    """
    outputs = Outputs()
    problem: Reason | None = None
    details: list[str] = []
    if end.fault is not Fault.PROVIDER:
        for output in submit.spec.outputs:
            outputs, reason, detail = _add_output(outputs, output, work=folder.work, uid=uid)
            problem = problem or reason
            details += [detail] if detail else []
        for one in submit.spec.inputs:
            if one.volume_id is not None and not one.read_only:
                limit = submit.spec.resources.disk_mib * MIB * submit.spec.nodes
                manifest = _pack(folder.work, path=one.mount, limit_bytes=limit, uid=uid)
                if manifest is None:
                    details.append(f"Volume {one.volume_id} was not kept: it has too many or too large files.")
                    continue
                outputs = _add_manifest(outputs, manifest, mount=one.mount, folder=folder)
                note = VolumeNote(
                    volume_id=one.volume_id, manifest_sha256=manifest.sha256, size_bytes=manifest.size_bytes
                )
                outputs = outputs.model_copy(update={"volumes": (*outputs.volumes, note)})
    if submit.spec.checkpoint is not None:
        limit = submit.spec.resources.disk_mib * MIB * submit.spec.nodes
        path = submit.spec.checkpoint.path
        manifest = _pack(folder.work, path=path, limit_bytes=limit, uid=uid)
        if manifest is None:
            details.append("The checkpoint was not kept: it has too many or too large files.")
        elif manifest.files:
            outputs = _add_manifest(outputs, manifest, mount=path, folder=folder)
            kept = CheckpointNote(manifest_sha256=manifest.sha256, size_bytes=manifest.size_bytes)
            outputs = outputs.model_copy(update={"checkpoint": kept})
    succeeded = end.state is AttemptState.SUCCEEDED
    return outputs, (problem if succeeded else None), " ".join(details)[:900]


def _add_output(outputs: Outputs, output: Output, *, work: Path, uid: int | None) -> tuple[Outputs, Reason | None, str]:
    try:
        found = _find_files(work, path=output.path, limit_bytes=output.max_bytes, uid=uid)
    except _TooMuch:
        detail = f"Output {output.path} has more than its {output.max_bytes} bytes or {FILES_MAX} files."
        return outputs, Reason.OUTPUT_EXCEEDED, detail
    if found is None:
        return outputs, Reason.OUTPUT_MISSING, f"Output {output.path} is not there as a file or folder of the job."
    artefacts = [Artefact(path=file.path, sha256=file.sha256, size_bytes=file.size_bytes) for file in found.files]
    detail = f"Output {output.path}: {found.skipped} links or special files were left out." if found.skipped else ""
    kept = {artefact.path: artefact for artefact in (*outputs.artefacts, *artefacts)}
    return (
        outputs.model_copy(
            update={
                "artefacts": tuple(kept.values()),
                "sources": outputs.sources | {file.sha256: file.path for file in found.files},
                "sizes": outputs.sizes | {file.sha256: file.size_bytes for file in found.files},
            }
        ),
        None,
        detail,
    )


def _pack(work: Path, *, path: str, limit_bytes: int, uid: int | None) -> Manifest | None:
    """Return the manifest of a folder, paths relative to it; empty when there is none, None when it is too much."""
    try:
        found = _find_files(work, path=path, limit_bytes=limit_bytes, uid=uid)
    except _TooMuch:
        return None
    prefix = f"{path}/"
    files = [
        file.model_copy(update={"path": file.path.removeprefix(prefix)})
        for file in (found.files if found else [])
        if file.path.startswith(prefix) and not file.path.endswith(_UNFINISHED)
    ]
    return Manifest(files=tuple(sorted(files, key=lambda file: file.path)))


def _add_manifest(outputs: Outputs, manifest: Manifest, *, mount: str, folder: AttemptFolder) -> Outputs:
    content = manifest.to_bytes()
    digest = sha256_hex(content)
    objects = folder.path / "objects"
    objects.mkdir(exist_ok=True)
    write_bytes(objects / digest, content)
    return outputs.model_copy(
        update={
            "sources": {file.sha256: f"{mount}/{file.path}" for file in manifest.files} | outputs.sources,
            "sizes": outputs.sizes | {file.sha256: file.size_bytes for file in manifest.files} | {digest: len(content)},
            "manifests": (*outputs.manifests, digest),
        }
    )


def _find_files(work: Path, *, path: str, limit_bytes: int, uid: int | None) -> _Found | None:
    """Return the regular files at `path`, a file or a folder, with digests; None when there is neither."""
    if not is_safe_path(path):
        return None
    found = _Found()
    try:
        with open_inside(work, path=path) as descriptor:
            _add(found, descriptor, path=path, depth=0, limit_bytes=limit_bytes, uid=uid)
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    except OSError:
        return None
    return found if found.files or is_folder else None


def _add(found: _Found, descriptor: int, *, path: str, depth: int, limit_bytes: int, uid: int | None) -> None:
    facts = os.fstat(descriptor)
    if uid is not None and facts.st_uid != uid:
        found.skipped += 1
    elif stat.S_ISDIR(facts.st_mode) and depth < _DEPTH_MAX:
        for name in sorted(os.listdir(descriptor)):
            inner_path = f"{path}/{name}"
            if len(inner_path) > _PATH_MAX or not _is_text(inner_path) or not is_safe_path(inner_path):
                found.skipped += 1
                continue
            try:
                inner = os.open(name, _OPEN, dir_fd=descriptor)
            except OSError:  # a link, a socket, a folder without permission
                found.skipped += 1
                continue
            try:
                _add(found, inner, path=inner_path, depth=depth + 1, limit_bytes=limit_bytes, uid=uid)
            finally:
                os.close(inner)
    elif stat.S_ISREG(facts.st_mode):
        found.size_bytes += facts.st_size
        if found.size_bytes > limit_bytes or len(found.files) >= FILES_MAX:
            raise _TooMuch
        with os.fdopen(os.dup(descriptor), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        executable = bool(facts.st_mode & stat.S_IXUSR)
        found.files.append(ManifestFile(path=path, sha256=digest, size_bytes=facts.st_size, executable=executable))
    else:
        found.skipped += 1


def _is_text(path: str) -> bool:
    with suppress(UnicodeEncodeError):
        path.encode()
        return True
    return False


def read_part(*, folder: AttemptFolder, outputs: Outputs, sha256: str, offset: int, limit: int) -> bytes:
    """Return at most `limit` bytes of a kept object from `offset`."""
    if sha256 in outputs.manifests:
        with (folder.path / "objects" / sha256).open("rb") as file:
            return os.pread(file.fileno(), limit, offset)
    with open_inside(folder.work, path=outputs.sources[sha256]) as descriptor:
        return os.pread(descriptor, limit, offset)


def list_objects(outputs: Outputs) -> Mapping[str, int]:
    """Return every object to upload with its size, files before the manifests that name them."""
    files = {digest: size for digest, size in outputs.sizes.items() if digest not in outputs.manifests}
    return files | {digest: outputs.sizes[digest] for digest in outputs.manifests}
