"""What the worker and the operator's commands call for this room."""

from lilong.foundation.objects.queries import sum_used_bytes
from lilong.foundation.objects.services.copies import (
    StoredCopy,
    count_missing,
    list_stored,
    place_stored,
    probe_storage,
    read_stored,
)
from lilong.foundation.objects.services.retention import reconcile

__all__ = [
    "StoredCopy",
    "count_missing",
    "list_stored",
    "place_stored",
    "probe_storage",
    "read_stored",
    "reconcile",
    "sum_used_bytes",
]
