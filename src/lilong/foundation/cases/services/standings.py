"""Standings by case: an organisation asks with the documents that the published rule names, and people decide."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

from django.db import transaction

from lilong.common.canonical import sha256_hex
from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, require
from lilong.common.sentences import say
from lilong.foundation.cases.core.admission import PublishedRule
from lilong.foundation.cases.core.decisions import CaseState
from lilong.foundation.cases.core.standings import STANDING_CASE, StandingRule, StandingTerms, choose_documents
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.queries import find_overturning, list_overturned
from lilong.foundation.cases.services.cases import open_case
from lilong.foundation.members.public import StandingGrant, StandingKind
from lilong.foundation.members.public.evidence import (
    EvidenceState,
    EvidenceView,
    list_wallet,
    load_evidence_kinds,
    use_evidence,
)
from lilong.foundation.members.public.standings import (
    apply_for_standing,
    grant_application,
    list_unanswered_applications,
    list_ungranted,
    may_apply,
    refuse_application,
)

RULE_FILE = "standings-1.toml"
GOOD = frozenset({EvidenceState.GIVEN, EvidenceState.VERIFIED})


class EvidenceLacks(InputInvalid):
    """The wallet has no good document of a kind that this standing needs."""

    code = "standing.evidence_lacks"
    title = "Documents are missing for this"
    next_step = "Put the documents that are named here into your evidence wallet, then apply again."


@dataclass(frozen=True, slots=True)
class Offer:
    """A standing that can be applied for: which documents it needs, which are there, and which kinds lack."""

    kind: StandingKind
    days: int
    shown: Sequence[EvidenceView]
    lacking: Sequence[str]


@lru_cache(maxsize=1)
def load_standing_rule() -> StandingRule:
    """Return the rule in force, with the hash of the file that it is read from."""
    content = (files("lilong.foundation.cases") / "rules" / RULE_FILE).read_bytes()
    rule = tomllib.loads(content.decode())
    return StandingRule(
        published=PublishedRule(name=rule["name"], version=rule["version"], sha256=sha256_hex(content)),
        kinds={
            kind: StandingTerms(days=said["days"], evidence=tuple(said["evidence"]))
            for kind, said in rule["standings"].items()
        },
    )


def list_offers(*, actor: Actor, now: datetime) -> list[Offer]:
    """Return what the actor's organisation could apply for, and with which documents of its wallet. One query."""
    wallet = list_wallet(actor=actor, now=now)
    return [_offer(kind, terms, wallet) for kind, terms in load_standing_rule().kinds.items()]


def ask_for_standing(*, actor: Actor, kind: StandingKind, reason: str, now: datetime) -> str:
    """Open the case by which the actor's organisation becomes something more, or is it for longer; return its id.

    The documents that the rule needs are shown with it. Raises EvidenceLacks, StandingRefused, StandingOverlaps,
    StandingAsked, NotAllowed.
    """
    require(may_apply(actor=actor))
    rule = load_standing_rule()
    with transaction.atomic():
        offer = _offer(kind, rule.kinds[kind], list_wallet(actor=actor, now=now))
        if offer.lacking:
            names = load_evidence_kinds().kinds
            raise EvidenceLacks(
                fields=[
                    FieldProblem(
                        path=lack,
                        code="standing.evidence",
                        message=say("{name} is missing.", name=names[lack].name_en),
                    )
                    for lack in offer.lacking
                ]
            )
        application_id = new_id("sap")
        case_id = open_case(
            kind=STANDING_CASE,
            subject_id=application_id,
            organisation_id=actor.organisation_id,
            opened_by=actor.person_id,
            facts={"standing": kind.value, "reason": reason, "days": offer.days},
            now=now,
        )
        apply_for_standing(actor=actor, application_id=application_id, kind=kind, case_id=case_id, now=now)
        use_evidence(
            organisation_id=actor.organisation_id,
            evidence_ids=[each.id for each in offer.shown],
            subject_id=case_id,
            what=STANDING_CASE,
            by=actor.person_id,
            now=now,
        )
    return case_id


def answer_standing(*, application_id: str, now: datetime) -> None:
    """Grant or refuse what was asked for, as its case was decided. Idempotent; nothing while the case is open."""
    with transaction.atomic():
        case = Case.objects.filter(kind=STANDING_CASE, subject_id=application_id).first()
        if case is None or case.state == CaseState.OPEN:
            return
        approved = case if case.state == CaseState.APPROVED else find_overturning(case=case)
        if approved is not None:
            grant = StandingGrant(
                kind=StandingKind(str(case.facts["standing"])),
                days=int(case.facts["days"]),
                reason=approved.reason,
                case_id=approved.id,
            )
            grant_application(application_id=application_id, grant=grant, now=now)
        else:
            refuse_application(application_id=application_id, now=now)


def answer_all(*, now: datetime) -> None:
    """Answer every application whose case was decided, also on appeal, without anybody being told. For reconcilers."""
    waiting = list_unanswered_applications()
    decided = Case.objects.filter(kind=STANDING_CASE, subject_id__in=waiting).exclude(state=CaseState.OPEN)
    late = list(decided.values_list("subject_id", flat=True)) if waiting else []
    for application_id in [*late, *list_ungranted(application_ids=list_overturned(kind=STANDING_CASE))]:
        answer_standing(application_id=application_id, now=now)


def _offer(kind: str, terms: StandingTerms, wallet: Sequence[EvidenceView]) -> Offer:
    good: dict[str, str] = {}
    for each in wallet:
        if each.state in GOOD:
            good.setdefault(each.kind, each.id)
    shown, lacking = choose_documents(needed=terms.evidence, good=good)
    return Offer(
        kind=StandingKind(kind),
        days=terms.days,
        shown=[each for each in wallet if each.id in shown],
        lacking=lacking,
    )
