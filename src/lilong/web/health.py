"""Whether this process lives, and whether it can serve: for supervisors and load balancers."""

from typing import Literal

from django.db import DatabaseError, connection
from django.http import HttpRequest
from ninja import Router, Schema

from lilong import __version__
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import allow_public
from lilong.common.errors import LilongError

router = Router(tags=["health"])


class NotReady(LilongError):
    """The database does not answer, or its tables have not been made."""

    code = "hub.not_ready"
    title = "The hub is not ready"
    status = 503
    next_step = "Try again in a moment. The operator finds the reason in the hub's log; `lilong init` makes the tables."
    retryable = True


class HealthOut(Schema):
    """The process answers."""

    status: Literal["live", "ready"]
    version: str


@router.get("/health/live", response={200: HealthOut, **PROBLEMS}, openapi_extra=allow_public())
def get_liveness(request: HttpRequest) -> HealthOut:
    """Say that this process lives; it asks nothing else."""
    return HealthOut(status="live", version=__version__)


@router.get("/health/ready", response={200: HealthOut, **PROBLEMS}, openapi_extra=allow_public())
def get_readiness(request: HttpRequest) -> HealthOut:
    """Say that this process can serve: the database answers and has been migrated; 503 otherwise."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")
            cursor.fetchone()
    except DatabaseError as error:
        raise NotReady(retry_after_s=5) from error
    return HealthOut(status="ready", version=__version__)
