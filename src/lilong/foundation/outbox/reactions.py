"""What the operator's commands ask of this room."""

from lilong.foundation.outbox.queries import OutboxBacklog, OutboxStanding, get_standing, is_leased, measure_backlog

__all__ = ["OutboxBacklog", "OutboxStanding", "get_standing", "is_leased", "measure_backlog"]
