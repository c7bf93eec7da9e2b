"""Admission by published rule: which organisations are admitted in the same minute, and which a person looks at."""

from dataclasses import dataclass

from lilong.foundation.cases.core.decisions import Decision


@dataclass(frozen=True, slots=True)
class PublishedRule:
    """Which rule decided: its name, version and the SHA-256 of its file."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class AdmissionRule:
    """Thresholds of the admission rule.

    kinds: kinds of organisations that it admits; organisations_per_owner_max: how many one owner may bring in;
    admissions_per_day_max: how many it admits in 24 hours, so that a flood of applications meets a person.
    """

    published: PublishedRule
    kinds: frozenset[str]
    organisations_per_owner_max: int
    admissions_per_day_max: int


@dataclass(frozen=True, slots=True)
class Application:
    """Facts about an applicant. Counts leave this application out."""

    kind: str
    organisations_of_owner: int
    admissions_of_day: int


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What the rule says: a decision, or None when a person has to decide.

    distance: how many more applications the nearest threshold would still bear; negative by how many it is exceeded.
    """

    decision: Decision | None
    reason: str
    distance: int


def decide_admission(*, application: Application, rule: AdmissionRule) -> RuleOutcome:
    """Return what the rule says to an application; it never refuses, it hands over to a person.

    >>> rule = AdmissionRule(PublishedRule("admission", "1", ""), frozenset({"resident"}), 3, 100)
    >>> decide_admission(application=Application("resident", 0, 10), rule=rule)
    RuleOutcome(decision=<Decision.APPROVE: 'approve'>, reason='All conditions are met.', distance=2)
    """
    room_of_owner = rule.organisations_per_owner_max - 1 - application.organisations_of_owner
    room_of_day = rule.admissions_per_day_max - 1 - application.admissions_of_day
    distance = min(room_of_owner, room_of_day)
    if application.kind not in rule.kinds:
        return RuleOutcome(None, f"A person decides on organisations of the kind {application.kind}.", distance)
    if room_of_owner < 0:
        return RuleOutcome(None, "The owner has brought in many organisations already: a person decides.", distance)
    if room_of_day < 0:
        return RuleOutcome(None, "Many organisations were admitted within a day: a person decides.", distance)
    return RuleOutcome(Decision.APPROVE, "All conditions are met.", distance)
