"""The door of members for rooms that ask for documents, or decide something about who shows them."""

from lilong.foundation.members.core.evidence import EvidenceState
from lilong.foundation.members.queries.evidence import (
    EvidenceMissing,
    EvidenceView,
    get_many_evidence,
    list_evidence_of,
    list_expiring,
    list_used_evidence,
    list_wallet,
    load_evidence_kinds,
)
from lilong.foundation.members.services.evidence import (
    KEEPERS,
    OpenedDocument,
    open_evidence,
    use_evidence,
    verify_evidence,
)

__all__ = [
    "KEEPERS",
    "EvidenceMissing",
    "EvidenceState",
    "EvidenceView",
    "OpenedDocument",
    "get_many_evidence",
    "list_evidence_of",
    "list_expiring",
    "list_used_evidence",
    "list_wallet",
    "load_evidence_kinds",
    "open_evidence",
    "use_evidence",
    "verify_evidence",
]
