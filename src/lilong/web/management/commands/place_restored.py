"""The last step of `lilong restore` on PostgreSQL: the finished database into the empty one, in one transaction."""

from collections.abc import Mapping

from django.conf import settings

from lilong.common.django.commands import HubCommand
from lilong.web.archive import STAGED_DATABASE
from lilong.web.copying import copy_in


class Command(HubCommand):
    """Fill the hub's empty database from the finished SQLite file, then delete the file."""

    help = "Fill the hub's empty database from the finished SQLite file, then delete the file."
    requires_system_checks = ()
    needs_tables = False

    def answer(self, **_: object) -> Mapping[str, object]:
        """Copy all or nothing; killed before the end, the whole restore is begun again."""
        staged = settings.LILONG.home / STAGED_DATABASE
        copy_in(path=staged)
        staged.unlink()
        return {}
