"""The door of members for cases, which decide what organisations are at the hub."""

from lilong.foundation.members.queries.standings import (
    list_open_applications,
    list_unanswered_applications,
    list_ungranted,
)
from lilong.foundation.members.services.applications import (
    APPLICANTS,
    apply_for_standing,
    grant_application,
    may_apply,
    refuse_application,
)

__all__ = [
    "APPLICANTS",
    "apply_for_standing",
    "grant_application",
    "list_open_applications",
    "list_unanswered_applications",
    "list_ungranted",
    "may_apply",
    "refuse_application",
]
