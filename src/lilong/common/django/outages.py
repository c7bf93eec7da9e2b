"""Failures of what the hub stands on, disk and database, told apart from mistakes of the hub."""

import errno

from django.db import Error, InterfaceError, OperationalError

from lilong.common.errors import LilongError

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
# PostgreSQL's SQLSTATE: disk full; locks, deadlocks and serialisation; shutdown and connections.
FULL_STATES = frozenset({"53100"})
BUSY_STATES = frozenset({"55P03", "57014", "40001", "40P01", "53300", "57P01", "57P02", "57P03"})


class StorageFull(LilongError):
    """A disk of the hub is full: what was asked did not happen at all."""

    code = "hub.storage_full"
    title = "The hub's storage is full"
    status = 503
    next_step = "Nothing was changed. The operator has to free space; then send the same request again."
    retryable = True


class HubBusy(LilongError):
    """The database does not answer in time: what was asked did not happen at all."""

    code = "hub.busy"
    title = "The hub is too busy for this just now"
    status = 503
    next_step = "Nothing was changed. Send the same request again in a moment."
    retryable = True


def find_outage(error: BaseException) -> LilongError | None:
    """Return what `error`, or what caused it, means for the caller when disk or database failed; None otherwise."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL_ERRNOS:
            return StorageFull(retry_after_s=60)
        if isinstance(cause, Error):
            found = _find_database_outage(cause)
            if found is not None:
                return found
        cause = cause.__cause__
    return None


def _find_database_outage(error: Error) -> LilongError | None:
    state = getattr(error.__cause__, "sqlstate", None)
    text = str(error)
    if state in FULL_STATES or "disk is full" in text or "disk I/O error" in text:
        return StorageFull(retry_after_s=60)
    lost_connection = isinstance(error, InterfaceError | OperationalError) and state is None and "no such" not in text
    if state in BUSY_STATES or lost_connection:
        return HubBusy(retry_after_s=2)
    return None
