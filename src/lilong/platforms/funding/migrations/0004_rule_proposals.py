"""From when a version of a rule is in force, and packs that wait for somebody else to approve them."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F, Q

STATES = ["open", "published", "refused"]


def put_in_force(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Say of the versions that are there what was so: in force from the moment of their publication."""
    versions = apps.get_model("funding", "RuleVersion").objects.using(schema_editor.connection.alias)
    versions.update(valid_from=F("published_at"))


class Migration(migrations.Migration):
    dependencies = [("funding", "0003_claw_backs")]

    operations = [
        migrations.AddField(model_name="ruleversion", name="valid_from", field=models.DateTimeField(null=True)),
        migrations.RunPython(put_in_force, elidable=False),
        migrations.AlterField(model_name="ruleversion", name="valid_from", field=models.DateTimeField()),
        migrations.AddConstraint(
            model_name="ruleversion",
            constraint=models.CheckConstraint(
                condition=Q(valid_from__gte=F("published_at")), name="funding_rule_not_in_the_past"
            ),
        ),
        migrations.CreateModel(
            name="RuleProposal",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("version", models.PositiveIntegerField()),
                ("pack", models.TextField()),
                ("pack_sha256", models.CharField(max_length=64)),
                ("valid_from", models.DateTimeField()),
                ("proposed_by", models.CharField(max_length=64)),
                ("proposed_at", models.DateTimeField()),
                ("case_id", models.CharField(max_length=64, unique=True)),
                ("state", models.CharField(default="open", max_length=16)),
                (
                    "programme",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="proposals", to="funding.programme"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["programme", "version"], name="funding_proposal_version_once"),
                    models.UniqueConstraint(
                        fields=["programme"], condition=Q(state="open"), name="funding_one_open_proposal"
                    ),
                    models.CheckConstraint(condition=Q(state__in=STATES), name="funding_proposal_state"),
                ]
            },
        ),
    ]
