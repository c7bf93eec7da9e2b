"""How many objects that organisations refer to are not in the storage: asked at the end of a restore."""

from collections.abc import Mapping

from lilong.common.django.commands import HubCommand
from lilong.foundation.objects.reactions import count_missing


class Command(HubCommand):
    """Compare the tables with the storage."""

    help = "Count the objects that the tables name and the storage does not have."

    def answer(self, **_: object) -> Mapping[str, object]:
        """Count them."""
        return {"objects_missing": count_missing()}
