"""Admission by published rule: which organisations are admitted in the same minute, and which a person looks at."""

from collections.abc import Mapping
from dataclasses import dataclass

from lilong.foundation.cases.core.decisions import Decision

ADMISSION_CASE = "members.admission"


@dataclass(frozen=True, slots=True)
class PublishedRule:
    """Which rule decided: its name, version and the SHA-256 of its file."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class GrantedStanding:
    """A kind of standing, and for how many days from the admission on."""

    kind: str
    days: int


@dataclass(frozen=True, slots=True)
class AdmissionRule:
    """The admission rule: which kinds of organisations it admits, how many at most within 24 hours, and as what.

    standings: what an admitted organisation of each kind is at the hub, and for how many days.
    """

    published: PublishedRule
    kinds: frozenset[str]
    admissions_per_day_max: int
    standings: Mapping[str, GrantedStanding]


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What a rule says: a decision, or None when a person has to decide.

    distance: how much more the nearest threshold would bear; negative by how much it is exceeded.
    """

    decision: Decision | None
    reason: str
    distance: int


def decide_admission(*, kind: str, admissions_of_day: int, rule: AdmissionRule) -> RuleOutcome:
    """Return what the rule says to an application; it never refuses, it hands over to a person.

    admissions_of_day: how many organisations were admitted in the last 24 hours, by whomever.

    >>> rule = AdmissionRule(PublishedRule("admission", "1", ""), frozenset({"resident"}), 100, {})
    >>> decide_admission(kind="resident", admissions_of_day=10, rule=rule).distance
    89
    >>> decide_admission(kind="provider", admissions_of_day=10, rule=rule).decision is None
    True
    """
    distance = rule.admissions_per_day_max - 1 - admissions_of_day
    if kind not in rule.kinds:
        return RuleOutcome(None, f"A person decides on organisations of the kind {kind}.", distance)
    if distance < 0:
        return RuleOutcome(None, "Many organisations were admitted within a day: a person decides.", distance)
    return RuleOutcome(Decision.APPROVE, "All conditions of the rule are met.", distance)
