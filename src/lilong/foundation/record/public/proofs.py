"""The door of the record: whether what was entered can be proven by now."""

from lilong.foundation.record.queries.growth import is_witnessed

__all__ = ["is_witnessed"]
