"""Consenting to uses of an organisation's data, taking it back, and saying how the organisation fares."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from lilong.common.canonical import Json
from lilong.common.errors import Conflict, FieldProblem, InputInvalid, NotFound
from lilong.common.ids import new_id
from lilong.common.permissions import Actor, Role, Scope, may, require
from lilong.common.sentences import say
from lilong.foundation.members.core.consent import ANSWER_MAX, OUTCOME_QUESTIONS, RoundState
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.models import Consent, OutcomeAnswer
from lilong.foundation.members.queries.consents import (
    consents_to,
    list_rounds,
    load_consent_terms,
    load_outcome_rule,
)
from lilong.foundation.members.services.memberships import lock_own_organisation
from lilong.foundation.record.public import append


class ConsentInvalid(InputInvalid):
    """There is no such use, or no such question, or the answer is no number that can be."""

    code = "consent.invalid"
    title = "This cannot be answered like this"
    next_step = "Read again what is asked today, and answer that."


class ConsentOutdated(Conflict):
    """The texts that were read are not those in force."""

    code = "consent.outdated"
    title = "These texts are no longer in force"
    next_step = "Read the texts that are in force now, and answer them."


class OutcomesNotAsked(Conflict):
    """The organisation does not consent to being asked, or this round is not open."""

    code = "consent.not_asked"
    title = "These questions are not asked now"
    next_step = "Look at your organisation's consents: they say whether and when you are asked."


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedAnswer:
    """One answer as operators export it: no name of an organisation or person."""

    organisation_id: str
    organisation_kind: str
    round: str
    question: str
    version: str
    number: int
    answered_at: datetime


def set_consents(*, actor: Actor, version: str, uses: Collection[str], now: datetime) -> None:
    """Say yes to these uses in the words in force, and no more to all others.

    version: of the texts that were read. Raises NotAllowed, ConsentOutdated, ConsentInvalid.
    """
    require(may(actor, roles=MANAGERS, scope=Scope.MANAGE))
    terms = load_consent_terms()
    if version != terms.version:
        detail = say("Version {read} was read, version {valid} is in force.", read=version[:16], valid=terms.version)
        raise ConsentOutdated(detail=detail)
    unknown = sorted(set(uses) - terms.uses.keys())
    if unknown:
        raise ConsentInvalid(
            fields=[FieldProblem(path="uses", code="consent.use", message=say("Unknown: {name}.", name=unknown[0]))]
        )
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        held = {(row.use, row.version): row for row in _list_held(organisation_id=organisation.id)}
        for (use, given_to), row in held.items():
            if use not in uses or given_to != terms.version:
                row.withdrawn_at, row.withdrawn_by = now, actor.person_id
                row.save(update_fields=["withdrawn_at", "withdrawn_by"])
                _record(row, deed="withdrawn", by=actor.person_id, now=now)
        for use in sorted(set(uses)):
            if (use, terms.version) not in held:
                row = Consent.objects.create(
                    id=new_id("csn"),
                    organisation=organisation,
                    use=use,
                    version=terms.version,
                    given_by=actor.person_id,
                    given_at=now,
                )
                _record(row, deed="given", by=actor.person_id, now=now)


def answer_outcomes(*, actor: Actor, round_code: str, answers: Mapping[str, int | None], now: datetime) -> None:
    """Answer questions of an open round; None takes an answer back. What was said before in it is replaced.

    Raises NotFound, OutcomesNotAsked, ConsentInvalid.
    """
    require(may(actor, roles=MANAGERS, scope=Scope.MANAGE))
    rule = load_outcome_rule()
    if round_code not in rule.rounds:
        raise NotFound(detail=say("There is no round {round_code}.", round_code=round_code[:32]))
    problems = [
        FieldProblem(
            path=question, code="consent.answer", message=say("It must be a whole number that is not negative.")
        )
        for question, number in answers.items()
        if question not in rule.questions or (number is not None and not 0 <= number <= ANSWER_MAX)
    ]
    if problems:
        raise ConsentInvalid(fields=problems)
    with transaction.atomic():
        organisation = lock_own_organisation(actor=actor)
        is_open = any(
            each.code == round_code and each.state is RoundState.OPEN for each in list_rounds(actor=actor, now=now)
        )
        if not is_open or not consents_to(organisation_id=organisation.id, use=OUTCOME_QUESTIONS):
            raise OutcomesNotAsked
        own = OutcomeAnswer.objects.filter(organisation=organisation, round=round_code)
        own.filter(question__in=[question for question, number in answers.items() if number is None]).delete()
        for question, number in answers.items():
            if number is not None:
                OutcomeAnswer.objects.update_or_create(
                    organisation=organisation,
                    round=round_code,
                    question=question,
                    defaults={
                        "version": rule.version,
                        "number": number,
                        "answered_by": actor.person_id,
                        "answered_at": now,
                    },
                    create_defaults={
                        "id": new_id("out"),
                        "version": rule.version,
                        "number": number,
                        "answered_by": actor.person_id,
                        "answered_at": now,
                    },
                )


def export_outcomes(*, actor: Actor, now: datetime) -> list[ExportedAnswer]:
    """Return the answers of all organisations that still consent, for operators; the record says who took them.

    Two queries. Cost: linear in answers.
    """
    require(may(actor, roles=frozenset({Role.OPERATOR}), scope=Scope.OPERATE))
    with transaction.atomic():
        version = load_consent_terms().version
        agreed = Consent.objects.filter(use=OUTCOME_QUESTIONS, version=version, withdrawn_at=None)
        rows = OutcomeAnswer.objects.filter(organisation__in=agreed.values("organisation"))
        found = [
            ExportedAnswer(
                organisation_id=row.organisation_id,
                organisation_kind=row.organisation.kind,
                round=row.round,
                question=row.question,
                version=row.version,
                number=row.number,
                answered_at=row.answered_at,
            )
            for row in rows.select_related("organisation").order_by("organisation_id", "round", "question")
        ]
        payload: dict[str, Json] = {"by": actor.person_id, "answers": len(found), "consent_version": version}
        append(kind="members.outcomes_exported", subject_id=actor.organisation_id, payload=payload, now=now)
    return found


def _list_held(*, organisation_id: str) -> list[Consent]:
    return list(Consent.objects.filter(organisation_id=organisation_id, withdrawn_at=None).order_by("id"))


def _record(row: Consent, *, deed: str, by: str, now: datetime) -> None:
    append(
        kind="members.consent_changed",
        subject_id=row.id,
        payload={"deed": deed, "use": row.use, "version": row.version, "by": by},
        organisation_id=row.organisation_id,
        now=now,
    )
