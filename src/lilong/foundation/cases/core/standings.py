"""What an organisation has to show that asks to be something more at the hub, or for longer."""

from collections.abc import Mapping
from dataclasses import dataclass

from lilong.foundation.cases.core.admission import PublishedRule

STANDING_CASE = "members.standing"


@dataclass(frozen=True, slots=True)
class StandingTerms:
    """For how many days a standing is granted, and which kinds of documents it needs."""

    days: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StandingRule:
    """The published rule, by the kind of standing."""

    published: PublishedRule
    kinds: Mapping[str, StandingTerms]


def choose_documents(*, needed: tuple[str, ...], good: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the ids of the documents to show, and the kinds that lack. good: a document's id by its kind.

    >>> choose_documents(needed=("lease", "registration"), good={"lease": "evd_1"})
    (['evd_1'], ['registration'])
    """
    return [good[kind] for kind in needed if kind in good], [kind for kind in needed if kind not in good]
