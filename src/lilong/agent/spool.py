"""The agent's memory: one folder per attempt, every fact a file that is replaced in one step.

What stands here is enough to find every attempt again after the agent was killed at any point. The order of writing is
the protocol: submit.json before any effect, ended.json before outputs.json, complete.json last.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

SUBMIT, CANCEL, AUTHORITY, SUBMITTED = "submit.json", "cancel.json", "authority.json", "submitted.json"
STAGED, ENDED, OUTPUTS, COMPLETE, RELEASED = (
    "staged.json",
    "ended.json",
    "outputs.json",
    "complete.json",
    "released.json",
)

Model = TypeVar("Model", bound=BaseModel)

_RM, _DU = shutil.which("rm") or "/bin/rm", shutil.which("du") or "/usr/bin/du"
_ATTEMPT_NAME = re.compile(r"[a-z]{2,5}_[0-9a-f]{32}")


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the file in one step, on the disk before this returns; only its owner may read it.

    durable: False for what nobody asks for once the machine has lost power: killed processes lose nothing either way.
    """
    fresh = path.with_name(f"{path.name}.fresh")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    fresh.replace(path)
    if not durable:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, value: Mapping[str, object] | BaseModel, *, durable: bool = True) -> None:
    """Replace the file by `value` in one step, as `write_bytes` does."""
    content = value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value, ensure_ascii=False)
    write_bytes(path, content.encode(), durable=durable)


def remove_tree(path: Path) -> None:
    """Delete a folder whatever a job has nested in it: folders may be deeper than Python can recurse."""
    with suppress(OSError):
        path.rmdir()  # most are empty, and starting a program costs more
    if not os.path.lexists(path):
        return
    subprocess.run([_RM, "-rf", "--", str(path)], check=False, capture_output=True, stdin=subprocess.DEVNULL)


def read_json(path: Path) -> dict[str, object] | None:
    """Return the object in the file, or None when it is missing or cannot be read."""
    try:
        value: object = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def read_model(path: Path, kind: type[Model]) -> Model | None:
    """Return the value in the file, or None when it is missing or cannot be read."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """One attempt's folder. `job` belongs to the job's user; everything beside it to the agent alone."""

    path: Path

    @property
    def attempt_id(self) -> str:
        """The attempt's id is the folder's name."""
        return self.path.name

    @property
    def job(self) -> Path:
        """Everything the job may write, counted against its disk limit."""
        return self.path / "job"

    @property
    def work(self) -> Path:
        """The work folder, shared by all ranks."""
        return self.job / "work"

    def rank(self, number: int) -> Path:
        """Return the folder in which the shim of a rank writes."""
        return self.path / "ranks" / str(number)

    def has(self, name: str) -> bool:
        """Return whether a fact of this name was written."""
        return (self.path / name).exists()


def read_ref(folder: AttemptFolder) -> str:
    """Return the native ref under which the engine has the attempt; empty before it was submitted."""
    return str((read_json(folder.path / SUBMITTED) or {}).get("ref", ""))


class Spool:
    """All attempt folders of one agent: live ones, and those the hub has released until their time is over."""

    def __init__(self, *, home: Path) -> None:
        self.live = home / "spool"
        self.released = home / "released"
        for folder, mode in ((self.live, 0o711), (self.released, 0o700)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)

    def folder(self, attempt_id: str) -> AttemptFolder:
        """Return the folder of an attempt, which need not exist; raises ValueError for what is no attempt id."""
        if not _ATTEMPT_NAME.fullmatch(attempt_id):
            raise ValueError(f"{attempt_id[:80]!r} is no attempt id")
        return AttemptFolder(self.live / attempt_id)

    def knows(self, attempt_id: str) -> bool:
        """Return whether this attempt was ever accepted here, as far as its folder is still kept."""
        return (self.folder(attempt_id).path).exists() or (self.released / attempt_id).exists()

    def create(self, attempt_id: str, facts: Mapping[str, bytes]) -> AttemptFolder:
        """Make the folder with its first facts in one step: it is there whole, or not at all."""
        folder = self.folder(attempt_id)
        fresh = self.live / f".fresh-{attempt_id}"
        remove_tree(fresh)
        fresh.mkdir(mode=0o711)
        for name, content in facts.items():
            write_bytes(fresh / name, content)
        fresh.rename(folder.path)
        return folder

    def list_live(self) -> list[AttemptFolder]:
        """Return every attempt that the hub has not released, oldest first."""
        names = sorted(path.name for path in self.live.iterdir() if _ATTEMPT_NAME.fullmatch(path.name))
        return [AttemptFolder(self.live / name) for name in names]

    def take_back(self) -> None:
        """Make all released attempts live again, as far as they are still here."""
        for path in list(self.released.iterdir()):
            if _ATTEMPT_NAME.fullmatch(path.name) and not (self.live / path.name).exists():
                (path / RELEASED).unlink(missing_ok=True)
                path.rename(self.live / path.name)

    def release(self, folder: AttemptFolder) -> None:
        """Take the attempt out of the live ones; its folder stays until `clean`."""
        (folder.path / RELEASED).touch()
        folder.path.rename(self.released / folder.attempt_id)

    def measure_released(self) -> int:
        """Return the bytes of all released folders."""
        du = [_DU, "--summarize", "--block-size=1", str(self.released)]
        told = subprocess.run(du, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        return int(told.split()[0]) if told[:1].isdigit() else 0

    def clean(self, *, now_s: float, keep_s: float) -> None:
        """Delete released folders that are older than `keep_s` seconds of the wall clock `now_s`."""
        for path in list(self.released.iterdir()):
            mark = path / RELEASED
            if not mark.exists() or now_s - mark.stat().st_mtime > keep_s:
                remove_tree(path)
