"""To what an organisation consents, and how it says it fares."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from lilong.sdk.noun import Answer, Noun, address


class Text(Answer):
    """A text in English and Chinese."""

    en: str
    zh: str


class Use(Answer):
    """A use of an organisation's data; given_at: since when it says yes to this text, None while it does not."""

    code: str
    title: Text
    text: Text
    given_at: datetime | None = None


class Consent(Answer):
    """A yes to one use in the words of one version, and when it was taken back."""

    use: str
    version: str
    given_at: datetime
    withdrawn_at: datetime | None = None


class ConsentSheet(Answer):
    """The texts in force with what one's own organisation says to each, and all that it ever said, newest first."""

    version: str
    sha256: str
    uses: tuple[Use, ...]
    items: tuple[Consent, ...]

    @property
    def given(self) -> frozenset[str]:
        """The uses to which it says yes."""
        return frozenset(use.code for use in self.uses if use.given_at is not None)


class Question(Answer):
    """A question that is asked in every round."""

    code: str
    text: Text


class OutcomeAnswer(Answer):
    """What the organisation answered to a question."""

    question: str
    version: str
    number: int
    answered_at: datetime


class Round(Answer):
    """A round of questions, from `opens_on` until the day before `closes_on`; state: coming, open or over."""

    code: str
    title: Text
    opens_on: date
    closes_on: date
    state: str
    answers: tuple[OutcomeAnswer, ...] = ()


class OutcomeSheet(Answer):
    """The questions, and when one's own organisation is asked. is_asked: it consents to being asked."""

    version: str
    is_asked: bool
    questions: tuple[Question, ...]
    rounds: tuple[Round, ...]


class Consents(Noun):
    """Give and take back consents of one's own organisation, and answer the questions to which it agreed."""

    def get(self) -> ConsentSheet:
        """Return the texts, and what the organisation says."""
        return self._get(ConsentSheet, address("consents"))

    def set(self, uses: Collection[str], *, version: str) -> None:
        """Say yes to exactly these uses; `version` is that of the texts that somebody has read."""
        self._do("PUT", address("consents"), json={"version": version, "uses": sorted(uses)})

    def get_outcomes(self) -> OutcomeSheet:
        """Return the questions, the rounds and what was answered."""
        return self._get(OutcomeSheet, address("outcomes"))

    def answer(self, round_code: str, answers: Mapping[str, int | None]) -> None:
        """Answer questions of an open round, by their codes; None takes an answer back."""
        self._do("PUT", address("outcomes"), json={"round": round_code, "answers": dict(answers)})
