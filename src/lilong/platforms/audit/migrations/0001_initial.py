from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditPack",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("begins_on", models.DateField()),
                ("ends_on", models.DateField()),
                ("organisation_id", models.CharField(max_length=64)),
                ("requested_by", models.CharField(max_length=64)),
                ("requested_at", models.DateTimeField()),
                ("state", models.CharField(max_length=16)),
                ("next_at", models.DateTimeField()),
                ("tries", models.PositiveIntegerField(default=0)),
                ("problem", models.CharField(blank=True, max_length=1000)),
                ("said", models.JSONField(null=True)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("size_bytes", models.BigIntegerField(default=0)),
                ("ready_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "requested")), fields=["next_at"], name="audit_pack_waiting"
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["ready", "requested"])), name="audit_pack_state"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("ends_on__gt", models.F("begins_on"))), name="audit_pack_period"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("expires_at__isnull", False),
                                ("ready_at__isnull", False),
                                ("state", "ready"),
                                models.Q(("sha256", ""), _negated=True),
                            ),
                            models.Q(("expires_at", None), ("ready_at", None), ("sha256", ""), ("state", "requested")),
                            _connector="OR",
                        ),
                        name="audit_pack_ready",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "requested")),
                        fields=("begins_on", "ends_on"),
                        name="audit_pack_waits_once",
                    ),
                ],
            },
        ),
    ]
