"""Fill the hub in LILONG_HOME with what desks show: `python -m tests.browser_desks` prints sessions and paths."""

import json
import os
import sys
from datetime import timedelta

import django


def main() -> None:
    """Fill the hub, and print who is signed in by which session, and where to look."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    from lilong.common.time import utc_now  # noqa: PLC0415 - needs Django to be set up
    from lilong.foundation.record.public import is_restoring  # noqa: PLC0415 - see above
    from tests.desks import Neighbourhood  # noqa: PLC0415 - see above
    from tests.polling import wait_until  # noqa: PLC0415 - see above

    wait_until(lambda: not is_restoring(now=utc_now()), within_s=60)  # pay-outs wait for the witness
    filled = Neighbourhood(now=utc_now() - timedelta(seconds=1))
    json.dump({"sessions": filled.sign_in_all(), "paths": filled.list_paths(), "cases": filled.cases}, sys.stdout)


if __name__ == "__main__":
    main()
