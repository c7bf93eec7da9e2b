"""Run one management command in the hub's process: `python -m lilong.web.manage COMMAND`."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Hand the command line to Django."""
    os.umask(0o077)  # nobody else on this machine reads what the hub writes
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lilong.web.settings")
    execute_from_command_line([f"{sys.executable} -m lilong.web.manage", *sys.argv[1:]])


if __name__ == "__main__":
    main()
