"""Objects fetched from the hub, by digest: resumed where a fetch was cut off, verified before they count."""

import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from lilong.agent.hub import HubClient
from lilong.common.errors import LilongError


class ObjectDamaged(LilongError):
    """The bytes that came are not those that the digest names, twice in a row."""

    code = "agent.object_damaged"
    title = "An object does not have the content that its digest names"
    status = 502
    next_step = "The hub's operator should verify the stored objects."


class ObjectCache:
    """A folder of verified objects. Two fetches of one digest become one."""

    def __init__(self, *, folder: Path, hub: HubClient) -> None:
        self._folder = folder
        self._hub = hub
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def fetch(self, *, attempt_id: str, sha256: str, on_bytes: Callable[[int], None]) -> Path:
        """Return the path of the object, fetching what is missing; `on_bytes` hears how many bytes came.

        Raises HubAway when the connection broke (come again, it goes on there), HubRefused, ObjectDamaged.
        """
        final = self._folder / sha256[:2] / sha256
        final.parent.mkdir(exist_ok=True)
        part = final.with_suffix(".part")
        with final.with_suffix(".lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if final.exists():
                os.utime(final)
                return final
            for _ in range(2):
                self._fetch_part(part, attempt_id=attempt_id, sha256=sha256, on_bytes=on_bytes)
                if _digest(part) == sha256:
                    part.rename(final)
                    return final
                part.unlink()
        raise ObjectDamaged(detail=f"Object {sha256} came damaged twice.", facts={"sha256": sha256})

    def clean(self, *, keep_bytes: int) -> None:
        """Delete the objects used longest ago until at most `keep_bytes` are left."""
        paths = [path for path in self._folder.glob("??/*") if path.suffix != ".lock"]
        found = [(facts.st_mtime, facts.st_size, path) for path in paths for facts in [path.stat()]]
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= keep_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _fetch_part(self, part: Path, *, attempt_id: str, sha256: str, on_bytes: Callable[[int], None]) -> None:
        offset = part.stat().st_size if part.exists() else 0
        with (
            self._hub.get_object(attempt_id=attempt_id, sha256=sha256, offset=offset) as (start, chunks),
            part.open("r+b" if part.exists() else "wb") as file,
        ):
            file.truncate(start)
            file.seek(start)
            for chunk in chunks:
                file.write(chunk)
                on_bytes(len(chunk))
            file.flush()
            os.fsync(file.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
