"""A rule is one document instead of four columns; uses, declarations and decisions."""

import json

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FIGURES = ("rate_ppm", "cap_uc", "expires_in_days", "starter_uc")


def write_documents(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Write each rule as the document that was hashed when it was published."""
    for row in apps.get_model("funding", "RuleVersion").objects.using(schema_editor.connection.alias):
        figures = {name: getattr(row, name) for name in FIGURES}
        row.document = json.dumps(figures, sort_keys=True, separators=(",", ":"))
        row.save(update_fields=["document"])


class Migration(migrations.Migration):
    dependencies = [("funding", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="ruleversion", name="document", field=models.TextField(default=""), preserve_default=False
        ),
        migrations.RunPython(write_documents, elidable=False),
        *(
            migrations.RemoveConstraint(model_name="ruleversion", name=name)
            for name in ("funding_rule_rate", "funding_rule_cap", "funding_rule_days", "funding_rule_starter")
        ),
        *(migrations.RemoveField(model_name="ruleversion", name=name) for name in FIGURES),
        migrations.CreateModel(
            name="VoucherUse",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("order_id", models.CharField(max_length=64)),
                ("amount_uc", models.BigIntegerField()),
                ("year", models.PositiveSmallIntegerField(null=True)),
                (
                    "voucher",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="uses", to="funding.voucher"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["order_id", "voucher"], name="funding_use_once"),
                    models.CheckConstraint(condition=models.Q(("amount_uc__gte", 0)), name="funding_use_amount"),
                ],
                "indexes": [models.Index(fields=["voucher", "year"], name="funding_use_year")],
            },
        ),
        migrations.CreateModel(
            name="Declaration",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("organisation_id", models.CharField(max_length=64)),
                ("country", models.CharField(blank=True, max_length=2)),
                ("founded_on", models.DateField(null=True)),
                ("head_count", models.PositiveIntegerField(null=True)),
                ("purposes", models.JSONField()),
                ("declared_by", models.CharField(max_length=64)),
                ("declared_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["organisation_id", "id"], name="funding_declaration_latest")],
            },
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("organisation_id", models.CharField(max_length=64)),
                ("amount_uc", models.BigIntegerField()),
                ("voucher_id", models.CharField(blank=True, max_length=64)),
                ("code", models.CharField(blank=True, max_length=60)),
                ("reason", models.CharField(blank=True, max_length=2000)),
                ("thresholds", models.JSONField()),
                ("decided_by", models.CharField(blank=True, max_length=64)),
                ("decided_at", models.DateTimeField()),
                (
                    "rule",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="decisions", to="funding.ruleversion"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("code", ""), models.Q(("voucher_id", ""), _negated=True)),
                            models.Q(models.Q(("code", ""), _negated=True), ("voucher_id", "")),
                            _connector="OR",
                        ),
                        name="funding_decision_either",
                    )
                ],
                "indexes": [models.Index(fields=["organisation_id", "id"], name="funding_decision_owner")],
            },
        ),
    ]
