"""On which terms a kind of request is decided: approvals, clock, appeal. Read from a published file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from lilong.common.errors import InvariantBroken
from lilong.common.sentences import say
from lilong.foundation.cases.core.admission import PublishedRule
from lilong.foundation.cases.core.decisions import CaseState


class KindUnknown(InvariantBroken):
    """A room opened a case of a kind that the published terms do not name."""

    code = "cases.kind_unknown"
    title = "There are no terms for this kind of case"


@dataclass(frozen=True, slots=True)
class KindTerms:
    """The terms of one kind. appeal_within: None where there is no appeal; appeal_against: the decision it is about."""

    approvals: int
    decide_within: timedelta
    appeal_within: timedelta | None
    after_refusal: str
    appeal_against: CaseState = CaseState.REFUSED


@dataclass(frozen=True, slots=True)
class Terms:
    """All terms of one published file."""

    published: PublishedRule
    kinds: Mapping[str, KindTerms]

    def of(self, kind: str) -> KindTerms:
        """Return the terms of a kind; raises KindUnknown."""
        found = self.kinds.get(kind)
        if found is None:
            raise KindUnknown(
                detail=say(
                    "{kind} is not in version {version} of the terms.", kind=kind, version=self.published.version
                )
            )
        return found


def read_terms(*, document: Mapping[str, object], sha256: str) -> Terms:
    """Return the terms that a parsed file says.

    >>> kind = {"approvals": 2, "decide_within_days": 14, "appeal_within_days": 0, "after_refusal": "Ask again."}
    >>> terms = read_terms(document={"name": "terms", "version": "1", "kinds": {"x.y": kind}}, sha256="")
    >>> terms.of("x.y").appeal_within is None
    True
    """
    kinds = cast("Mapping[str, Mapping[str, int | str]]", document["kinds"])
    return Terms(
        published=PublishedRule(name=str(document["name"]), version=str(document["version"]), sha256=sha256),
        kinds={
            kind: KindTerms(
                approvals=int(said["approvals"]),
                decide_within=timedelta(days=int(said["decide_within_days"])),
                appeal_within=timedelta(days=int(said["appeal_within_days"])) if said["appeal_within_days"] else None,
                after_refusal=str(said["after_refusal"]),
                appeal_against=CaseState(str(said.get("appeal_against", CaseState.REFUSED))),
            )
            for kind, said in kinds.items()
        },
    )
