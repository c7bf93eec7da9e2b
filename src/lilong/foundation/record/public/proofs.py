"""The door of the record: whether what was entered can be proven by now, and the proofs of a whole period."""

from lilong.foundation.record.queries.growth import is_witnessed
from lilong.foundation.record.queries.periods import ProvenPeriod, prove_period

__all__ = ["ProvenPeriod", "is_witnessed", "prove_period"]
