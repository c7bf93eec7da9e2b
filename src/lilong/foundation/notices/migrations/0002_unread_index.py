from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notices", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="letter",
            index=models.Index(
                condition=models.Q(("read_at", None)),
                fields=["person_id", "organisation_id"],
                name="notices_letter_unread",
            ),
        ),
    ]
