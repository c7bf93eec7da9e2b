"""Runs: what becomes of an order's job, its log, the files that it made."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from lilong.protocol.spec import RunSpec
from lilong.sdk.noun import Answer, Noun, address
from lilong.sdk.patience import PATIENCE_S, ask_patiently

POLL_S = 0.5


class Artefact(Answer):
    """One file that a run made; its bytes are the object `sha256`."""

    attempt_number: int
    path: str
    sha256: str
    size_bytes: int


class Attempt(Answer):
    """One try on one pool. final: nothing billed changes any more; resumed: it began with a checkpoint."""

    id: str
    number: int
    pool_id: str
    state: str
    reason: str | None = None
    fault: str | None = None
    detail: str = ""
    metered_ms: int
    billable_ms: int
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    exit_code: int | None = None
    resumed: bool
    final: bool


class Run(Answer):
    """A run with its attempts and artefacts; waiting_reason says why there is no progress.

    expected_start_basis: while it queues, `scheduler`, or `unknown` where there is no expected_start_at.
    """

    id: str
    name: str
    state: str
    reason: str | None = None
    fault: str | None = None
    detail: str = ""
    waiting_reason: str = ""
    expected_start_at: datetime | None = None
    expected_start_basis: str | None = None
    authorised_ms: int
    metered_ms: int
    billable_ms: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    attempts: tuple[Attempt, ...]
    artefacts: tuple[Artefact, ...]
    finished: bool


@dataclass(frozen=True, slots=True)
class LogPiece:
    """Some bytes of the log of one attempt, from `offset` on. complete: it has ended, and nothing follows them."""

    attempt_number: int
    offset: int
    content: bytes
    complete: bool

    @property
    def end(self) -> int:
        """Offset of the byte after these."""
        return self.offset + len(self.content)


class Runs(Noun):
    """Watch runs and read what they wrote."""

    def get(self, run_id: str) -> Run:
        """Return a run as it stands."""
        return self._get(Run, address("runs", run_id))

    def list(self) -> Iterator[Run]:
        """Yield the organisation's runs, newest first."""
        return self._list(Run, address("runs"))

    def get_spec(self, run_id: str) -> RunSpec:
        """Return the spec of a run; secrets stand in it by name only."""
        return RunSpec.model_validate_json(self._transport.request("GET", address("runs", run_id, "spec")).content)

    def read_log(self, run_id: str, *, attempt_number: int, rank: int = 0, offset: int = 0) -> LogPiece:
        """Return bytes of a log from `offset`, at most 1 MiB: none when the log has not come so far."""
        params = {"attempt": attempt_number, "rank": rank, "offset": offset}
        answer = self._transport.request("GET", address("runs", run_id, "log"), params=params)
        return LogPiece(
            attempt_number=attempt_number,
            offset=int(answer.headers["Log-Next"]) - len(answer.content),
            content=answer.content,
            complete=answer.headers["Log-Complete"] == "true",
        )

    def follow_log(self, run_id: str, *, rank: int = 0, patience_s: float = PATIENCE_S) -> Iterator[LogPiece]:
        """Yield the log of every attempt as it grows, until the run has finished and all of it was read.

        Each byte comes once, also when the hub restarts meanwhile; raises when it stays away for `patience_s`.
        """
        number = 1
        while self._has_attempt(run_id, number=number, patience_s=patience_s):
            offset, complete = 0, False
            while not complete:
                read = partial(self.read_log, run_id, attempt_number=number, rank=rank, offset=offset)
                piece = ask_patiently(read, patience_s=patience_s)
                offset, complete = piece.end, piece.complete
                if piece.content:
                    yield piece
                elif not complete:
                    time.sleep(POLL_S)
            number += 1

    def _has_attempt(self, run_id: str, *, number: int, patience_s: float) -> bool:
        """Wait until the attempt is there, or it is clear that there will be none."""
        while True:
            run = ask_patiently(partial(self.get, run_id), patience_s=patience_s)
            if number <= len(run.attempts):
                return True
            if run.finished:
                return False
            time.sleep(POLL_S)
