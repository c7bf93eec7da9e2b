"""Attempts and observations for tests of the runs room: small, valid, and different only in what a test names."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from lilong.foundation.runs.core.attempts import AttemptFacts, decide_attempt
from lilong.foundation.runs.core.reports import FIRST_MAC, sign_report
from lilong.protocol.messages import AttemptState, Observation, ReportKind, SignedReport, Usage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "5e" * 32
NONCE = "nonce"
EVERYTHING = type("Everything", (), {"__contains__": lambda *_: True})()


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the attempt was made."""
    return NOON + timedelta(seconds=seconds)


def make_attempt(**fields: object) -> AttemptFacts:
    return AttemptFacts(**{"attempt_id": "att_1", "nonce": NONCE, "nodes": 1, "created_at": NOON, **fields})  # type: ignore[arg-type]


def sign_reports(elapsed_ms: Iterable[int], *, rank: int = 0, end: bool = False, checkpoint_ms: int = 0):
    """Return a whole chain: a start, heartbeats at `elapsed_ms`, the last of them the end if asked."""
    reports: list[SignedReport] = []
    mac = FIRST_MAC
    times = [0, *elapsed_ms]
    for sequence, elapsed in enumerate(times):
        kind = ReportKind.START if sequence == 0 else ReportKind.HEARTBEAT
        if end and sequence == len(times) - 1:
            kind = ReportKind.END
        kept_ms = min(elapsed, checkpoint_ms)
        bare = SignedReport(
            rank=rank, sequence=sequence, kind=kind, elapsed_ms=elapsed, checkpoint_ms=kept_ms, mac=FIRST_MAC
        )
        key = bytes.fromhex(KEY)
        mac = sign_report(key=key, nonce=NONCE, attempt_id="att_1", report=bare, previous_mac=mac)
        reports.append(bare.model_copy(update={"mac": mac}))
    return tuple(reports)


def observe(state: AttemptState, *, seconds: float, metered_ms: int = 0, usable_ms: int = 0, **fields: object):
    """Return an observation of `state` so many seconds after the attempt was made."""
    usage = Usage(metered_ms=metered_ms, usable_ms=usable_ms)
    found = {"attempt_id": "att_1", "state": state, "observed_at": at(seconds), "usage": usage, **fields}
    return Observation.model_validate({"report_key": KEY, **found})


def follow(attempt: AttemptFacts, *observations: Observation, kept: object = EVERYTHING) -> AttemptFacts:
    """Return the attempt after these observations, each read a second after it was made."""
    for observation in observations:
        now = observation.observed_at + timedelta(seconds=1)
        attempt = decide_attempt(attempt, observation, kept=kept, stopped_at=None, now=now)  # type: ignore[arg-type]
    return attempt
