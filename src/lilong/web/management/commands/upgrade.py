"""`lilong upgrade`, in steps: each may be killed and asked for again."""

from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict

from django.core.management import call_command
from django.db import connection

from lilong.common.django.commands import HubCommand
from lilong.common.django.tables import TablesOlder, read_table_steps, require_tables
from lilong.common.time import utc_now
from lilong.web.doctor import OF_STANDSTILL, Verdict, examine
from lilong.web.standstill import require_standstill


class Command(HubCommand):
    """Look which steps the tables lack, make them, or look at what came out."""

    help = "Look which steps the tables lack, make them, or look at what came out."
    needs_tables = False
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which step it is."""
        parser.add_argument("action", choices=["look", "migrate", "examine"])

    def answer(self, *, action: str, **_: object) -> Mapping[str, object]:
        """Do that step; raises HubRuns where it would change tables that are in use, TablesMissing and TablesNewer."""
        if action == "examine":
            return _examine()
        steps = read_table_steps()
        refusal = steps.refuse()
        if refusal is not None and not isinstance(refusal, TablesOlder):
            raise refusal
        if steps.missing:
            require_standstill()
            if action == "migrate":
                call_command("migrate", interactive=False, verbosity=0)
        return {"database": connection.vendor, "missing": steps.missing}


def _examine() -> Mapping[str, object]:
    require_tables()
    findings = examine(now=utc_now(), of_tables=OF_STANDSTILL)
    is_ok = all(finding.verdict is not Verdict.REFUSED for finding in findings)
    return {"ok": is_ok, "findings": [asdict(finding) for finding in findings]}
