"""The door of members for rules that ask since when an organisation is here, and who is related to whom."""

from lilong.foundation.members.core.ownership import RelatedRule, Relation, Share, find_relation
from lilong.foundation.members.queries import Admission, find_admission
from lilong.foundation.members.queries.ownership import (
    OwnershipHistory,
    RelatedAnswer,
    are_related,
    find_relations,
    load_ownership_history,
    load_related_rule,
)

__all__ = [
    "Admission",
    "OwnershipHistory",
    "RelatedAnswer",
    "RelatedRule",
    "Relation",
    "Share",
    "are_related",
    "find_admission",
    "find_relation",
    "find_relations",
    "load_ownership_history",
    "load_related_rule",
]
