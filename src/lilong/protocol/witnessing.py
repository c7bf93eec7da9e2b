"""What a log says to a witness: c2sp.org/tlog-witness, over HTTP, in plain text.

`POST /add-checkpoint` asks for a cosignature. `GET /last-head?origin=…`, which is ours, tells the last head that the
witness cosigned for a log, so that a log which was restored from a backup learns how far it had come.
"""

import re
from dataclasses import dataclass

from lilong.common.errors import InputInvalid
from lilong.protocol.checkpoint import decode_base64, encode_base64
from lilong.protocol.transparency import HASH_BYTES

ADD_CHECKPOINT = "/add-checkpoint"
LAST_HEAD = "/last-head"
SIZE_CONTENT_TYPE = "text/x.tlog.size"
REQUEST_BYTES_MAX = 65_536
PROOF_HASHES_MAX = 63

_OLD_SIZE = re.compile(r"old (0|[1-9][0-9]{0,17})")


class CosignRequestInvalid(InputInvalid):
    """The text is not a request for a cosignature."""

    code = "witness.request_invalid"
    title = "This is not a request for a cosignature"
    status = 400
    next_step = (
        "Send `old SIZE`, the consistency proof, an empty line and the checkpoint, as c2sp.org/tlog-witness says."
    )


@dataclass(frozen=True, slots=True)
class CosignRequest:
    """A head to cosign, and the proof that it continues the head of `old_size` leaves (0: there was none)."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    def render(self) -> str:
        """Return the body of the request."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.proof), "", self.note]
        return "\n".join(lines)


def parse_cosign_request(text: str) -> CosignRequest:
    r"""Return the request that `text` is; raises CosignRequestInvalid. The note in it is not looked at.

    >>> parse_cosign_request("old 0\n\nnote\n").note
    'note\n'
    """
    head, gap, note = text.partition("\n\n")
    first, *rest = head.split("\n")
    old = _OLD_SIZE.fullmatch(first)
    proof = tuple(node for node in map(decode_base64, rest) if node is not None and len(node) == HASH_BYTES)
    if not gap or old is None or len(proof) != len(rest) or len(proof) > PROOF_HASHES_MAX:
        raise CosignRequestInvalid(detail=f"It begins with `old SIZE` and at most {PROOF_HASHES_MAX} hashes.")
    return CosignRequest(old_size=int(old[1]), proof=proof, note=note)
