"""Admission: the first kind of case. The published rule decides at once; what it leaves open, a person decides."""

import tomllib
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files

from django.db import transaction

from lilong.common.canonical import Json, sha256_hex
from lilong.foundation.cases.core.admission import (
    ADMISSION_CASE,
    AdmissionRule,
    GrantedStanding,
    PublishedRule,
    decide_admission,
)
from lilong.foundation.cases.core.decisions import CaseState
from lilong.foundation.cases.models import Case
from lilong.foundation.cases.queries import find_overturning
from lilong.foundation.cases.services.cases import decide_by_rule, open_case
from lilong.foundation.members.public import (
    OrganisationKind,
    OrganisationState,
    OrganisationView,
    StandingGrant,
    StandingKind,
    admit_organisation,
    get_organisations,
)

RULE_FILE = "admission-2.toml"
DAY = timedelta(days=1)


@lru_cache(maxsize=1)
def load_admission_rule() -> AdmissionRule:
    """Return the rule in force, with the hash of the file that it is read from."""
    content = (files("lilong.foundation.cases") / "rules" / RULE_FILE).read_bytes()
    rule = tomllib.loads(content.decode())
    return AdmissionRule(
        published=PublishedRule(name=rule["name"], version=rule["version"], sha256=sha256_hex(content)),
        kinds=frozenset(rule["kinds"]),
        admissions_per_day_max=rule["admissions_per_day_max"],
        standings={
            kind: GrantedStanding(kind=granted["kind"], days=granted["days"])
            for kind, granted in rule["standings"].items()
        },
    )


def judge_application(*, organisation_id: str, now: datetime) -> None:
    """Open the case of an organisation that applied, let the rule decide it, and admit when it is approved.

    Idempotent; does nothing for an organisation that has not applied or whose case waits for a person.
    """
    with transaction.atomic():
        organisation = get_organisations(organisation_ids=[organisation_id]).get(organisation_id)
        if organisation is None or organisation.state is not OrganisationState.APPLIED:
            return
        case_id = open_case(
            kind=ADMISSION_CASE,
            subject_id=organisation.id,
            organisation_id=organisation.id,
            opened_by="",
            facts=_list_facts(organisation),
            now=now,
        )
        case = Case.objects.select_for_update().get(pk=case_id)
        state = CaseState(case.state)
        if state is CaseState.OPEN and not case.rule_name:
            state = _let_rule_decide(case_id, organisation, now=now)
        if state is CaseState.APPROVED or find_overturning(case=case) is not None:
            admit_organisation(organisation_id=organisation.id, grant=_grant(organisation, case_id), now=now)


def _let_rule_decide(case_id: str, organisation: OrganisationView, *, now: datetime) -> CaseState:
    rule = load_admission_rule()
    admitted = Case.objects.filter(kind=ADMISSION_CASE, state=CaseState.APPROVED, decided_at__gt=now - DAY)
    outcome = decide_admission(kind=organisation.kind.value, admissions_of_day=admitted.count(), rule=rule)
    return decide_by_rule(case_id=case_id, rule=rule.published, outcome=outcome, now=now)


def _list_facts(organisation: OrganisationView) -> dict[str, Json]:
    """Return what the case says of the organisation; a maker's name is a person's, and stays with members alone."""
    facts: dict[str, Json] = {"kind": organisation.kind.value}
    if organisation.kind is not OrganisationKind.MAKER:
        facts["name"] = organisation.name
    return facts


def _grant(organisation: OrganisationView, case_id: str) -> StandingGrant:
    """Return what the rule in force grants to an organisation of this kind."""
    rule = load_admission_rule()
    granted = rule.standings[organisation.kind.value]
    reason = f"Admission {case_id}, by the rule {rule.published.name} {rule.published.version}."
    return StandingGrant(kind=StandingKind(granted.kind), days=granted.days, reason=reason, case_id=case_id)
