"""What the operator's commands ask of this room."""

from lilong.common.django.resealing import SealedTable
from lilong.foundation.outbox.models import KeptAnswer
from lilong.foundation.outbox.queries import OutboxBacklog, OutboxStanding, get_standing, is_leased, measure_backlog

__all__ = ["SEALED", "OutboxBacklog", "OutboxStanding", "get_standing", "is_leased", "measure_backlog"]

SEALED = (SealedTable(kind="answers", model=KeptAnswer, columns=("body",)),)
"""Whoever has an answer kept seals it before."""
