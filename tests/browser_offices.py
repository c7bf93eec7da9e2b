"""Fill the hub in LILONG_HOME with an organisation's papers: `python -m tests.browser_offices` prints where to look."""

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
    from tests.offices import Office  # noqa: PLC0415 - see above

    office = Office(now=utc_now() - timedelta(seconds=1))
    said = {
        "sessions": office.sign_in_all(),
        "paths": office.list_paths(),
        "case_id": office.case_id,
        "organisation_id": office.owner.organisation_id,
    }
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
