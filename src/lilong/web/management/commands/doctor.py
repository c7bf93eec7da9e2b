"""`lilong doctor`: look at all that the hub needs, and say how to mend what is wrong."""

from collections.abc import Mapping
from dataclasses import asdict

from lilong.common.django.commands import HubCommand
from lilong.common.time import utc_now
from lilong.web.doctor import Verdict, examine


class Command(HubCommand):
    """Examine the hub."""

    help = "Look at all that the hub needs, and say how to mend what is wrong."
    needs_tables = False
    requires_system_checks = ()

    def answer(self, **_: object) -> Mapping[str, object]:
        """Return what each check found."""
        findings = examine(now=utc_now())
        is_ok = all(finding.verdict is not Verdict.REFUSED for finding in findings)
        return {"ok": is_ok, "findings": [asdict(finding) for finding in findings]}
