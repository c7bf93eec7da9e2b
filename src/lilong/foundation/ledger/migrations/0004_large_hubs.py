"""Accounts of one owner or kind in the order in which pages list them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_payments")]

    operations = [
        migrations.RemoveIndex(model_name="account", name="ledger_account_owner"),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["owner_id", "id"], name="ledger_account_by_owner"),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(fields=["kind", "id"], name="ledger_account_by_kind"),
        ),
    ]
