"""The door of members for cases, which decide what organisations are at the hub."""

from lilong.foundation.members.queries.standings import list_unanswered_applications, list_ungranted
from lilong.foundation.members.services.applications import (
    apply_for_standing,
    grant_application,
    may_apply,
    refuse_application,
)

__all__ = [
    "apply_for_standing",
    "grant_application",
    "list_unanswered_applications",
    "list_ungranted",
    "may_apply",
    "refuse_application",
]
