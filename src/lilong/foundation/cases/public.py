"""The door of cases."""

from lilong.foundation.cases.core.decisions import CaseState, Decision
from lilong.foundation.cases.queries import CaseMissing, CaseView, get_many, get_terms, list_overturned
from lilong.foundation.cases.services.cases import CaseClosed, decide_case, open_case, withdraw_case

__all__ = [
    "CaseClosed",
    "CaseMissing",
    "CaseState",
    "CaseView",
    "Decision",
    "decide_case",
    "get_many",
    "get_terms",
    "list_overturned",
    "open_case",
    "withdraw_case",
]
