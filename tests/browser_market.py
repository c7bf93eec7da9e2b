"""Fill the hub in LILONG_HOME with one offer, whose agent speaks for an hour: `python -m tests.browser_market`."""

import os

import django

HOUR_S = 3600


def main() -> None:
    """Fill the hub."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    from lilong.common.time import utc_now  # noqa: PLC0415 - needs Django to be set up
    from tests.market import open_stall  # noqa: PLC0415 - see above
    from tests.pools import NOON, make_node  # noqa: PLC0415 - see above

    seller = open_stall(accelerator="h100-sxm5", nodes=(make_node(h100_sxm5=8),))
    seller.agent.sync(seconds=(utc_now() - NOON).total_seconds() + HOUR_S)


if __name__ == "__main__":
    main()
