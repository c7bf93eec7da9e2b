"""What pages of a large hub need: the sum of all that was settled, and the orders that are not over of one buyer."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Count, Sum


def sum_up(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    settled = (
        apps.get_model("supermarket", "Order").objects.using(editor.connection.alias).filter(settled_at__isnull=False)
    )
    found = settled.aggregate(orders=Count("id"), due_uc=Sum("due_uc"))
    if found["orders"]:
        turnover = apps.get_model("supermarket", "Turnover").objects.using(editor.connection.alias)
        turnover.create(orders=found["orders"], due_uc=int(found["due_uc"] or 0))


class Migration(migrations.Migration):
    dependencies = [("supermarket", "0002_running_orders")]

    operations = [
        migrations.CreateModel(
            name="Turnover",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("orders", models.BigIntegerField()),
                ("due_uc", models.BigIntegerField()),
            ],
        ),
        migrations.RunPython(sum_up, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("state__in", ["active", "disputed", "held", "placed", "settling"])),
                fields=["organisation_id", "id"],
                name="supermarket_order_unsettled",
            ),
        ),
    ]
