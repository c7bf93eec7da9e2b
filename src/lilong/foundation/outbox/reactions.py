"""What the operator's commands ask of this room."""

from lilong.foundation.outbox.queries import OutboxStanding, get_standing, is_leased

__all__ = ["OutboxStanding", "get_standing", "is_leased"]
