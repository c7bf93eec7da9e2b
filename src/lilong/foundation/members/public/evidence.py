"""The door of members for rooms that ask for documents, or decide something about who shows them."""

from lilong.foundation.members.core.evidence import EvidenceState
from lilong.foundation.members.queries.evidence import (
    EvidenceMissing,
    EvidenceView,
    get_many_evidence,
    list_evidence_of,
    list_expiring,
)
from lilong.foundation.members.services.evidence import open_evidence, verify_evidence

__all__ = [
    "EvidenceMissing",
    "EvidenceState",
    "EvidenceView",
    "get_many_evidence",
    "list_evidence_of",
    "list_expiring",
    "open_evidence",
    "verify_evidence",
]
