"""Organisations admitted before there were standings have that of their kind since they were founded, without end."""

from typing import TYPE_CHECKING

from django.db import migrations

from lilong.common.ids import new_id
from lilong.common.time import utc_now

if TYPE_CHECKING:
    from django.apps.registry import Apps
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def grant_first_standings(apps: "Apps", _editor: "BaseDatabaseSchemaEditor") -> None:
    """Nobody who could order before is kept from it by this release."""
    organisations = apps.get_model("members", "Organisation")
    standings = apps.get_model("members", "OrganisationStanding")
    admitted = organisations.objects.filter(state__in=["admitted", "suspended"], kind__in=["resident", "provider"])
    for row in admitted.filter(standings=None).order_by("id").iterator():
        standings.objects.create(
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
