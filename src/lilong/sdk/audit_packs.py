"""Audit packs: closed periods as signed files; for operators. `audit_checks.check_pack` checks one without a hub."""

import hashlib
import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

from lilong.common.canonical import Json
from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.objects import BytesDiffer

READ_BYTES = 1 << 20


class AuditPack(Answer):
    """A pack as it stands. problem: why the last try failed; is_kept: whether it can be downloaded."""

    id: str
    begins_on: date
    ends_on: date
    requested_by: str
    requested_at: datetime
    state: str
    problem: str
    sha256: str
    size_bytes: int
    ready_at: datetime | None = None
    expires_at: datetime | None = None
    is_kept: bool


class AuditPacks(Noun):
    """Packs of closed periods."""

    def request(self, *, begins_on: date, ends_on: date) -> AuditPack:
        """Ask for the pack of a closed period, from a day on and before another. Idempotent while it is made."""
        body: dict[str, Json] = {"begins_on": begins_on.isoformat(), "ends_on": ends_on.isoformat()}
        return self._post(AuditPack, address("audit-packs"), json=body)

    def list(self) -> Iterator[AuditPack]:
        """Yield the packs, newest first."""
        return self._list(AuditPack, address("audit-packs"))

    def get(self, pack_id: str) -> AuditPack:
        """Return one pack."""
        return self._get(AuditPack, address("audit-packs", pack_id))

    def download(self, pack: AuditPack, *, target: Path) -> None:
        """Write a pack that is ready to `target`, whole or not at all; raises BytesDiffer."""
        part = target.with_name(f".{target.name}.part")
        digest = hashlib.sha256()
        try:
            with self._transport.stream(address("audit-packs", pack.id, "file")) as response, part.open("wb") as file:
                for chunk in response.iter_bytes(READ_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if digest.hexdigest() != pack.sha256:
                raise BytesDiffer(detail=f"The pack {pack.id} came with other bytes.")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
