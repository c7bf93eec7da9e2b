"""Requests that people, or a published rule, decide."""

from collections.abc import Iterator
from datetime import datetime

from pydantic import JsonValue

from lilong.sdk.noun import Answer, Noun, address


class Opinion(Answer):
    """What one person said to a case."""

    person_id: str
    decision: str
    reason: str
    given_at: datetime


class Case(Answer):
    """A request and how it was decided; rule_name is empty when people decided."""

    id: str
    kind: str
    subject_id: str
    organisation_id: str
    facts: dict[str, JsonValue]
    approvals_needed: int
    opened_at: datetime
    due_at: datetime
    state: str
    decided_at: datetime | None = None
    reason: str = ""
    rule_name: str = ""
    rule_version: str = ""
    rule_distance: int | None = None
    opinions: tuple[Opinion, ...] = ()


class Cases(Noun):
    """Look at cases and give an opinion on them."""

    def list(self, *, state: str = "") -> Iterator[Case]:
        """Yield the cases that concern one's organisation, newest first; operators get all."""
        return self._list(Case, address("cases"), params={"state": state} if state else None)

    def get(self, case_id: str) -> Case:
        """Return one case."""
        return self._get(Case, address("cases", case_id))

    def decide(self, case_id: str, *, decision: str, reason: str) -> Case:
        """Approve or refuse (`approve`, `refuse`) with a reason; the last approval that it needs decides it."""
        body = {"decision": decision, "reason": reason}
        return self._post(Case, address("cases", case_id, "decisions"), json=body)
