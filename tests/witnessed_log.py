"""A log in memory for tests of witnesses: signs any head of any history that it is asked to sign."""

from collections.abc import Sequence
from dataclasses import dataclass

from lilong.protocol.checkpoint import Checkpoint, KeyKind, SignedNote, SigningKey, sign_log_note
from lilong.protocol.transparency import grow_tree, hash_leaf, join_peaks, list_peaks, plan_consistency
from lilong.protocol.witnessing import CosignRequest

LOG_KEY = SigningKey(name="hub.example/record", kind=KeyKind.LOG, seed=bytes(range(32)))
WITNESS_KEY = SigningKey(name="auditor.example/w1", kind=KeyKind.WITNESS, seed=bytes(range(32, 64)))


@dataclass(frozen=True)
class History:
    """One history of a log, as the texts of its leaves."""

    leaves: Sequence[str]
    key: SigningKey = LOG_KEY

    @property
    def stored(self) -> dict[int, bytes]:
        grown = grow_tree(size=0, peaks=(), leaves=[hash_leaf(leaf.encode()) for leaf in self.leaves])
        return dict(enumerate(grown.hashes))

    def head(self, size: int) -> Checkpoint:
        root = join_peaks([self.stored[position] for position in list_peaks(start=0, end=size)])
        return Checkpoint(origin=self.key.name, size=size, root=root)

    def note(self, size: int) -> str:
        body = self.head(size).body
        return SignedNote(body=body, lines=(sign_log_note(body=body, key=self.key),)).text

    def proof(self, old_size: int, size: int) -> tuple[bytes, ...]:
        if not 0 < old_size <= size:
            return ()
        return plan_consistency(old_size=old_size, new_size=size).assemble(self.stored)

    def request(self, old_size: int, size: int) -> str:
        return CosignRequest(old_size=old_size, proof=self.proof(old_size, size), note=self.note(size)).render()


TRUE = History([f"leaf {number}" for number in range(40)])
FORKED = History([f"leaf {number}" for number in range(10)] + [f"other {number}" for number in range(10, 40)])
