"""Decide whether a witness cosigns a head. Pure: the clock and the memory are handed in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from lilong.protocol.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    NoteInvalid,
    SignatureWrong,
    SignedNote,
    SigningKey,
    VerifierKey,
    cosign_note,
    list_signers,
    parse_checkpoint,
    parse_note,
)
from lilong.protocol.transparency import is_consistent
from lilong.protocol.witnessing import CosignRequest, CosignRequestInvalid, parse_cosign_request


class RefusalCode(StrEnum):
    """Why a witness does not cosign."""

    MALFORMED = "malformed"
    UNKNOWN_LOG = "unknown_log"
    UNSIGNED = "unsigned"
    SMALLER = "smaller"
    OTHER_SIZE_SEEN = "other_size_seen"
    OTHER_ROOT_SEEN = "other_root_seen"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """What a witness knows of one log: the keys it trusts and the last head it cosigned (none: empty text)."""

    keys: tuple[VerifierKey, ...]
    last_note: str = ""

    @property
    def last_head(self) -> Checkpoint | None:
        """The last head that was cosigned."""
        return parse_checkpoint(parse_note(self.last_note).body) if self.last_note else None


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The witness's signature line, and what it must remember before the line may leave."""

    line: str
    origin: str
    log: TrustedLog


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nothing is cosigned and nothing changes. last_size: of the last cosigned head, for the log to prove from."""

    code: RefusalCode
    last_size: int = 0


def decide_cosign(
    request_text: str, *, logs: Mapping[str, TrustedLog], key: SigningKey, now_s: int
) -> Cosigned | Refusal:
    """Cosign the head in a request if it continues the last one seen of its log.

    The checks and their order are those of c2sp.org/tlog-witness, add-checkpoint. now_s: seconds since 1970.
    """
    try:
        request = parse_cosign_request(request_text)
        note = parse_note(request.note)
        head = parse_checkpoint(note.body)
    except (CosignRequestInvalid, NoteInvalid, CheckpointInvalid):
        return Refusal(RefusalCode.MALFORMED)
    log = logs.get(head.origin)
    if log is None:
        return Refusal(RefusalCode.UNKNOWN_LOG)
    try:
        signers = list_signers(note=note, keys=log.keys)
    except SignatureWrong:
        signers = []
    if not signers:
        return Refusal(RefusalCode.UNSIGNED)
    refusal = _compare(request, head, log.last_head)
    if refusal is not None:
        return refusal
    signed_by_log = tuple(line for line in note.lines if (line.name, line.key_id) in {(k.name, k.id) for k in signers})
    line = cosign_note(body=note.body, key=key, signed_s=now_s)
    remembered = SignedNote(body=note.body, lines=(*signed_by_log, line)).text
    return Cosigned(line=line.text, origin=head.origin, log=replace(log, last_note=remembered))


def _compare(request: CosignRequest, head: Checkpoint, last: Checkpoint | None) -> Refusal | None:
    last_size = last.size if last else 0
    if request.old_size > head.size:
        return Refusal(RefusalCode.SMALLER, last_size)
    if request.old_size != last_size:
        return Refusal(RefusalCode.OTHER_SIZE_SEEN, last_size)
    if last is None or last.size == 0:
        return Refusal(RefusalCode.INCONSISTENT) if request.proof else None
    if head.size == last.size:
        if head.root != last.root:
            return Refusal(RefusalCode.OTHER_ROOT_SEEN, last_size)
        return Refusal(RefusalCode.INCONSISTENT, last_size) if request.proof else None
    consistent = is_consistent(
        old_size=last.size, old_root=last.root, new_size=head.size, new_root=head.root, proof=request.proof
    )
    return None if consistent else Refusal(RefusalCode.INCONSISTENT, last_size)
