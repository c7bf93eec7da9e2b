"""What readers who keep the shelf in memory need: the number of its last change, and of each offer's."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("supermarket", "0004_frozen_earnings")]

    operations = [
        migrations.CreateModel(
            name="ShelfEdition",
            fields=[
                ("id", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("place", models.PositiveSmallIntegerField(default=1, unique=True)),
                ("number", models.BigIntegerField(default=0)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("place", 1)), name="supermarket_one_edition")
                ],
            },
        ),
        migrations.AddField(
            model_name="offer",
            name="edition",
            field=models.BigIntegerField(db_index=True, default=0),
        ),
    ]
