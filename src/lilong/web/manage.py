"""Run one management command in the hub's process: `python -m lilong.web.manage COMMAND`.

Standard output carries one JSON document: the command's answer, or with exit code 1 the problem that it met.
"""

import json
import os
import sys

from django.core.management import execute_from_command_line

from lilong.common.django.outages import find_outage
from lilong.common.errors import LilongError, render_problem

EXIT_REFUSED = 1


def main() -> int:
    """Hand the command line to Django, and print what a command refuses."""
    os.umask(0o077)  # nobody else on this machine reads what the hub writes
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lilong.web.settings")
    try:
        execute_from_command_line([f"{sys.executable} -m lilong.web.manage", *sys.argv[1:]])
    except Exception as error:
        problem = error if isinstance(error, LilongError) else find_outage(error)
        if problem is None:
            raise
        sys.stdout.write(json.dumps(render_problem(problem), ensure_ascii=False) + "\n")
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
