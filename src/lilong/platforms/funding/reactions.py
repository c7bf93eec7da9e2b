"""What makes funding move without a request: events that wake, and `reconcile`, which needs none of them."""

from collections.abc import Iterable
from datetime import datetime

from lilong.common.canonical import Json
from lilong.foundation.cases.public import CaseState, get_many
from lilong.platforms.funding.models import FundRequest
from lilong.platforms.funding.queries import list_expired, list_starters_due
from lilong.platforms.funding.services.claw_backs import CLAW_BACK_CASE, settle_all, settle_claw_back
from lilong.platforms.funding.services.programmes import FUND_CASE, drop_fund_request, post_fund_request
from lilong.platforms.funding.services.publishing import PUBLISH_CASE, settle_proposal, settle_proposals
from lilong.platforms.funding.services.vouchers import grant_starters, return_expired, tell_expiring

BATCH = 200


def on_organisation_admitted(payload: dict[str, Json], *, now: datetime) -> None:
    """Give a newly admitted organisation its starter vouchers at once. Subscribes to OrganisationAdmitted."""
    grant_starters(organisation_id=str(payload["organisation_id"]), now=now)


def on_case_decided(payload: dict[str, Json], *, now: datetime) -> None:
    """Post a fund request, take voucher money back or publish a rule, as a case says. Subscribes to CaseDecided."""
    if payload["kind"] == FUND_CASE:
        _close_decided(FundRequest.objects.filter(closed_at=None, case_id=payload["case_id"]), now=now)
    elif payload["kind"] == CLAW_BACK_CASE:
        settle_claw_back(claw_back_id=str(payload["subject_id"]), now=now)
    elif payload["kind"] == PUBLISH_CASE:
        settle_proposal(proposal_id=str(payload["subject_id"]), now=now)


def reconcile(*, now: datetime) -> None:
    """Do what cases decided, take back what is due, give starters, return what expired: found in the tables alone."""
    _close_decided(FundRequest.objects.filter(closed_at=None).order_by("id"), now=now)
    settle_proposals(now=now)
    settle_all(now=now)
    for organisation_id in list_starters_due():
        grant_starters(organisation_id=organisation_id, now=now)
    return_expired(voucher_ids=list_expired(now=now), now=now)


def tell(*, now: datetime) -> None:
    """Tell of what comes near: found in the tables alone, told once."""
    tell_expiring(now=now)


def _close_decided(requests: Iterable[FundRequest], *, now: datetime) -> None:
    waiting = {request.case_id: request.id for request in requests}
    for case in get_many(case_ids=list(waiting)).values():
        if case.state is CaseState.APPROVED:
            post_fund_request(request_id=waiting[case.id], case_id=case.id, now=now)
        elif case.state is CaseState.REFUSED:
            drop_fund_request(request_id=waiting[case.id], now=now)
