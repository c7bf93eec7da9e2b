"""Organisations admitted before there were standings have that of their kind since they were founded, without end."""

from typing import TYPE_CHECKING

from django.db import migrations

from lilong.common.ids import new_id
from lilong.common.time import utc_now

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def grant_first_standings(apps: "Apps", editor: "BaseDatabaseSchemaEditor") -> None:
    """Nobody who could order before is kept from it by this release."""
    alias = editor.connection.alias
    organisations = apps.get_model("members", "Organisation").objects.using(alias)
    standings = apps.get_model("members", "OrganisationStanding").objects.using(alias)
    admitted = organisations.filter(state__in=["admitted", "suspended"], kind__in=["resident", "provider"])
    for row in admitted.filter(standings=None).order_by("id").iterator():
        standings.create(
            id=new_id("std"),
            organisation=row,
            kind=row.kind,
            starts_on=row.created_at.date(),
            ends_on=None,
            granted_at=utc_now(),
            by="",
            reason="Admitted before standings had dates.",
        )


class Migration(migrations.Migration):
    dependencies = [("members", "0002_invitations_and_standings")]

    operations = [migrations.RunPython(grant_first_standings, migrations.RunPython.noop)]
