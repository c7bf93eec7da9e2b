"""What the worker calls for this room."""

from lilong.foundation.objects.services.retention import reconcile

__all__ = ["reconcile"]
