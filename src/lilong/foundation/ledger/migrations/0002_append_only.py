"""Triggers: transfers, periods and closing balances never change; of an account only the sums do, and it stays."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FOREVER = ("ledger_transfer", "ledger_period", "ledger_closingbalance")
FIXED_OF_ACCOUNT = "id, kind, owner_id, purpose, restriction, floor_uc, opened_at"

POSTGRESQL = """
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: post a correction', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
"""


def _name(table: str, deed: str) -> str:
    return f"{table}_no_{deed.split(maxsplit=1)[0].lower()}"


def make_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    refused = [(table, deed) for table in FOREVER for deed in ("UPDATE", "DELETE")]
    refused += [("ledger_account", "DELETE"), ("ledger_account", f"UPDATE OF {FIXED_OF_ACCOUNT}")]
    if editor.connection.vendor == "postgresql":
        editor.execute(POSTGRESQL, params=None)
        for table, deed in refused:
            editor.execute(
                f"CREATE TRIGGER {_name(table, deed)} BEFORE {deed} ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
            )
        # Room on each page, so that a changed sum stays beside the old one and no index is touched.
        editor.execute("ALTER TABLE ledger_account SET (fillfactor = 50)")
        return
    for table, deed in refused:
        editor.execute(
            f"CREATE TRIGGER {_name(table, deed)} BEFORE {deed} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} is append-only: post a correction'); END"
        )


def drop_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP FUNCTION ledger_refuse() CASCADE")
        return
    for table in (*FOREVER, "ledger_account"):
        for deed in ("UPDATE", "DELETE"):
            editor.execute(f"DROP TRIGGER IF EXISTS {_name(table, deed)}")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [migrations.RunPython(make_triggers, drop_triggers)]
