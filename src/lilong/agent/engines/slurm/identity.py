"""Act as a user of the cluster through the helper that the provider has installed: files, submission, cancelling.

What comes back was said by that user, so it is bounded and checked like anything that a member sends.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import Field

from lilong.agent.engines.slurm.assignment import is_user_name
from lilong.agent.engines.slurm.conversation import Answer, Conversation, Failure
from lilong.agent.engines.slurm.job_helper import GET_BYTES_MAX, GET_FILES_MAX, VERSION
from lilong.common.errors import EngineRefused, LilongError
from lilong.protocol.manifest import is_safe_path

_CHUNK_BYTES = 256 * 1024
_PART_BYTES = 16 * 1024 * 1024
_BYTES_PER_S_MIN, _S_PER_FILE_MAX = 1024 * 1024, 0.05


@dataclass(frozen=True, slots=True)
class Upload:
    """One file to put: a relative path, and its bytes or the agent's own file that has them."""

    path: str
    source: Path | bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that an attempt begins with; `folders` are made even where no file lies in them."""

    attempt_id: str
    uploads: tuple[Upload, ...]
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part of a file: at most `limit` bytes from `offset`."""

    attempt_id: str
    path: str
    limit: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What was read, and how large the whole file was at that moment."""

    size_bytes: int
    content: bytes


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A regular file of the user; its content may have changed meanwhile."""

    path: str
    size_bytes: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Regular files at and below the paths asked for; missing: the paths where there is neither file nor folder."""

    files: tuple[FoundFile, ...]
    missing: tuple[str, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program of Slurm ended, and the beginning of what it said."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A script for sbatch, and its options."""

    options: tuple[str, ...]
    script: str


class _Description(Answer):
    version: int
    user: str
    folder: str


class _ReadFile(Answer):
    size: int | None = Field(ge=0)
    length: int = Field(ge=0)


class _Read(Answer):
    files: list[_ReadFile]


class _ListedFile(Answer):
    path: str
    size: int = Field(ge=0)
    executable: bool


class _Listed(Answer):
    files: list[_ListedFile]
    missing: list[str]
    skipped: int = Field(ge=0)


class _Ran(Answer):
    exit_code: int
    stdout: str
    stderr: str


class _Put(Answer):
    attempts: list[Failure | Answer]


class _Submitted(Answer):
    jobs: list[_Ran | Failure]


class JobUser:
    """One user of the cluster as the agent reaches it. It holds no connection; any thread may call.

    Every call raises EngineRefused (never like this), EngineBusy (nothing was done; again later) or, where it could
    have had an effect and was cut off, EngineLost. Each is bounded: by `wait_s`, plus a second per MiB and a moment
    per file that travel.

    helper: the installed program; agent_user: who we are, whose own jobs need no sudo; python: runs the helper then.
    """

    def __init__(
        self,
        *,
        user: str,
        agent_user: str,
        helper: Path,
        python: Path = Path("/usr/bin/python3"),
        sudo: str = "sudo",
        wait_s: float = 90.0,
    ) -> None:
        if not is_user_name(user) or user == "root":
            raise EngineRefused(detail=f"{user[:80]!r} is no user as whom jobs could run.")
        own = [str(python), "-I", "-S", str(helper)]
        command = own if user == agent_user else [sudo, "-n", "-u", user, "--", str(helper)]
        self.user = user
        self._helper = Conversation(user=user, command=command, wait_s=wait_s)

    def find_folder(self) -> PurePosixPath:
        """Return the folder in which this user's attempts lie, on the nodes too; it is made at the first call.

        Raises EngineRefused also when the installed helper is not the one of this agent.
        """
        said, _ = self._helper.ask({"op": "describe"}, _Description)
        if said.version != VERSION or said.user != self.user:
            raise EngineRefused(
                detail=f"The helper on this machine has version {said.version} and works as {said.user[:80]!r}; this "
                f"agent needs version {VERSION} and {self.user}. Run `lilong agent install-helper` again."
            )
        return PurePosixPath(said.folder)

    def put(self, *, attempt_id: str, uploads: Sequence[Upload], folders: Sequence[str] = ()) -> None:
        """Bring an attempt into being, all of it in one step; raises AttemptFolderExists where there is one."""
        [error] = self.put_many(deliveries=[Delivery(attempt_id, tuple(uploads), tuple(folders))])
        if error is not None:
            raise error

    def put_many(self, *, deliveries: Sequence[Delivery]) -> list[LilongError | None]:
        """Bring at most PUTS_MAX attempts into being in one call, each in one step; return what stands against each.

        What is raised holds for all of them.
        """
        return self._put(deliveries, whole=True)

    def put_files(self, *, attempt_id: str, uploads: Sequence[Upload]) -> None:
        """Add or replace files of an attempt, each in one step; raises AttemptFolderMissing where there is none."""
        [error] = self._put([Delivery(attempt_id, tuple(uploads), ())], whole=False)
        if error is not None:
            raise error

    def get(self, *, wanted: Sequence[Wanted]) -> list[Part | None]:
        """Return parts of files in the order asked for, None for each that is no regular file of the user.

        A part may be shorter than its limit. Hundreds of small ones cost one call.
        """
        parts: list[Part | None] = []
        batch: list[Wanted] = []
        room = GET_BYTES_MAX
        for one in wanted:
            limit = min(one.limit, GET_BYTES_MAX)
            if batch and (room < limit or len(batch) >= GET_FILES_MAX):
                parts += self._get(batch)
                batch, room = [], GET_BYTES_MAX
            batch.append(one)
            room -= limit
        return parts + self._get(batch) if batch else parts

    def download(self, *, attempt_id: str, path: str, target: Path, bytes_max: int) -> int | None:
        """Write a file of the user to the new file `target`, at most `bytes_max` of it, and return how many bytes.

        None, and no target, where there is no such file. What the user changes meanwhile arrives as it is read.
        """
        size_bytes = 0
        part = self._get_one(attempt_id, path, 0, min(bytes_max, _PART_BYTES))
        if part is None:
            return None
        kind = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(target, kind, 0o600), "wb") as file:
            while part is not None and part.content:
                file.write(part.content)
                size_bytes += len(part.content)
                left = min(bytes_max, part.size_bytes) - size_bytes
                part = self._get_one(attempt_id, path, size_bytes, min(left, _PART_BYTES)) if left > 0 else None
        return size_bytes

    def list_files(self, *, attempt_id: str, paths: Sequence[str], files_max: int, bytes_max: int) -> Found:
        """Return the regular files at and below `paths`; raises FolderTooLarge when they are more or larger."""
        limits = {"files_max": files_max, "bytes_max": bytes_max}
        said, _ = self._helper.ask({"op": "list", "attempt_id": attempt_id, "paths": list(paths), **limits}, _Listed)
        files = tuple(FoundFile(file.path, file.size, file.executable) for file in said.files)
        asked = [PurePosixPath(path) for path in paths]
        for file in files:
            if not is_safe_path(file.path) or not any(PurePosixPath(file.path).is_relative_to(path) for path in asked):
                raise self._helper.unclear("The helper lists files that were not asked for.")
        if len(files) > files_max or sum(file.size_bytes for file in files) > bytes_max:
            raise self._helper.unclear("The helper lists more than it may.")
        return Found(files=files, missing=tuple(path for path in paths if path in said.missing), skipped=said.skipped)

    def submit(self, *, options: Sequence[str], script: str) -> CommandResult:
        """Hand a batch script to sbatch as this user; with `--test-only` nothing is submitted."""
        [said] = self.submit_many(jobs=[BatchJob(tuple(options), script)])
        if isinstance(said, LilongError):
            raise said
        return said

    def submit_many(self, *, jobs: Sequence[BatchJob]) -> list[CommandResult | LilongError]:
        """Hand at most JOBS_MAX batch scripts to sbatch in one call; return for each what it said or why it did not.

        What is raised holds for all of them: where the call was cut off, each may have been submitted.
        """
        request = {"op": "submit", "jobs": [{"options": list(job.options), "script": job.script} for job in jobs]}
        has_effect = any("--test-only" not in job.options for job in jobs)
        said, _ = self._helper.ask(request, _Submitted, has_effect=has_effect)
        if len(said.jobs) != len(jobs):
            raise self._helper.unclear("The helper's answer is of other jobs than were handed over.")
        return [
            CommandResult(one.exit_code, one.stdout, one.stderr)
            if isinstance(one, _Ran)
            else self._helper.find_error(one, runs_program="--test-only" not in job.options)
            for job, one in zip(jobs, said.jobs, strict=True)
        ]

    def cancel(self, *, job_ids: Sequence[str]) -> CommandResult:
        """Hand jobs to scancel as this user, which reaches no job of another."""
        return self._cancel(job_ids, waiting_only=False)

    def withdraw(self, *, job_ids: Sequence[str]) -> CommandResult:
        """Cancel those of these jobs that wait; one that has started meanwhile is left alone."""
        return self._cancel(job_ids, waiting_only=True)

    def remove(self, *, attempt_ids: Sequence[str]) -> None:
        """Delete attempts, whatever jobs have made of them; those that are not there are no error."""
        self._helper.ask({"op": "remove", "attempt_ids": list(attempt_ids)}, Answer, has_effect=True)

    def _cancel(self, job_ids: Sequence[str], *, waiting_only: bool) -> CommandResult:
        request = {"op": "cancel", "job_ids": list(job_ids), "waiting_only": waiting_only}
        said, _ = self._helper.ask(request, _Ran, has_effect=True)
        return CommandResult(said.exit_code, said.stdout, said.stderr)

    def _put(self, deliveries: Sequence[Delivery], *, whole: bool) -> list[LilongError | None]:
        sizes = [[measure(upload) for upload in one.uploads] for one in deliveries]
        attempts = [
            {
                "attempt_id": one.attempt_id,
                "folders": list(one.folders),
                "files": [
                    {"path": upload.path, "size": size, "mode": 0o700 if upload.executable else 0o600}
                    for upload, size in zip(one.uploads, its_sizes, strict=True)
                ],
            }
            for one, its_sizes in zip(deliveries, sizes, strict=True)
        ]
        request = {"op": "put", "attempts": attempts, "whole": whole}
        sent = [
            (upload, size)
            for one, its_sizes in zip(deliveries, sizes, strict=True)
            for upload, size in zip(one.uploads, its_sizes, strict=True)
        ]
        extra_s = sum(size for _, size in sent) / _BYTES_PER_S_MIN + len(sent) * _S_PER_FILE_MAX
        body = (chunk for upload, size in sent for chunk in _read(upload.source, size))
        said, _ = self._helper.ask(request, _Put, body=body, extra_s=extra_s, has_effect=True)
        if len(said.attempts) != len(deliveries):
            raise self._helper.unclear("The helper's answer is of other attempts than were handed over.")
        return [
            self._helper.find_error(one, runs_program=False) if isinstance(one, Failure) else None
            for one in said.attempts
        ]

    def _get(self, batch: Sequence[Wanted]) -> list[Part | None]:
        asked = [
            {
                "attempt_id": one.attempt_id,
                "path": one.path,
                "offset": one.offset,
                "limit": min(one.limit, GET_BYTES_MAX),
            }
            for one in batch
        ]
        room = sum(min(one.limit, GET_BYTES_MAX) for one in batch)
        extra_s = room / _BYTES_PER_S_MIN
        said, content = self._helper.ask({"op": "get", "files": asked}, _Read, content_bytes_max=room, extra_s=extra_s)
        lengths = [file.length for file in said.files]
        fits = all(length <= one.limit for one, length in zip(batch, lengths, strict=False))
        if len(lengths) != len(batch) or sum(lengths) != len(content) or not fits:
            raise self._helper.unclear("The helper's answer has other parts than were asked for.")
        parts: list[Part | None] = []
        at = 0
        for file in said.files:
            parts.append(None if file.size is None else Part(file.size, content[at : at + file.length]))
            at += file.length
        return parts

    def _get_one(self, attempt_id: str, path: str, offset: int, limit: int) -> Part | None:
        return self._get([Wanted(attempt_id, path, limit, offset)])[0]


def measure(upload: Upload) -> int:
    """Return how many bytes of it would travel now."""
    source = upload.source
    return len(source) if isinstance(source, bytes) else source.lstat().st_size


def _read(source: Path | bytes, size_bytes: int) -> Iterator[bytes]:
    """Yield exactly `size_bytes`; raises OSError when the file has become shorter, or is a link."""
    if isinstance(source, bytes):
        yield source
        return
    with os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        left = size_bytes
        while left:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise OSError(f"{source} has become shorter")
            left -= len(chunk)
            yield chunk
