"""What is asked back of vouchers, and when each use was paid, which the ledger knows of earlier ones."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Q

STATES = ["approved", "asked", "overturned", "refused"]
REASONS = ["claimed_twice", "false_declaration", "other_purpose", "product_withdrawn", "related_party"]


def date_uses(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the moment of each settled use from the transfer by which its voucher paid."""
    alias = schema_editor.connection.alias
    transfers = apps.get_model("ledger", "Transfer").objects.using(alias).filter(code="settle")
    settled = apps.get_model("funding", "VoucherUse").objects.using(alias).filter(year__isnull=False)
    for use in settled.select_related("voucher").iterator():
        paid = transfers.filter(subject=use.order_id, debit_account=use.voucher.account_id).first()
        if paid is not None:
            use.paid_at = paid.effective_at
            use.save(update_fields=["paid_at"])


class Migration(migrations.Migration):
    dependencies = [("funding", "0002_rules_as_documents"), ("ledger", "0007_debts")]

    operations = [
        migrations.AddField(model_name="voucheruse", name="paid_at", field=models.DateTimeField(null=True)),
        migrations.RunPython(date_uses, elidable=False),
        migrations.CreateModel(
            name="ClawBack",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("organisation_id", models.CharField(max_length=64)),
                ("reason", models.CharField(max_length=32)),
                ("detail", models.CharField(max_length=1000)),
                ("case_id", models.CharField(max_length=64, unique=True)),
                ("asked_by", models.CharField(max_length=64)),
                ("asked_at", models.DateTimeField()),
                ("state", models.CharField(default="asked", max_length=16)),
                ("decided_at", models.DateTimeField(null=True)),
                ("claimed_uc", models.BigIntegerField(default=0)),
                ("taken_uc", models.BigIntegerField(default=0)),
                ("moves", models.PositiveIntegerField(default=0)),
                (
                    "voucher",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="claw_backs", to="funding.voucher"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["organisation_id", "id"], name="funding_claw_back_owner"),
                    models.Index(fields=["state", "id"], name="funding_claw_back_by_state"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=Q(state__in=STATES), name="funding_claw_back_state"),
                    models.CheckConstraint(condition=Q(reason__in=REASONS), name="funding_claw_back_reason"),
                    models.CheckConstraint(
                        condition=Q(taken_uc__gte=0, claimed_uc__gte=F("taken_uc")), name="funding_claw_back_sums"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ClawBackUse",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("asked_uc", models.BigIntegerField()),
                ("is_live", models.BooleanField(default=True)),
                (
                    "claw_back",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="uses", to="funding.clawback"
                    ),
                ),
                (
                    "use",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="asked_back", to="funding.voucheruse"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["use"], condition=Q(is_live=True), name="funding_asked_back_once"),
                    models.CheckConstraint(condition=Q(asked_uc__gte=1), name="funding_asked_back_amount"),
                ]
            },
        ),
    ]
