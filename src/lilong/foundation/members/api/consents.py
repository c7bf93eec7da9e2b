"""What an organisation consents to, and how it says it fares, over HTTP."""

from datetime import date, datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, StrictInt, StringConstraints

from lilong.common.django.fields import RequestBody
from lilong.common.django.problems import PROBLEMS
from lilong.common.django.routes import ALL_ROLES, allow, get_actor
from lilong.common.permissions import Scope
from lilong.common.time import utc_now
from lilong.foundation.members.core.consent import OUTCOME_QUESTIONS, RoundState
from lilong.foundation.members.core.roles import MANAGERS
from lilong.foundation.members.queries import consents as queries
from lilong.foundation.members.services import consents

ANSWERS_MAX = 20

router = Router(tags=["consents"])

Code = Annotated[str, StringConstraints(min_length=1, max_length=32)]


class TextOut(Schema):
    """A text in both languages."""

    en: str
    zh: str


class UseOut(Schema):
    """A use of an organisation's data; given_at: since when it says yes to this text, null while it does not."""

    code: str
    title: TextOut
    text: TextOut
    given_at: datetime | None


class ConsentOut(Schema):
    """A yes to one use in the words of one version, and when it was taken back."""

    use: str
    version: str
    given_at: datetime
    withdrawn_at: datetime | None


class ConsentsOut(Schema):
    """The texts in force, with what one's own organisation says to each, and all that it ever said, newest first."""

    version: str
    sha256: str
    uses: list[UseOut]
    items: list[ConsentOut]


class ConsentsIn(RequestBody):
    """All uses to which the organisation says yes, in the words of the version that was read."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    uses: Annotated[list[Code], Field(max_length=ANSWERS_MAX)]


class QuestionOut(Schema):
    """A question that is asked in every round; the answer is a whole number."""

    code: str
    text: TextOut


class AnswerOut(Schema):
    """What the organisation answered."""

    question: str
    version: str
    number: int
    answered_at: datetime


class RoundOut(Schema):
    """A round of questions, from `opens_on` until the day before `closes_on`."""

    code: str
    title: TextOut
    opens_on: date
    closes_on: date
    state: RoundState
    answers: list[AnswerOut]


class OutcomesOut(Schema):
    """The questions, and when one's own organisation is asked. is_asked: it consents to being asked."""

    version: str
    is_asked: bool
    questions: list[QuestionOut]
    rounds: list[RoundOut]


class OutcomesIn(RequestBody):
    """Answers to questions of an open round; null takes one back, and what is not named stays."""

    round: Code
    answers: Annotated[dict[Code, StrictInt | None], Field(max_length=ANSWERS_MAX)]


@router.get("/consents", response={200: ConsentsOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_consents(request: HttpRequest) -> Status[object]:
    """Show what the hub asks consent for, and what one's own organisation says."""
    terms, said = queries.load_consent_terms(), queries.list_consents(actor=get_actor(request))
    held = {each.use: each for each in said if each.withdrawn_at is None and each.version == terms.version}
    uses = [
        UseOut(
            code=code,
            title=TextOut.model_validate(use.title),
            text=TextOut.model_validate(use.text),
            given_at=held[code].given_at if code in held else None,
        )
        for code, use in terms.uses.items()
    ]
    return Status(200, {"version": terms.version, "sha256": terms.sha256, "uses": uses, "items": said})


@router.put("/consents", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def set_consents(request: HttpRequest, body: ConsentsIn) -> Status[object]:
    """Say yes to these uses, and take back every yes to another; a yes to older texts ends, too."""
    consents.set_consents(actor=get_actor(request), version=body.version, uses=body.uses, now=utc_now())
    return Status(204, None)


@router.get("/outcomes", response={200: OutcomesOut, **PROBLEMS}, openapi_extra=allow(ALL_ROLES, Scope.READ))
def list_outcomes(request: HttpRequest) -> Status[object]:
    """Show the questions how one's own organisation fares, when they are asked, and what it answered."""
    actor, rule = get_actor(request), queries.load_outcome_rule()
    rounds = [
        RoundOut(
            code=each.code,
            title=TextOut.model_validate(rule.rounds[each.code].title),
            opens_on=each.opens_on,
            closes_on=each.closes_on,
            state=each.state,
            answers=[AnswerOut.model_validate(answer) for answer in each.answers.values()],
        )
        for each in queries.list_rounds(actor=actor, now=utc_now())
    ]
    questions = [QuestionOut(code=code, text=TextOut.model_validate(text)) for code, text in rule.questions.items()]
    is_asked = queries.consents_to(organisation_id=actor.organisation_id, use=OUTCOME_QUESTIONS)
    return Status(200, {"version": rule.version, "is_asked": is_asked, "questions": questions, "rounds": rounds})


@router.put("/outcomes", response={204: None, **PROBLEMS}, openapi_extra=allow(MANAGERS, Scope.MANAGE))
def answer_outcomes(request: HttpRequest, body: OutcomesIn) -> Status[object]:
    """Answer questions of an open round; an answer can be changed until the round is over."""
    consents.answer_outcomes(actor=get_actor(request), round_code=body.round, answers=body.answers, now=utc_now())
    return Status(204, None)
