import stat

import pytest

from lilong.protocol.checkpoint import KeyFileInvalid, KeyInvalid, KeyKind, SigningKey
from lilong.witness.core import Cosigned
from lilong.witness.memory import (
    KEY_FILE,
    MEMORY_FILE,
    MemoryLost,
    WitnessBusy,
    WitnessExists,
    WitnessMissing,
    init_witness,
    load_key,
    load_logs,
    lock_witness,
    trust_log,
)
from lilong.witness.server import Witness
from tests.witnessed_log import LOG_KEY, TRUE, WITNESS_KEY


def make_witness(folder):
    init_witness(folder=folder, name="auditor.example/w1")
    trust_log(folder=folder, key=LOG_KEY.verifier)
    return folder


def test_a_witness_keeps_its_key_where_its_owner_alone_reads_it(tmp_path):
    verifier = init_witness(folder=tmp_path / "w", name="auditor.example/w1")

    assert load_key(tmp_path / "w").verifier == verifier
    assert stat.S_IMODE((tmp_path / "w" / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "w").stat().st_mode) == 0o700


def test_a_witness_remembers_across_restarts_what_it_cosigned(tmp_path):
    make_witness(tmp_path)
    assert isinstance(Witness(tmp_path).cosign(TRUE.request(0, 17), now_s=1), Cosigned)

    restarted = Witness(tmp_path)

    assert restarted.find_last_note(LOG_KEY.name).startswith(TRUE.head(17).body)
    assert not isinstance(restarted.cosign(TRUE.request(0, 12), now_s=2), Cosigned)


def test_a_witness_whose_memory_cannot_be_written_cosigns_nothing(tmp_path, monkeypatch):
    folder = make_witness(tmp_path / "w")
    witness = Witness(folder)
    folder.rename(tmp_path / "gone")

    with pytest.raises(FileNotFoundError):
        witness.cosign(TRUE.request(0, 17), now_s=1)

    assert witness.find_last_note(LOG_KEY.name) == ""


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"hub.example/record":{}}'])
def test_a_witness_that_lost_its_memory_does_not_start(tmp_path, content):
    make_witness(tmp_path)
    (tmp_path / MEMORY_FILE).unlink()
    if content is not None:
        (tmp_path / MEMORY_FILE).write_bytes(content)

    with pytest.raises(MemoryLost):
        Witness(tmp_path)


def test_a_folder_without_a_witness_is_told_from_one_with_a_broken_key(tmp_path):
    with pytest.raises(WitnessMissing):
        trust_log(folder=tmp_path / "none", key=LOG_KEY.verifier)
    with pytest.raises(WitnessMissing):
        load_logs(tmp_path)
    make_witness(tmp_path)
    (tmp_path / KEY_FILE).write_bytes(b"no key")
    with pytest.raises(KeyFileInvalid):
        load_key(tmp_path)


def test_a_second_witness_in_the_same_folder_is_refused(tmp_path):
    make_witness(tmp_path)

    with pytest.raises(WitnessExists):
        init_witness(folder=tmp_path, name="auditor.example/w2")


def test_only_one_process_at_a_time_works_with_a_witness(tmp_path):
    make_witness(tmp_path)

    with lock_witness(tmp_path), pytest.raises(WitnessBusy), lock_witness(tmp_path):
        pass
    with lock_witness(tmp_path):
        pass


def test_a_new_key_of_a_known_log_joins_the_old_one(tmp_path):
    make_witness(tmp_path)
    fresh = SigningKey(name=LOG_KEY.name, kind=KeyKind.LOG, seed=bytes(32)).verifier

    trust_log(folder=tmp_path, key=fresh)
    trust_log(folder=tmp_path, key=fresh)

    assert load_logs(tmp_path)[LOG_KEY.name].keys == (LOG_KEY.verifier, fresh)


def test_a_witness_key_is_not_taken_for_a_log_key(tmp_path):
    make_witness(tmp_path)

    with pytest.raises(KeyInvalid):
        trust_log(folder=tmp_path, key=WITNESS_KEY.verifier)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "x" * 201])
def test_a_witness_needs_a_name_that_fits_in_a_note(tmp_path, name):
    with pytest.raises(KeyInvalid):
        init_witness(folder=tmp_path / "w", name=name)
    assert not (tmp_path / "w" / KEY_FILE).exists()
