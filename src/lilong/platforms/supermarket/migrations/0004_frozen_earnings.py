"""What a provider's desk finds the disputes of its own earnings by, also for those that are open already."""

import json

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from lilong.common.ids import new_id


def freeze_open(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    frozen = apps.get_model("supermarket", "FrozenEarning").objects.using(editor.connection.alias)
    quotes = apps.get_model("supermarket", "Quote").objects.using(editor.connection.alias)
    for dispute in (
        apps.get_model("supermarket", "Dispute")
        .objects.using(editor.connection.alias)
        .filter(closed_at=None)
        .order_by("id")
    ):
        document = json.loads(quotes.get(order=dispute.order_id).document)
        for provider_id in sorted({offer["provider_id"] for offer in document["offers"]}):
            frozen.create(id=new_id("frz"), dispute=dispute, provider_id=provider_id)


class Migration(migrations.Migration):
    dependencies = [("supermarket", "0003_large_hubs")]

    operations = [
        migrations.CreateModel(
            name="FrozenEarning",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                (
                    "dispute",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="frozen_earnings",
                        to="supermarket.dispute",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="frozen_earnings",
                        to="supermarket.provider",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("dispute", "provider"), name="supermarket_frozen_once")
                ],
            },
        ),
        migrations.RunPython(freeze_open, migrations.RunPython.noop),
    ]
