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
    """A request and how it was decided; rule_name is empty when people decided.

    outcome: what holds in the end, after an appeal too; appeal_until: when the time for one ends, after a refusal.
    """

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
    is_overdue: bool = False
    assigned_to: str = ""
    outcome: str = ""
    appeal_until: datetime | None = None
    appeal_id: str = ""
    appeal_of_id: str = ""
    next_step: str = ""
    opinions: tuple[Opinion, ...] = ()


class Appealed(Answer):
    """The case by which others decide an appeal."""

    case_id: str


class Cases(Noun):
    """Look at cases and give an opinion on them."""

    def list(self, *, state: str = "", kind: str = "", overdue: str = "") -> Iterator[Case]:
        """Yield the cases that concern one's organisation, newest first; operators get all.

        overdue: `true` for those whose time ran out before a decision, `false` for the others.
        """
        wanted = {"state": state, "kind": kind, "overdue": overdue}
        return self._list(Case, address("cases"), params={name: value for name, value in wanted.items() if value})

    def get(self, case_id: str) -> Case:
        """Return one case."""
        return self._get(Case, address("cases", case_id))

    def decide(self, case_id: str, *, decision: str, reason: str) -> Case:
        """Approve or refuse (`approve`, `refuse`) with a reason; the last approval that it needs decides it."""
        body = {"decision": decision, "reason": reason}
        return self._post(Case, address("cases", case_id, "decisions"), json=body)

    def appeal(self, case_id: str, *, reason: str) -> str:
        """Appeal against a refusal and return the id of the case by which others decide it."""
        return self._post(Appealed, address("cases", case_id, "appeals"), json={"reason": reason}).case_id

    def assign(self, case_id: str, *, person_id: str) -> None:
        """Expect the decision from this operator; an empty id expects it from all."""
        self._do("PUT", address("cases", case_id, "assignment"), json={"person_id": person_id})
