"""Two kinds of accounts for what a member owes: its debt, without a floor, and the receivable that is its other side."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Q

KINDS = [
    "challenge_escrow",
    "hub_fee",
    "member_debt",
    "order_escrow",
    "outside",
    "programme_fund",
    "project_budget",
    "provider_accruing",
    "provider_available",
    "receivable",
    "service_reserve",
    "voucher",
    "wallet",
]
FLOORLESS = ["hub_fee", "member_debt", "outside", "provider_accruing"]
FIXED = "id, kind, owner_id, purpose, restriction, floor_uc, opened_at"


def make_triggers(_apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Make those of 0002 again: SQLite changes a constraint by a new table, and the old one takes its triggers along."""
    if editor.connection.vendor != "sqlite":
        return
    for name, deed in (("delete", "DELETE"), ("update", f"UPDATE OF {FIXED}")):
        editor.execute(
            f"CREATE TRIGGER IF NOT EXISTS ledger_account_no_{name} BEFORE {deed} ON ledger_account"
            " BEGIN SELECT RAISE(ABORT, 'ledger_account is append-only: post a correction'); END"
        )


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_bank_append_only")]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, make_triggers),
        migrations.RemoveConstraint(model_name="account", name="ledger_account_kind"),
        migrations.RemoveConstraint(model_name="account", name="ledger_account_floor_by_kind"),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(condition=Q(kind__in=KINDS), name="ledger_account_kind"),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=Q(kind__in=FLOORLESS, floor_uc=None) | (~Q(kind__in=FLOORLESS) & Q(floor_uc=0)),
                name="ledger_account_floor_by_kind",
            ),
        ),
        migrations.RunPython(make_triggers, migrations.RunPython.noop),
    ]
