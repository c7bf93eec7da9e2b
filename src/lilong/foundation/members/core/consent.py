"""To what an organisation consents, and when it is asked how it fares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

NAMED_IN_PUBLIC = "named_in_public"
OUTCOME_QUESTIONS = "outcome_questions"
ANSWER_MAX = 10**12


@dataclass(frozen=True, slots=True)
class Wording:
    """A text that people read, in English and Chinese."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class ConsentUse:
    """One use of an organisation's data: a title, and the whole text that is agreed to."""

    title: Wording
    text: Wording


@dataclass(frozen=True, slots=True)
class ConsentTerms:
    """The published uses, by code. A consent holds for the version to which it was given, and for no other."""

    version: str
    sha256: str
    uses: Mapping[str, ConsentUse]


@dataclass(frozen=True, slots=True)
class OutcomeRound:
    """When some questions are asked: so many days after the first standing began."""

    after_days: int
    title: Wording


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """The published rounds and questions, by code. open_days: how long a round can be answered."""

    version: str
    open_days: int
    rounds: Mapping[str, OutcomeRound]
    questions: Mapping[str, Wording]


class RoundState(StrEnum):
    """Where a round stands for one organisation."""

    COMING = "coming"
    OPEN = "open"
    OVER = "over"


def read_consent_terms(*, document: Mapping[str, Any], sha256: str) -> ConsentTerms:
    """Return what a parsed file says."""
    return ConsentTerms(
        version=document["version"],
        sha256=sha256,
        uses={
            code: ConsentUse(title=Wording(**said["title"]), text=Wording(**said["text"]))
            for code, said in document["uses"].items()
        },
    )


def read_outcome_rule(*, document: Mapping[str, Any]) -> OutcomeRule:
    """Return what a parsed file says."""
    return OutcomeRule(
        version=document["version"],
        open_days=document["open_days"],
        rounds={
            code: OutcomeRound(after_days=said["after_days"], title=Wording(en=said["en"], zh=said["zh"]))
            for code, said in document["rounds"].items()
        },
        questions={code: Wording(**said) for code, said in document["questions"].items()},
    )


def find_round_days(*, began_on: date, after_days: int, open_days: int) -> tuple[date, date]:
    """Return the first day of a round, and the day from which it can be answered no more.

    >>> find_round_days(began_on=date(2026, 1, 1), after_days=10, open_days=5)
    (datetime.date(2026, 1, 11), datetime.date(2026, 1, 16))
    """
    opens_on = began_on + timedelta(days=after_days)
    return opens_on, opens_on + timedelta(days=open_days)


def find_round_state(*, opens_on: date, closes_on: date, day: date) -> RoundState:
    """Return where a round stands on a day.

    >>> find_round_state(opens_on=date(2026, 1, 11), closes_on=date(2026, 1, 16), day=date(2026, 1, 16))
    <RoundState.OVER: 'over'>
    """
    if day < opens_on:
        return RoundState.COMING
    return RoundState.OPEN if day < closes_on else RoundState.OVER
