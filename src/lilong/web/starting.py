"""What a process of the hub makes sure of before it works: that the tables are those of its version."""

import structlog

from lilong.common.django.outages import find_outage
from lilong.common.django.tables import require_tables
from lilong.common.errors import LilongError

# On these two gunicorn ends; after any other it would start its worker again at once.
EXIT_REFUSED = 4
EXIT_LATER = 3

log = structlog.get_logger()


def require_start() -> None:
    """End this process with EXIT_REFUSED on tables of another version, with EXIT_LATER where none can be looked at.

    The connection stays open: by it `lilong upgrade` knows of a process that has nothing to do.
    """
    try:
        require_tables()
    except Exception as error:
        problem = error if isinstance(error, LilongError) else find_outage(error)
        if problem is None:
            raise
        told = {"title": problem.title, "detail": problem.detail, "next_step": problem.next_step}
        log.error("start_refused", code=problem.code, **told)  # noqa: TRY400 - the reason is no mistake of ours
        raise SystemExit(EXIT_LATER if problem.retryable else EXIT_REFUSED) from None
