"""The door of funding for the room that sells and knows of quotes: what became of programmes' money until a moment."""

from lilong.platforms.funding.core.reports import Flows, Line, ProgrammeReport, Refused
from lilong.platforms.funding.queries.reports import (
    PublishedRule,
    QuoteRefusal,
    list_reported,
    list_rules,
    report_programme,
)

__all__ = [
    "Flows",
    "Line",
    "ProgrammeReport",
    "PublishedRule",
    "QuoteRefusal",
    "Refused",
    "list_reported",
    "list_rules",
    "report_programme",
]
