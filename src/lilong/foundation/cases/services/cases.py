"""Open cases and decide them: by people, or by a published rule."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.errors import Conflict
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, require
from lilong.common.sentences import say
from lilong.foundation.cases.core.admission import ADMISSION_CASE, PublishedRule, RuleOutcome
from lilong.foundation.cases.core.decisions import CaseState, Decision, Opinion, find_state, may_decide
from lilong.foundation.cases.events import CaseDecided, CaseOverdue
from lilong.foundation.cases.models import Case, CaseOpinion
from lilong.foundation.cases.queries import CaseMissing, is_related, load_terms
from lilong.foundation.cases.services.telling import announce_case, tell_decided, tell_overdue
from lilong.foundation.members.public.evidence import list_used_evidence
from lilong.foundation.outbox.public import emit
from lilong.foundation.record.public import append

BATCH = 200
JUDGED_FIRST = frozenset({ADMISSION_CASE})  # a rule looks at these first; people are told of what it leaves to them
BY_RULE = {Decision.APPROVE: CaseState.APPROVED, Decision.REFUSE: CaseState.REFUSED}


class CaseClosed(Conflict):
    """The case is decided, and a decision stays."""

    code = "cases.closed"
    title = "This case is decided already"
    next_step = "Read its decision; open a new request if the facts have changed."


def open_case(
    *,
    kind: str,
    subject_id: str,
    organisation_id: str,
    opened_by: str,
    facts: Mapping[str, Json],
    concerns: Sequence[str] = (),
    now: datetime,
) -> str:
    """Open the one case of this kind about this subject and return its id; if it is there, return that.

    organisation_id: whom it concerns and who therefore may see and not decide it; empty for the hub itself.
    concerns: further parties; nobody who belongs to one of all these, or to a related party, decides it.
    How many approve and by when is said by the published terms in force. Raises KindUnknown.
    """
    terms = load_terms()
    of_kind = terms.of(kind)
    with transaction.atomic():
        case, is_new = Case.objects.get_or_create(
            kind=kind,
            subject_id=subject_id,
            defaults={
                "id": new_id("cas"),
                "organisation_id": organisation_id,
                "opened_by": opened_by,
                "facts": dict(facts),
                "concerns": list(concerns),
                "approvals_needed": of_kind.approvals,
                "opened_at": now,
                "due_at": now + of_kind.decide_within,
                "state": CaseState.OPEN,
                "terms_version": terms.published.version,
                "terms_sha256": terms.published.sha256,
                "appeal_within_s": int(of_kind.appeal_within.total_seconds()) if of_kind.appeal_within else 0,
                "appeal_against": of_kind.appeal_against,
            },
        )
        if is_new and kind not in JUDGED_FIRST:
            announce_case(case=case, now=now)
    return case.id


def decide_case(*, actor: Actor, case_id: str, decision: Decision, reason: str, now: datetime) -> CaseState:
    """Give the actor's opinion and return where the case then stands.

    The last approval needed decides, as does the first refusal. Raises CaseMissing, CaseClosed, NotAllowed.
    """
    with transaction.atomic():
        case = lock_case(case_id=case_id)
        opinions = [
            Opinion(person_id=row.person_id, decision=Decision(row.decision))
            for row in CaseOpinion.objects.filter(case=case)
        ]
        require(
            may_decide(
                actor=actor,
                opened_by=case.opened_by,
                organisation_id=case.organisation_id,
                opinions=opinions,
                earlier=list_earlier(case=case),
                is_related=is_related(case=case, actor=actor, now=now),
            )
        )
        if case.state != CaseState.OPEN:
            raise CaseClosed(detail=say("It was {state}: {reason}", state=case.state, reason=case.reason))
        CaseOpinion.objects.create(
            id=new_id("opn"),
            case=case,
            person_id=actor.person_id,
            decision=decision,
            reason=reason,
            given_at=now,
        )
        opinions.append(Opinion(person_id=actor.person_id, decision=decision))
        state = find_state(opinions=opinions, approvals_needed=case.approvals_needed)
        if state is not CaseState.OPEN:
            _close(case, state=state, reason=reason, now=now)
        return state


def withdraw_case(*, case_id: str, reason: str, now: datetime) -> None:
    """Close an open case whose request was taken back, so that nobody decides it any more. Idempotent."""
    with transaction.atomic():
        case = lock_case(case_id=case_id)
        if case.state == CaseState.OPEN:
            _close(case, state=CaseState.REFUSED, reason=reason, now=now)


def decide_by_rule(*, case_id: str, rule: PublishedRule, outcome: RuleOutcome, now: datetime) -> CaseState:
    """Decide an open case as a published rule says, and return where it stands; one that is closed stays as it is.

    Where the rule leaves it to people, its verdict and distance are kept beside the open case.
    """
    with transaction.atomic():
        case = lock_case(case_id=case_id)
        if case.state == CaseState.OPEN:
            case.rule_name, case.rule_version, case.rule_sha256 = rule.name, rule.version, rule.sha256
            case.rule_distance = outcome.distance
            if outcome.decision:
                _close(case, state=BY_RULE[outcome.decision], reason=outcome.reason, now=now)
            else:
                case.reason = outcome.reason
                case.save(update_fields=["rule_name", "rule_version", "rule_sha256", "rule_distance", "reason"])
                announce_case(case=case, now=now)
        return CaseState(case.state)


def mark_overdue(*, now: datetime) -> int:
    """Mark the open cases whose time is over, each once with an event, and return how many were marked."""
    late = Case.objects.filter(state=CaseState.OPEN, due_at__lte=now, overdue_at=None)
    if not late.exists():
        return 0
    with transaction.atomic():
        cases = list(late.select_for_update().order_by("id")[:BATCH])
        for case in cases:
            case.overdue_at = now
            case.save(update_fields=["overdue_at"])
            emit(event=CaseOverdue(case_id=case.id, kind=case.kind, subject_id=case.subject_id))
            tell_overdue(case=case, now=now)
    return len(cases)


def lock_case(*, case_id: str) -> Case:
    """Return the case, locked until the transaction ends; raises CaseMissing."""
    case = Case.objects.select_for_update().filter(pk=case_id).first()
    if case is None:
        raise CaseMissing(detail=say("There is no case {case_id}.", case_id=case_id[:64]))
    return case


def list_earlier(*, case: Case) -> set[str]:
    """Return who had a say in the decision that the case appeals against; empty for any other case."""
    if case.appeal_of_id is None:
        return set()
    earlier = CaseOpinion.objects.filter(case_id=case.appeal_of_id)
    return set(earlier.values_list("person_id", flat=True)) | {case.appeal_of.opened_by if case.appeal_of else ""}


def _close(case: Case, *, state: CaseState, reason: str, now: datetime) -> None:
    case.state, case.reason, case.decided_at = state, reason, now
    case.save()
    append(
        kind="cases.decision",
        subject_id=case.id,
        payload={
            "case_kind": case.kind,
            "subject_id": case.subject_id,
            "decision": state.value,
            "reason": reason,
            "approvals": [
                {"person_id": opinion.person_id, "decision": opinion.decision, "reason": opinion.reason}
                for opinion in CaseOpinion.objects.filter(case=case).order_by("id")
            ],
            "rule": {"name": case.rule_name, "version": case.rule_version, "sha256": case.rule_sha256},
            "rule_distance": case.rule_distance,
            "terms": {"version": case.terms_version, "sha256": case.terms_sha256},
            "appeal_of": case.appeal_of_id or "",
            "evidence": [
                {"id": shown.id, "sha256": shown.sha256} for shown in list_used_evidence(subject_id=case.id, now=now)
            ],
        },
        organisation_id=case.organisation_id,
        now=now,
    )
    asked = case.appeal_of or case
    tell_decided(case=case, now=now)
    emit(event=CaseDecided(case_id=case.id, kind=asked.kind, subject_id=asked.subject_id, decision=state.value))
