"""What keeps cases moving: applications that wait for the rule or were decided, and cases whose time is over."""

from collections.abc import Mapping
from datetime import datetime

from lilong.common.canonical import Json
from lilong.foundation.cases.core.admission import ADMISSION_CASE
from lilong.foundation.cases.core.standings import STANDING_CASE
from lilong.foundation.cases.queries import OpenCases, count_open_cases, list_stuck_applications
from lilong.foundation.cases.services.admission import judge_application
from lilong.foundation.cases.services.cases import mark_overdue
from lilong.foundation.cases.services.standings import answer_all, answer_standing

__all__ = ["OpenCases", "count_open_cases", "on_case_decided", "on_organisation_applied", "reconcile"]


def on_organisation_applied(payload: Mapping[str, Json], *, now: datetime) -> None:
    """Judge an application as soon as it is there. Subscribes to OrganisationApplied."""
    judge_application(organisation_id=str(payload["organisation_id"]), now=now)


def on_case_decided(payload: Mapping[str, Json], *, now: datetime) -> None:
    """Admit an organisation that a person approved, or answer one that asked for more. Subscribes to CaseDecided."""
    if payload["kind"] == ADMISSION_CASE:
        judge_application(organisation_id=str(payload["subject_id"]), now=now)
    elif payload["kind"] == STANDING_CASE:
        answer_standing(application_id=str(payload["subject_id"]), now=now)


def reconcile(now: datetime) -> None:
    """Judge applications that wait or were approved, answer those for a standing, and mark overdue cases."""
    for organisation_id in list_stuck_applications():
        judge_application(organisation_id=organisation_id, now=now)
    answer_all(now=now)
    mark_overdue(now=now)
