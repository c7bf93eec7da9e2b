"""Management commands that answer with one JSON document; `lilong` starts them as child processes and finds the words.

What they refuse is raised, and `web/manage.py` prints it as a problem document.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from lilong.common.errors import Conflict


class TablesMissing(Conflict):
    """The database lacks tables that this version of the program works with."""

    code = "hub.tables_missing"
    title = "This hub has no tables yet, or those of an older version"
    next_step = "Run `lilong init --home DIR`: it makes them or brings them up to date, and loses nothing."


class HubCommand(BaseCommand, ABC):
    """Prints what `answer` returns. `needs_tables`: whether the hub has to be made before."""

    needs_tables = True

    def handle(self, *_args: object, **options: Any) -> None:  # noqa: ANN401 - what the parser made
        """Print the answer as one document on standard output."""
        if self.needs_tables:
            _require_tables()
        self.stdout.write(json.dumps(self.answer(**options), ensure_ascii=False))

    @abstractmethod
    def answer(self, *args: Any, **options: Any) -> Mapping[str, object]:  # noqa: ANN401 - what the parser made
        """Do it and return what there is to say."""


def _require_tables() -> None:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise TablesMissing(detail=f"{len(missing)} steps are missing, the first in {missing[0][0].app_label}.")
