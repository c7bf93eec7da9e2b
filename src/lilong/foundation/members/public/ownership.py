"""The door of members for rules that forbid dealings between related parties."""

from lilong.foundation.members.core.ownership import RelatedRule, Relation, Share, find_relation
from lilong.foundation.members.queries.ownership import RelatedAnswer, are_related, find_relations, load_related_rule

__all__ = [
    "RelatedAnswer",
    "RelatedRule",
    "Relation",
    "Share",
    "are_related",
    "find_relation",
    "find_relations",
    "load_related_rule",
]
