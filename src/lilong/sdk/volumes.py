"""Volumes: folders that outlive runs."""

from collections.abc import Iterator
from datetime import datetime

from lilong.sdk.noun import Answer, Noun, address, read_answer


class Volume(Answer):
    """A volume and its present content; version 0 is empty, writer_run_id names the run that writes to it."""

    id: str
    name: str
    max_bytes: int
    version: int
    manifest_sha256: str
    size_bytes: int
    created_at: datetime
    changed_at: datetime
    writer_run_id: str


class Volumes(Noun):
    """Create, fill and delete volumes."""

    def create(self, *, name: str, max_bytes: int) -> Volume:
        """Create an empty volume; the same name and size again return the same volume."""
        return self._post(Volume, address("volumes"), json={"name": name, "max_bytes": max_bytes})

    def get(self, volume_id: str) -> Volume:
        """Return a volume and the digest of the manifest that is its content."""
        return self._get(Volume, address("volumes", volume_id))

    def list(self) -> Iterator[Volume]:
        """Yield the organisation's volumes, newest first."""
        return self._list(Volume, address("volumes"))

    def fill(self, volume_id: str, *, manifest_sha256: str) -> Volume:
        """Give a volume new content: a manifest and files that are uploaded already."""
        body = {"manifest_sha256": manifest_sha256}
        answer = self._transport.request("PUT", address("volumes", volume_id), json=body)
        return read_answer(answer.content, kind=Volume)

    def remove_file(self, volume_id: str, path: str) -> Volume:
        """Take one file out of a volume; refused while a run writes to it. Runs that read keep what they mounted."""
        answer = self._transport.request("DELETE", address("volumes", volume_id, "files"), params={"path": path})
        return read_answer(answer.content, kind=Volume)

    def move_file(self, volume_id: str, path: str, *, new_path: str) -> Volume:
        """Give one file of a volume another path; refused while a run writes to it."""
        body = {"path": path, "new_path": new_path}
        answer = self._transport.request("PATCH", address("volumes", volume_id, "files"), json=body)
        return read_answer(answer.content, kind=Volume)

    def delete(self, volume_id: str) -> None:
        """Delete a volume; refused while a run writes to it."""
        self._do("DELETE", address("volumes", volume_id))
