"""One writer for each upload: on PostgreSQL among all machines, else on this one. A lock ends with whoever holds it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from django.db import DatabaseError, connection

from lilong.foundation.objects.storage import BUSY_RETRY_S, UploadBusy


@contextmanager
def lock_in_database(upload_id: str) -> Iterator[None]:
    """Hold a lock of this thread's session at PostgreSQL; raises UploadBusy.

    It is lost only together with the session, and then the session can promise nothing either.
    """
    number = int.from_bytes(sha256(upload_id.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        (held,) = cursor.fetchone()
    if not held:
        raise UploadBusy(retry_after_s=BUSY_RETRY_S)
    try:
        yield
    finally:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
        except DatabaseError:
            connection.close()


@contextmanager
def lock_in_folder(folder: Path, upload_id: str) -> Iterator[None]:
    """Hold the lock of a file that is there only while it is held; raises UploadBusy."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / upload_id
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = path.stat().st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError) as error:
            raise UploadBusy(retry_after_s=BUSY_RETRY_S) from error
        if not ours:  # it was deleted and made anew since we opened it
            raise UploadBusy(retry_after_s=BUSY_RETRY_S)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
