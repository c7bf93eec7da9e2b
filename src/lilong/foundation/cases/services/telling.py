"""What people are told of cases, in the transaction that made it true."""

from datetime import datetime

from lilong.common.time import format_moment
from lilong.foundation.cases.core.admission import ADMISSION_CASE
from lilong.foundation.cases.core.appeals import APPEAL_CASE
from lilong.foundation.cases.core.decisions import CaseState
from lilong.foundation.cases.core.standings import STANDING_CASE
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.queries import find_appeal_end
from lilong.foundation.notices.public import post_notice


def announce_case(*, case: Case, now: datetime) -> None:
    """Tell the operator who is expected to decide, or all of them, that a case waits."""
    post_notice(
        kind="cases.to_decide",
        subject_id=case.id,
        occasion=case.assigned_to,
        organisation_id="",
        person_ids=[case.assigned_to],
        params={"case_kind": case.kind, "due_at": format_moment(case.due_at)},
        now=now,
    )


def tell_overdue(*, case: Case, now: datetime) -> None:
    """Tell all operators that nobody has decided in time, and the organisation concerned that it takes longer."""
    params = {"case_kind": case.kind, "due_at": format_moment(case.due_at)}
    post_notice(kind="cases.overdue", subject_id=case.id, organisation_id="", params=params, now=now)
    if case.organisation_id:
        organisation_id = case.organisation_id
        post_notice(kind="cases.late", subject_id=case.id, organisation_id=organisation_id, params=params, now=now)


def tell_decided(*, case: Case, now: datetime) -> None:
    """Tell an organisation of its admission, its standing or a refused appeal; rooms tell of what they asked for."""
    asked = case.appeal_of or case
    is_refused = case.state == CaseState.REFUSED
    params: dict[str, str | int] = {"reason": case.reason}
    if case.kind == APPEAL_CASE and is_refused:
        kind = "cases.appeal_refused"
    elif asked.kind == ADMISSION_CASE:
        kind = "cases.admission_refused" if is_refused else "cases.admission_approved"
        until = find_appeal_end(case=case)
        params |= {
            "organisation": str(asked.facts.get("name", "")),
            "appeal_until_at": format_moment(until) if until else "",
        }
    elif asked.kind == STANDING_CASE:
        kind = "cases.standing_refused" if is_refused else "cases.standing_granted"
        until = find_appeal_end(case=case)
        params |= {"standing": str(asked.facts["standing"]), "appeal_until_at": format_moment(until) if until else ""}
    else:
        return
    post_notice(kind=kind, subject_id=case.id, organisation_id=case.organisation_id, params=params, now=now)
