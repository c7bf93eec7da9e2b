"""Triggers: what the bank said, and what a person confirmed of it, never changes."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FOREVER = (
    "ledger_bankfile",
    "ledger_bankstatement",
    "ledger_bankentry",
    "ledger_bankstatemententry",
    "ledger_bankmatch",
)
DEEDS = ("UPDATE", "DELETE")


def make_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    is_postgresql = editor.connection.vendor == "postgresql"
    for table in FOREVER:
        act = (
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
            if is_postgresql
            else f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
        for deed in DEEDS:
            editor.execute(f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table} {act}")


def drop_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    is_postgresql = editor.connection.vendor == "postgresql"
    for table in FOREVER:
        for deed in DEEDS:
            place = f" ON {table}" if is_postgresql else ""
            editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{deed.lower()}{place}")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_bank_statements")]

    operations = [migrations.RunPython(make_triggers, drop_triggers)]
