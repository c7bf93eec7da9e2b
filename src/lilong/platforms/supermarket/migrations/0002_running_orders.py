from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("supermarket", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="order", name="supermarket_order_running"),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("placed_at__isnull", False), ("settled_at", None)),
                fields=["id"],
                name="supermarket_order_running",
            ),
        ),
    ]
