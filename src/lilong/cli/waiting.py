"""How the command line says why a run waits, and when it is expected to start."""

from datetime import datetime, timedelta
from typing import Annotated

import typer

from lilong.cli.output import credits_text, format_time
from lilong.common.time import format_duration, round_estimate_s
from lilong.sdk.orders import OrderDetail, Review
from lilong.sdk.quotes import Wait
from lilong.sdk.runs import Run

Purpose = Annotated[
    str, typer.Option("--purpose", help="What it is for: operators read it who review the size of a large order.")
]
_MINUTE_S = 60
_CARD_HOUR_MS = 3_600_000
_ROUNDED_ABOVE = timedelta(hours=6)


def describe_review(review: Review) -> str:
    """Return what operators said of an order's size, or by when they do."""
    if not review.decision:
        return f"of its size, until {format_time(review.decide_by)}{': late' if review.is_late else ''}"
    if review.ends_at is None:
        return f"{review.decision}. {review.reason}".strip()
    left = f"{-(-review.left_ms // _CARD_HOUR_MS)} card-hours and {credits_text(review.left_uc)} credits"
    return f"{review.decision}; {left} may be ordered until {format_time(review.ends_at)}. {review.reason}"


def describe_wait(waiting: Run | OrderDetail, *, now: datetime) -> str:
    """Return why it waits and, while it queues, when it is expected to start; empty for what does not wait."""
    said = (waiting.waiting_reason, _describe_start(waiting, now=now))
    return "; ".join(filter(None, said)) if waiting.waiting_reason else ""


def describe_estimate(starts: str, wait: Wait | None) -> str:
    """Return when a job would begin on an offer, by what its pool says and by how long others waited there.

    >>> describe_estimate("unknown", Wait(p50_s=61, p90_s=1000, waits=60))
    'half within 1m10s, 9 of 10 within 17m'
    """
    said = starts.replace("_", " ")
    if wait is None:
        return said
    half, most = (format_duration(round_estimate_s(seconds)) for seconds in (wait.p50_s, wait.p90_s))
    usual = f"half within {half}, 9 of 10 within {most}"
    return usual if starts == "unknown" else f"{said}; {usual}"


def _describe_start(waiting: Run | OrderDetail, *, now: datetime) -> str:
    if waiting.expected_start_basis is None:
        return ""
    if waiting.expected_start_at is None:
        return "when it starts is not known"
    return f"expected to start {_describe_moment(waiting.expected_start_at, now=now)}, by the cluster's scheduler"


def _describe_moment(moment: datetime, *, now: datetime) -> str:
    """Return a moment by its distance, as exactly as an estimate deserves, and by its time."""
    ahead = moment - now
    unit_s = _MINUTE_S * (60 if ahead > _ROUNDED_ABOVE else 1)
    rounded_s = round(ahead.total_seconds() / unit_s) * unit_s
    if rounded_s < _MINUTE_S:
        return f"at any moment ({format_time(moment)})"
    return f"in about {format_duration(rounded_s)} ({format_time(moment)})"
