"""How good estimates of starts were, over HTTP; public."""

from datetime import date

from django.http import HttpRequest
from ninja import Router, Schema

from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow_public
from lilong.common.time import utc_now
from lilong.platforms.supermarket.queries.starts import list_start_records

router = Router(tags=["shelf"])


class MonthRecordOut(Schema):
    """One month of a pool, named by its first day.

    began, given_up: jobs with an estimate that began there, or were given up or tried elsewhere before. within_p50 of
    judged_p50 and within_p90 of judged_p90: how many began in the time estimated, of those of which that is known.
    median_error_ms: of the difference from p50; loss_p50_ms, loss_p90_ms: the mean pinball losses; null where none
    began.
    """

    month: date
    began: int
    given_up: int
    judged_p50: int
    within_p50: int
    within_p50_ppm: int | None
    judged_p90: int
    within_p90: int
    within_p90_ppm: int | None
    median_error_ms: int | None
    loss_p50_ms: int | None
    loss_p90_ms: int | None


class PoolRecordOut(Schema):
    """A pool, who runs it, and its months, the newest first."""

    pool_id: str
    name: str
    provider: str
    months: list[MonthRecordOut]


class StartRecordsOut(Schema):
    """Pools by their names."""

    pools: list[PoolRecordOut]


@router.get("/start-records", openapi_extra=allow_public(), auth=None, response={200: StartRecordsOut, **PROBLEMS})
def show_start_records(request: HttpRequest) -> object:
    """Say of each pool how good the estimates of starts in quotes were, in the last six months; for everybody."""
    return {"pools": list_start_records(now=utc_now())}
