"""Which decision of a case can be appealed against; until now only refusals."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0003_parties")]

    operations = [
        migrations.AddField(
            model_name="case", name="appeal_against", field=models.CharField(default="refused", max_length=16)
        ),
    ]
