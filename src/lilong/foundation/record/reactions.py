"""What the record does by itself: it reacts to no event, and finds its work in its tables."""

from datetime import datetime

from lilong.foundation.record.queries.growth import RecordGrowth, measure_record
from lilong.foundation.record.queries.status import RecordStatus, read_status
from lilong.foundation.record.services.sealing import seal
from lilong.foundation.record.services.standing import begin_restore

__all__ = ["RecordGrowth", "RecordStatus", "begin_restore", "measure_record", "read_status", "reconcile"]


def reconcile(*, now: datetime) -> None:
    """Seal what waits, and have the newest head cosigned by whoever has not yet done so."""
    seal(now=now)
