from dataclasses import replace

import pytest

from lilong.protocol.checkpoint import KeyKind, SigningKey, list_signers, parse_note
from lilong.protocol.witnessing import CosignRequest
from lilong.witness.core import Cosigned, Refusal, RefusalCode, TrustedLog, decide_cosign
from tests.witnessed_log import FORKED, LOG_KEY, TRUE, WITNESS_KEY, History

NOW_S = 1_772_366_400


def ask(request: str, logs: dict[str, TrustedLog]) -> Cosigned | Refusal:
    return decide_cosign(request, logs=logs, key=WITNESS_KEY, now_s=NOW_S)


def knowing(size: int) -> dict[str, TrustedLog]:
    """Return the memory of a witness that has cosigned the head of `size` leaves (0: nothing yet)."""
    logs = {LOG_KEY.name: TrustedLog(keys=(LOG_KEY.verifier,))}
    if size:
        decided = ask(TRUE.request(0, size), logs)
        assert isinstance(decided, Cosigned)
        logs[decided.origin] = decided.log
    return logs


@pytest.mark.parametrize(("old_size", "size"), [(0, 1), (0, 17), (17, 17), (17, 18), (17, 40)])
def test_a_head_that_continues_the_last_one_is_cosigned(old_size, size):
    decided = ask(TRUE.request(old_size, size), knowing(old_size))

    assert isinstance(decided, Cosigned)
    note = parse_note(TRUE.note(size) + decided.line)
    keys = [LOG_KEY.verifier, WITNESS_KEY.verifier]
    assert list_signers(note=note, keys=keys) == keys
    assert decided.log.last_note == note.text
    assert int.from_bytes(note.lines[1].signature[:8], "big") == NOW_S


ATTACKS = {
    "a head is replayed": (TRUE.request(17, 12), RefusalCode.SMALLER),
    "a head is replayed as if nothing were known": (TRUE.request(0, 12), RefusalCode.OTHER_SIZE_SEEN),
    "the log was rolled back and grew again": (FORKED.request(12, 15), RefusalCode.OTHER_SIZE_SEEN),
    "the log was rolled back and grew further": (FORKED.request(17, 25), RefusalCode.INCONSISTENT),
    "another history of the same length is shown": (FORKED.request(17, 17), RefusalCode.OTHER_ROOT_SEEN),
    "a later head comes without a proof": (
        CosignRequest(old_size=17, proof=(), note=TRUE.note(25)).render(),
        RefusalCode.INCONSISTENT,
    ),
    "a later head comes with a proof of something else": (
        CosignRequest(old_size=17, proof=TRUE.proof(16, 25), note=TRUE.note(25)).render(),
        RefusalCode.INCONSISTENT,
    ),
    "the same head comes with a needless proof": (
        CosignRequest(old_size=17, proof=TRUE.proof(16, 17), note=TRUE.note(17)).render(),
        RefusalCode.INCONSISTENT,
    ),
}


@pytest.mark.parametrize(("request_text", "code"), ATTACKS.values(), ids=ATTACKS.keys())
def test_a_head_that_does_not_continue_the_last_one_is_refused(request_text, code):
    decided = ask(request_text, knowing(17))

    assert decided == replace(Refusal(code), last_size=17)


def test_a_first_head_needs_no_proof_and_takes_none():
    request = CosignRequest(old_size=0, proof=(bytes(32),), note=TRUE.note(5)).render()

    assert ask(request, knowing(0)) == Refusal(RefusalCode.INCONSISTENT)


def test_a_log_that_is_not_trusted_is_refused():
    assert ask(TRUE.request(0, 5), {}) == Refusal(RefusalCode.UNKNOWN_LOG)


def test_a_head_signed_by_another_key_is_refused():
    thief = SigningKey(name=LOG_KEY.name, kind=KeyKind.LOG, seed=bytes(32))

    assert ask(History(TRUE.leaves, thief).request(0, 5), knowing(0)) == Refusal(RefusalCode.UNSIGNED)


def test_a_head_whose_trusted_signature_does_not_fit_is_refused():
    forged = TRUE.note(5).replace(TRUE.note(5).split("\n")[2], TRUE.note(6).split("\n")[2])

    assert ask(CosignRequest(0, (), forged).render(), knowing(0)) == Refusal(RefusalCode.UNSIGNED)


def test_either_of_two_trusted_keys_may_sign_while_a_log_changes_keys():
    fresh = SigningKey(name=LOG_KEY.name, kind=KeyKind.LOG, seed=bytes(32))
    logs = knowing(17)
    logs[LOG_KEY.name] = replace(logs[LOG_KEY.name], keys=(LOG_KEY.verifier, fresh.verifier))

    assert isinstance(ask(History(TRUE.leaves, fresh).request(17, 20), logs), Cosigned)
    assert isinstance(ask(TRUE.request(17, 20), logs), Cosigned)


def test_lines_of_unknown_keys_are_not_remembered():
    other = SigningKey(name="other.example", kind=KeyKind.LOG, seed=bytes(32))
    note = TRUE.note(5) + parse_note(History(TRUE.leaves, other).note(5)).lines[0].text

    decided = ask(CosignRequest(0, (), note).render(), knowing(0))

    assert isinstance(decided, Cosigned)
    assert "other.example" not in decided.log.last_note


@pytest.mark.parametrize(
    "request_text",
    [
        "",
        "old 0\n",
        "old 00\n\n" + TRUE.note(5),
        "old -1\n\n" + TRUE.note(5),
        "old 0\nAAAA\n\n" + TRUE.note(5),
        "old 0\n" + "A" * 43 + "=\n" * 64 + "\n" + TRUE.note(5),
        "old 0\n\n" + TRUE.note(5)[:-1],
        "old 0\n\n" + TRUE.note(5).replace("\n5\n", "\n05\n"),
        TRUE.note(5),
    ],
)
def test_what_is_not_a_request_is_refused(request_text):
    assert ask(request_text, knowing(0)) == Refusal(RefusalCode.MALFORMED)
