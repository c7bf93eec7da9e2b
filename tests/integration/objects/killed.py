"""Act in a forked process that kills itself at its n-th step; a step is a system call on files, a call of an object
store, a statement, a commit.

Reads a JSON line per act from standard input and answers with the wait status of the process that acted.
"""

import json
import os
import signal
import sys
from datetime import datetime

import django
from botocore.client import BaseClient


class Countdown:
    """Kills this process, as kill -9 does, just before or just after a step."""

    def __init__(self, steps):
        self.left = steps

    def tick(self):
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner, name):
        step = getattr(owner, name)

        def counted(*arguments, **named):
            self.tick()
            answer = step(*arguments, **named)
            self.tick()
            return answer

        setattr(owner, name, counted)


def act(order):
    from django.db import connection  # noqa: PLC0415 - Django is set up by now
    from django.db.backends.base.base import BaseDatabaseWrapper  # noqa: PLC0415

    from lilong.foundation.objects.reactions import reconcile  # noqa: PLC0415
    from lilong.foundation.objects.services.references import delete_object  # noqa: PLC0415
    from tests.bytes import begin  # noqa: PLC0415

    content, now = bytes.fromhex(order["content"]), datetime.fromisoformat(order["now"])
    connection.ensure_connection()
    countdown = Countdown(order["steps"])
    for name in ("open", "write", "fsync", "ftruncate", "replace", "unlink", "mkdir"):
        countdown.around(os, name)
    countdown.around(BaseDatabaseWrapper, "_commit")
    countdown.around(BaseClient, "_make_api_call")

    def count_statement(execute, *arguments):
        countdown.tick()
        return execute(*arguments)

    with connection.execute_wrapper(count_statement):
        if order["kind"] == "upload":
            upload_in_pieces(begin(content, organisation_id=order["organisation_id"], now=now), content, now)
        else:
            delete_object(organisation_id=order["organisation_id"], sha256=order["sha256"], now=now)
            reconcile(now=datetime.fromisoformat(order["later"]))


def upload_in_pieces(begun, content, now):
    from lilong.foundation.objects.public import append_upload  # noqa: PLC0415

    offset, piece = begun.offset, len(content) // 3
    while not begun.complete:
        answer = append_upload(
            upload_id=begun.upload_id, offset=offset, chunks=[content[offset : offset + piece]], now=now
        )
        if answer == len(content):
            return
        offset = answer


def main():
    django.setup()
    from lilong.foundation.objects.queries import open_storage  # noqa: PLC0415 - Django is set up by now

    open_storage()  # what it loads need not be loaded again in each fork
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            code = 1
            try:
                act(json.loads(line))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
