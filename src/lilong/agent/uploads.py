"""Send logs and kept objects to the hub, each from where the hub says it is; cut off anywhere, it goes on there."""

from collections.abc import Mapping

from lilong.agent.engines.port import Engine
from lilong.agent.hub import PART_BYTES_MAX, HubClient
from lilong.agent.outputs import Outputs, list_objects, read_part
from lilong.agent.spool import AttemptFolder

_LOG_PART_BYTES = 1024 * 1024


class Uploads:
    """The way of bytes to the hub. Offsets are remembered for speed alone: the hub's word counts."""

    def __init__(self, *, hub: HubClient, engine: Engine) -> None:
        self._hub = hub
        self._engine = engine
        self._log_offsets: dict[tuple[str, int], int] = {}

    def forget(self) -> None:
        """Ask the hub anew where it is: it may have been restored from a backup."""
        self._log_offsets.clear()

    def is_log_behind(self, *, attempt_id: str, log_bytes: Mapping[int, int]) -> bool:
        """Return whether a log has grown since it was sent."""
        return any(size > self._log_offsets.get((attempt_id, rank), 0) for rank, size in log_bytes.items())

    def send_logs(self, *, attempt_id: str, ref: str, log_bytes: Mapping[int, int]) -> None:
        """Send every rank's log up to its size in `log_bytes`. Secrets were masked where it was written."""
        for rank, size in log_bytes.items():
            key = (attempt_id, rank)
            if size and key not in self._log_offsets:
                self._log_offsets[key] = self._hub.put_log(attempt_id=attempt_id, rank=rank, offset=0, content=b"")
            while self._log_offsets.get(key, 0) < size:
                offset = self._log_offsets[key]
                limit = min(_LOG_PART_BYTES, size - offset)
                content = self._engine.logs(ref=ref, rank=rank, offset=offset, limit=limit)
                if not content:
                    break
                self._log_offsets[key] = self._hub.put_log(
                    attempt_id=attempt_id, rank=rank, offset=offset, content=content
                )

    def send_objects(self, *, folder: AttemptFolder, outputs: Outputs) -> None:
        """Send every kept object that the hub does not have whole."""
        for sha256, size in list_objects(outputs).items():
            known = self._hub.find_upload_offset(attempt_id=folder.attempt_id, sha256=sha256)
            offset = known or 0
            while known is None or offset < size:
                content = read_part(folder=folder, outputs=outputs, sha256=sha256, offset=offset, limit=PART_BYTES_MAX)
                offset = known = self._hub.put_object(
                    attempt_id=folder.attempt_id, sha256=sha256, offset=offset, size_bytes=size, content=content
                )
