"""Let threads that bring attempts to one user share calls of the helper: its start costs more than what it does."""

import threading
from dataclasses import dataclass

from lilong.agent.engines.slurm.identity import Delivery, JobUser
from lilong.common.errors import EngineLost, LilongError

DELIVERIES_PER_CALL_MAX = 32


@dataclass(slots=True)
class _Ticket:
    delivery: Delivery
    is_done: bool = False
    error: LilongError | None = None


class Gathering:
    """One call at a time for one user: whoever comes while it runs goes with the next one. For any thread."""

    def __init__(self, *, user: JobUser) -> None:
        self._user = user
        self._turn, self._lock = threading.Lock(), threading.Lock()
        self._waiting: list[_Ticket] = []

    def put(self, delivery: Delivery) -> None:
        """Put as `JobUser.put` does; nobody waits for company."""
        ticket = _Ticket(delivery)
        with self._lock:
            self._waiting.append(ticket)
        while not ticket.is_done:
            with self._turn:
                if not ticket.is_done:
                    self._send()
        if ticket.error is not None:
            raise ticket.error

    def _send(self) -> None:
        with self._lock:
            batch = self._waiting[:DELIVERIES_PER_CALL_MAX]
            del self._waiting[:DELIVERIES_PER_CALL_MAX]
        errors: list[LilongError | None] = [EngineLost(detail="The call ended without an answer.")] * len(batch)
        try:
            errors = self._user.put_many(deliveries=[ticket.delivery for ticket in batch])
        except LilongError as error:
            errors = [error] * len(batch)
        finally:
            for ticket, found in zip(batch, errors, strict=True):
                ticket.error, ticket.is_done = found, True
