"""The door of the record. `proofs` stands beside it."""

from lilong.foundation.record.queries.bundles import get_bundle
from lilong.foundation.record.queries.heads import HeadView, NotWitnessedYet, find_newest_head, get_key_ring
from lilong.foundation.record.queries.status import is_restoring
from lilong.foundation.record.queries.verification import VerifyReport, verify
from lilong.foundation.record.services.entries import append
from lilong.foundation.record.services.keys import Signature, rotate_key, sign
from lilong.foundation.record.services.logs import end_restore
from lilong.foundation.record.services.sealing import seal

__all__ = [
    "HeadView",
    "NotWitnessedYet",
    "Signature",
    "VerifyReport",
    "append",
    "end_restore",
    "find_newest_head",
    "get_bundle",
    "get_key_ring",
    "is_restoring",
    "rotate_key",
    "seal",
    "sign",
    "verify",
]
