"""Triggers: invoices never change, nor does what they are made by."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FOREVER = tuple(
    f"supermarket_{table}" for table in ("invoice", "invoicemonth", "invoiceparty", "taxrate", "taxtreatment")
)
DEEDS = ("UPDATE", "DELETE")

POSTGRESQL = """
CREATE FUNCTION supermarket_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
"""


def make_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    is_postgresql = editor.connection.vendor == "postgresql"
    if is_postgresql:
        editor.execute(POSTGRESQL, params=None)
    for table in FOREVER:
        for deed in DEEDS:
            begin = f"CREATE TRIGGER {table}_no_{deed.lower()} BEFORE {deed} ON {table}"
            if is_postgresql:
                editor.execute(f"{begin} FOR EACH STATEMENT EXECUTE FUNCTION supermarket_refuse()")
            else:
                editor.execute(f"{begin} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END")


def drop_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP FUNCTION supermarket_refuse() CASCADE")
        return
    for table in FOREVER:
        for deed in DEEDS:
            editor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{deed.lower()}")


class Migration(migrations.Migration):
    dependencies = [("supermarket", "0009_invoices")]

    operations = [migrations.RunPython(make_triggers, drop_triggers)]
