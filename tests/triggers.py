"""Migrate a fresh hub in LILONG_HOME: `python -m tests.triggers` prints the triggers that were made and those there."""

import json
import os
import re
import sys
from collections.abc import Callable

import django
from django.core.management import call_command

MADE, DROPPED = (re.compile(rf"{deed} TRIGGER (?:IF (?:NOT )?EXISTS )?(\w+)") for deed in ("CREATE", "DROP"))


def main() -> None:
    """Watch what migrations execute, and look at the database once they are through."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    from django.db import connection  # noqa: PLC0415 - needs Django to be set up

    made: set[str] = set()

    def watch(execute: Callable[..., object], sql: object, params: object, many: object, context: object) -> object:
        made.update(MADE.findall(str(sql)))
        made.difference_update(DROPPED.findall(str(sql)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        there = [name for (name,) in cursor.fetchall()]
    json.dump({"made": sorted(made), "there": sorted(there)}, sys.stdout)


if __name__ == "__main__":
    main()
