"""Fill the hub in LILONG_HOME with what members keep: `python -m tests.browser_account` prints sessions and paths."""

import json
import os
import sys

import django


def main() -> None:
    """Fill the hub; print who is signed in by which session, and the pages by name."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "lilong.web.settings"
    django.setup()
    from tests.settings_of_members import KeptThings  # noqa: PLC0415 - needs Django to be set up

    kept = KeptThings()
    json.dump({"sessions": kept.sign_in_all(), "paths": kept.list_paths()}, sys.stdout)


if __name__ == "__main__":
    main()
