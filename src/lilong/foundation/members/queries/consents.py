"""Reads of what organisations consent to, and of how they say they fare."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files

from django.db.models import Min

from lilong.common.canonical import sha256_hex
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.foundation.members.core.consent import (
    NAMED_IN_PUBLIC,
    ConsentTerms,
    OutcomeRule,
    RoundState,
    find_round_days,
    find_round_state,
    read_consent_terms,
    read_outcome_rule,
)
from lilong.foundation.members.core.roles import OrganisationState
from lilong.foundation.members.models import Consent, OrganisationStanding, OutcomeAnswer

CONSENT_FILE = "consent-1.toml"
OUTCOMES_FILE = "outcomes-1.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView:
    """A yes to one use in the words of one version, and when it was withdrawn."""

    use: str
    version: str
    given_at: datetime
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeView:
    """What an organisation answered to one question."""

    round: str
    question: str
    version: str
    number: int
    answered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundView:
    """A round of questions for one organisation, from `opens_on` until the day before `closes_on`, with its answers."""

    code: str
    opens_on: date
    closes_on: date
    state: RoundState
    answers: Mapping[str, OutcomeView]


@lru_cache(maxsize=1)
def load_consent_terms() -> ConsentTerms:
    """Return the texts in force, with the hash of the file that they are read from."""
    content = (files("lilong.foundation.members") / "rules" / CONSENT_FILE).read_bytes()
    return read_consent_terms(document=tomllib.loads(content.decode()), sha256=sha256_hex(content))


@lru_cache(maxsize=1)
def load_outcome_rule() -> OutcomeRule:
    """Return the rounds and questions in force."""
    content = (files("lilong.foundation.members") / "rules" / OUTCOMES_FILE).read_text(encoding="utf-8")
    return read_outcome_rule(document=tomllib.loads(content))


def list_consents(*, actor: Actor) -> list[ConsentView]:
    """Return every yes of the actor's organisation, newest first, withdrawn ones and those to old texts too."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = Consent.objects.filter(organisation_id=actor.organisation_id).order_by("-id")
    return [
        ConsentView(use=row.use, version=row.version, given_at=row.given_at, withdrawn_at=row.withdrawn_at)
        for row in rows
    ]


def consents_to(*, organisation_id: str, use: str) -> bool:
    """Return whether an organisation says yes to a use in the words in force. One query."""
    held = Consent.objects.filter(organisation_id=organisation_id, use=use, withdrawn_at=None)
    return held.filter(version=load_consent_terms().version).exists()


def list_outcomes(*, actor: Actor) -> list[OutcomeView]:
    """Return what the actor's organisation answered, oldest first. One query."""
    require(may(actor, roles=frozenset(Role), scope=Scope.READ))
    rows = OutcomeAnswer.objects.filter(organisation_id=actor.organisation_id).order_by("id")
    return [
        OutcomeView(
            round=row.round, question=row.question, version=row.version, number=row.number, answered_at=row.answered_at
        )
        for row in rows
    ]


def list_rounds(*, actor: Actor, now: datetime) -> list[RoundView]:
    """Return the rounds of the actor's organisation in their order; none before its first standing. Two queries."""
    began_on = find_beginning(organisation_id=actor.organisation_id)
    if began_on is None:
        return []
    rule, answers = load_outcome_rule(), list_outcomes(actor=actor)
    rounds: list[RoundView] = []
    for code, planned in rule.rounds.items():
        opens_on, closes_on = find_round_days(
            began_on=began_on, after_days=planned.after_days, open_days=rule.open_days
        )
        rounds.append(
            RoundView(
                code=code,
                opens_on=opens_on,
                closes_on=closes_on,
                state=find_round_state(opens_on=opens_on, closes_on=closes_on, day=now.date()),
                answers={each.question: each for each in answers if each.round == code},
            )
        )
    return rounds


def find_beginning(*, organisation_id: str) -> date | None:
    """Return the day on which an organisation's first standing began; None for one that has none."""
    began: date | None = OrganisationStanding.objects.filter(organisation_id=organisation_id).aggregate(
        began=Min("starts_on")
    )["began"]
    return began


def list_named_organisations(*, limit: int) -> list[str]:
    """Return names of admitted organisations that consent to being named in public, in the order of their yes.

    One query.
    """
    named = Consent.objects.filter(use=NAMED_IN_PUBLIC, version=load_consent_terms().version, withdrawn_at=None)
    admitted = named.filter(organisation__state=OrganisationState.ADMITTED).order_by("id")
    return list(admitted.values_list("organisation__name", flat=True)[:limit])
