"""Whom the hub asks to cosign, and what a witness's last head says about where the hub itself stands."""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from lilong.common.errors import InputInvalid
from lilong.protocol.checkpoint import Checkpoint, KeyInvalid, KeyKind, VerifierKey, parse_verifier_key


class WitnessSettingInvalid(InputInvalid):
    """A witness in the settings is not written as an address and a key."""

    code = "record.witness_setting_invalid"
    title = "A witness in the settings is not valid"
    next_step = "Write each of `witnesses` as `URL KEY`, the two words that `lilong witness serve` prints."


class Standing(StrEnum):
    """Where this hub's log stands beside a head that a witness cosigned."""

    LEVEL = "level"
    BEHIND = "behind"
    FORKED = "forked"


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """One witness that the operator has chosen."""

    url: str
    key: VerifierKey


def parse_witness(text: str) -> WitnessAddress:
    """Return the witness that one item of the setting names; raises WitnessSettingInvalid.

    >>> key = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
    >>> parse_witness(f"https://remora.n621.de {key}").key.name
    'remora.n621.de'
    """
    match text.split():
        case [url, key_text] if urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname:
            try:
                key = parse_verifier_key(key_text)
            except KeyInvalid as error:
                raise WitnessSettingInvalid(detail=f"{url}: {error}") from error
            if key.kind is KeyKind.WITNESS:
                return WitnessAddress(url=url.rstrip("/"), key=key)
        case _:
            pass
    raise WitnessSettingInvalid(detail=f"{text[:200]!r} is not an address and a witness's key.")


def judge_standing(*, told: Checkpoint, own_size: int, own_root: bytes | None) -> Standing:
    """Compare the last head that a witness cosigned with our log, which has `own_root` at the told size.

    A head of the empty tree says nothing: every log continues it.

    >>> judge_standing(told=Checkpoint("hub.example/record", 7, bytes(32)), own_size=5, own_root=None)
    <Standing.BEHIND: 'behind'>
    """
    if told.size == 0:
        return Standing.LEVEL
    if told.size > own_size:
        return Standing.BEHIND
    return Standing.LEVEL if told.root == own_root else Standing.FORKED
