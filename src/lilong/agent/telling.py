"""Choose what of all observations the hub is told now: what changed at once, mere progress of many by turns. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lilong.agent.engines.port import TERMINAL_STATES
from lilong.protocol.messages import Observation, Usage

PROGRESS_TURNS = 4
PROGRESS_PER_SYNC_LEAST = 25
PROGRESS_PER_SYNC_MAX = 500
EXPECTED_START_STEP = timedelta(minutes=5)
"""By less an expected start may move untold: a scheduler plans its whole queue anew all the time."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the hub has answered for: the observation without its progress, the progress, and in which sync."""

    essence: Observation
    progress: tuple[object, ...]
    expected_start_at: datetime | None
    sync: int


@dataclass(frozen=True, slots=True)
class Telling:
    """observations: to be told in full; unchanged: attempts that live as they were told, but for progress.

    told: what the hub will have been told of every attempt once it has answered.
    """

    observations: tuple[Observation, ...]
    unchanged: tuple[str, ...]
    told: Mapping[str, Told]


def choose_telling(*, observations: Sequence[Observation], told: Mapping[str, Told], sync: int) -> Telling:
    """Return what to tell in sync number `sync`.

    Ends, news and whatever differs from what was told are told at once. Attempts with progress alone (meters, reports,
    logs, expected start) take PROGRESS_TURNS turns, those first that were told longest ago: few are told in every sync,
    and of very many PROGRESS_PER_SYNC_MAX. What stands still is named only. So a sync costs by what happens, not by
    what lives. Cost: linear in observations.
    """
    news: list[Observation] = []
    progressed: list[tuple[int, Observation]] = []
    still: list[str] = []
    after: dict[str, Told] = {}
    for seen in observations:
        before, now = told.get(seen.attempt_id), _remember(seen, sync=sync)
        if seen.state in TERMINAL_STATES or before is None or before.essence != now.essence:
            news.append(seen)
            after[seen.attempt_id] = now
        elif before.progress != now.progress or _has_moved(before.expected_start_at, now.expected_start_at):
            progressed.append((before.sync, seen))
            after[seen.attempt_id] = before
        else:
            still.append(seen.attempt_id)
            after[seen.attempt_id] = before
    progressed.sort(key=lambda one: one[0])
    count = limit_progress(progressed=len(progressed))
    for _, seen in progressed[:count]:
        news.append(seen)
        after[seen.attempt_id] = _remember(seen, sync=sync)
    still += [seen.attempt_id for _, seen in progressed[count:]]
    return Telling(observations=tuple(news), unchanged=tuple(still), told=after)


def limit_progress(*, progressed: int) -> int:
    """Return of how many attempts one sync tells at most, where so many have made progress.

    >>> [limit_progress(progressed=count) for count in (10, 200, 10_000)]
    [25, 50, 500]
    """
    share = -(-progressed // PROGRESS_TURNS)
    return min(max(share, PROGRESS_PER_SYNC_LEAST), PROGRESS_PER_SYNC_MAX)


def _remember(seen: Observation, *, sync: int) -> Told:
    usage = seen.usage
    essence = seen.model_copy(
        update={
            "observed_at": None,
            "expected_start_at": None,
            "usage": Usage(authorised_ms=usage.authorised_ms),
            "reports": (),
            "report_counts": {},
            "log_bytes": {},
        }
    )
    progress = (usage.metered_ms, usage.usable_ms, dict(seen.report_counts), dict(seen.log_bytes))
    return Told(essence=essence, progress=progress, expected_start_at=seen.expected_start_at, sync=sync)


def _has_moved(before: datetime | None, now: datetime | None) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(now - before) >= EXPECTED_START_STEP
