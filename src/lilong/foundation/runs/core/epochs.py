"""Which agent speaks for a pool, and whether it may act: only the newest one, and only under the hub's epoch."""

from dataclasses import dataclass
from datetime import datetime

PAST_BOOTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """Who commands a pool: the epoch, the agent that speaks (by boot id) and those that it followed."""

    epoch: int
    boot_id: str
    past_boot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another agent serves the pool by now; this one must stop."""


def decide_epoch(standing: Standing, *, boot_id: str, epoch: int) -> Standing | Superseded:
    """Return who commands the pool after an agent spoke; it may act only if its epoch equals the one returned.

    A new agent raises the epoch, so that what the one before it still says is stale. An agent with a higher epoch than
    the hub's has known a later hub: this one was restored, and goes above.

    >>> decide_epoch(Standing(epoch=4, boot_id="a", past_boot_ids=()), boot_id="b", epoch=4)
    Standing(epoch=5, boot_id='b', past_boot_ids=('a',))
    """
    if boot_id in standing.past_boot_ids:
        return Superseded()
    is_new = boot_id != standing.boot_id
    raised = max(standing.epoch + is_new, epoch + (epoch > standing.epoch))
    past = (*standing.past_boot_ids, standing.boot_id) if is_new and standing.boot_id else standing.past_boot_ids
    return Standing(epoch=raised, boot_id=boot_id, past_boot_ids=past[-PAST_BOOTS_MAX:])


def raise_epoch(epoch: int, *, now: datetime) -> int:
    """Return an epoch above any that a hub had before it was restored: by the clock, as the table may be old.

    >>> from datetime import UTC
    >>> raise_epoch(7, now=datetime(2026, 3, 1, tzinfo=UTC))
    1772323200
    """
    return max(epoch + 1, int(now.timestamp()))
