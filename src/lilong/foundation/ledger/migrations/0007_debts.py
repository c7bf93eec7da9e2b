"""Two kinds of accounts for what a member owes: its debt, without a floor, and the receivable that is its other side."""

from django.db import migrations, models
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


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_bank_append_only")]

    operations = [
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
    ]
