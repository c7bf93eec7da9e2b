"""Many live attempts at once: copies of one that came to run through the services."""

from datetime import datetime
from secrets import token_hex

from django.db import connection

from lilong.common.ids import new_id
from lilong.foundation.runs.models import Attempt, Candidate, Meter, Run


class Copier:
    """Copies of the rows of one running attempt, on any pool."""

    def __init__(self, *, run_id: str) -> None:
        self._attempt = Attempt.objects.select_related("run", "candidate", "meter").get(run_id=run_id)
        self._runs: list[Run] = []
        self._candidates: list[Candidate] = []
        self._attempts: list[Attempt] = []
        self._meters: list[Meter] = []

    @property
    def started_at(self) -> datetime:
        assert self._attempt.started_at is not None
        return self._attempt.started_at

    def add(self, *, pool_id: str) -> str:
        """Return the id of one more attempt, which `save` will write."""
        run = copy_row(self._attempt.run, id=new_id("run"))
        candidate = copy_row(self._attempt.candidate, id=new_id("cand"), run_id=run.id, pool_id=pool_id)
        changes = {"run_id": run.id, "candidate_id": candidate.id, "pool_id": pool_id, "token": token_hex(16)}
        attempt = copy_row(self._attempt, id=new_id("att"), **changes)
        self._runs.append(run)
        self._candidates.append(candidate)
        self._attempts.append(attempt)
        self._meters.append(copy_row(self._attempt.meter, attempt_id=attempt.id))
        return str(attempt.id)

    def save(self) -> None:
        """Write all copies, and let the database know how many rows there are now."""
        Run.objects.bulk_create(self._runs, batch_size=1_000)
        Candidate.objects.bulk_create(self._candidates, batch_size=1_000)
        Attempt.objects.bulk_create(self._attempts, batch_size=1_000)
        Meter.objects.bulk_create(self._meters, batch_size=1_000)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def copy_row(row, **changes):
    """Return a new row with the values of another."""
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return type(row)(**values | changes)
