"""A job's file and the folder around it, on their way to the hub."""

from dataclasses import dataclass
from pathlib import Path

from lilong.cli.output import byte_progress, format_bytes, messages
from lilong.common.errors import InputInvalid
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_yaml import SPEC_BYTES_MAX, CheckReport, check_text, find_requirements_file, parse_spec
from lilong.sdk.client import Lilong
from lilong.sdk.folders import list_missing, send_folder
from lilong.sdk.pack import list_folder, pack_files

REQUIREMENTS_BYTES_MAX = 256 * 1024


class JobFileMissing(InputInvalid):
    """The file of the job cannot be read."""

    code = "cli.job_file_missing"
    title = "The job's file cannot be read"
    next_step = "Name a YAML file such as job.yaml; the reference page on run specs shows what it may hold."


@dataclass(frozen=True, slots=True)
class JobFile:
    """The bytes of a job's file, and the requirements file that it names, where there is one."""

    content: bytes
    requirement_files: dict[str, str]

    def check(self) -> CheckReport:
        """Return what becomes of every field."""
        return check_text(self.content, requirement_files=self.requirement_files)

    def parse(self) -> RunSpec:
        """Return the run that the file describes; raises SpecInvalid."""
        return parse_spec(self.content, requirement_files=self.requirement_files)


def read_job_file(path: Path) -> JobFile:
    """Read a job's file and what it refers to in its folder; raises JobFileMissing."""
    content = _read(path, at_most=SPEC_BYTES_MAX + 1)
    name = find_requirements_file(content)
    inside = name is not None and (path.parent / name).resolve().is_relative_to(path.parent.resolve())
    if name is None or not inside or not (path.parent / name).is_file():
        return JobFile(content=content, requirement_files={})
    text = _read(path.parent / name, at_most=REQUIREMENTS_BYTES_MAX).decode(errors="replace")
    return JobFile(content=content, requirement_files={name: text})


def send_working_folder(hub: Lilong, *, folder: Path, quiet: bool) -> str:
    """Pack a folder, show its size, upload what the hub lacks; return the digest of the manifest."""
    listing = list_folder(folder=folder)
    if not quiet:
        left = f", {len(listing.left)} left behind" if listing.left else ""
        messages.print(f"{folder}: {len(listing.files)} files, {format_bytes(listing.size_bytes)}{left}")
    with byte_progress(title="Reading", quiet=quiet) as progress:
        task = progress.add_task("Reading", total=listing.size_bytes)
        packed = pack_files(listing=listing, on_bytes=lambda count: progress.advance(task, count))
    missing = list_missing(packed=packed, objects=hub.objects)
    total_bytes = sum(path.stat().st_size for path in missing.values())
    if missing and not quiet:
        messages.print(f"Uploading {len(missing)} files, {format_bytes(total_bytes)}; the hub has the others.")
    with byte_progress(title="Uploading", quiet=quiet) as progress:
        task = progress.add_task("Uploading", total=total_bytes)
        return send_folder(
            packed=packed,
            missing=missing,
            objects=hub.objects,
            on_bytes=lambda count: progress.advance(task, count),
        )


def _read(path: Path, *, at_most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(at_most)
    except OSError as error:
        raise JobFileMissing(detail=f"{path}: {error.strerror}.") from error
