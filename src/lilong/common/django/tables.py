"""Of which version the tables of the hub's database are, beside the program that looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.migrations.loader import MigrationLoader

from lilong.common.errors import Conflict, LilongError


class TablesMissing(Conflict):
    """There are no tables of a hub in the database."""

    code = "hub.tables_missing"
    title = "This hub has no tables yet"
    next_step = "Run `lilong init --home DIR`: it makes them."


class TablesOlder(Conflict):
    """The tables are those of an earlier version of the program."""

    code = "hub.tables_older"
    title = "The tables of this hub are those of an earlier version"
    next_step = "Stop the hub and run `lilong upgrade --home DIR`: it takes a backup, then brings them up to date."


class TablesNewer(Conflict):
    """The tables are those of a later version of the program."""

    code = "hub.tables_newer"
    title = "The tables of this hub are those of a later version"
    next_step = (
        "Use the version of Lilong that this hub was last upgraded with, or a later one. To go back, restore the "
        "backup that `lilong upgrade` took, with the version of then."
    )


@dataclass(frozen=True, slots=True)
class TableSteps:
    """Steps in which the tables are made, each as `room.0001_name`.

    made: how many; missing: those that are to be made, in order; unknown: made by a later version.
    """

    made: int
    missing: Sequence[str]
    unknown: Sequence[str]

    def refuse(self) -> LilongError | None:
        """Return why this program must not work on the tables, or None when they are its own."""
        if self.unknown:
            return TablesNewer(detail=f"This version does not know {_name(self.unknown)}.")
        if not self.made:
            return TablesMissing()
        if self.missing:
            return TablesOlder(detail=f"They lack {_name(self.missing)}.")
        return None


def read_table_steps() -> TableSteps:
    """Compare the hub's database with the program; changes nothing."""
    loader = MigrationLoader(connection)
    applied = loader.applied_migrations or {}
    plan = [
        step
        for leaf in sorted(loader.graph.leaf_nodes())
        for step in loader.graph.forwards_plan(leaf)
        if step not in applied
    ]
    unknown = sorted(set(applied) - set(loader.disk_migrations))
    return TableSteps(
        made=len(applied),
        missing=[".".join(step) for step in dict.fromkeys(plan)],
        unknown=[".".join(step) for step in unknown],
    )


def require_tables() -> None:
    """Raise TablesMissing, TablesOlder or TablesNewer unless the tables are those of this version."""
    refusal = read_table_steps().refuse()
    if refusal is not None:
        raise refusal


def _name(steps: Sequence[str]) -> str:
    return steps[0] if len(steps) == 1 else f"{len(steps)} steps, of which {steps[0]} is the first"
