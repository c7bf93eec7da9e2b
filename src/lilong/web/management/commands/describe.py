"""What `lilong serve` asks before it starts anything: whether there is a whole hub, and where it will listen."""

from collections.abc import Mapping

from django.conf import settings

from lilong.common.django.commands import HubCommand


class Command(HubCommand):
    """Name the hub and its addresses."""

    help = "Name the hub and its addresses."

    def answer(self, **_: object) -> Mapping[str, object]:
        """Read the settings in force."""
        hub = settings.LILONG
        return {"hub_name": hub.hub_name, "public_url": hub.public_url, "bind": hub.bind}
