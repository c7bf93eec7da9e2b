from dataclasses import replace

import pytest

from lilong.foundation.objects.models import Hold
from lilong.foundation.objects.public import find_many
from lilong.foundation.objects.queries import ObjectMissing
from lilong.foundation.runs.core.runs import RunState
from lilong.foundation.runs.services.attempt_objects import (
    InputForeign,
    OutputOffsetWrong,
    OutputTooLarge,
    RunClosed,
    find_offset,
    put_output,
)
from lilong.foundation.runs.services.logs import (
    LOG_BYTES_PER_RANK_MAX,
    AttemptMissing,
    LogFull,
    LogOffsetWrong,
    LogPrivate,
    RankMissing,
    append_log,
    read_log,
)
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import Artefact, AttemptState, CheckpointNote, Reason
from tests.bytes import digest, fresh, upload
from tests.pools import MEMBER, ORGANISATION, at, bring, get_input, look, make_spec, open_pool, pack, settle, submit

pytestmark = pytest.mark.django_db
S = AttemptState


def log(agent, taken, content, *, offset, rank=0):
    return append_log(pool_id=agent.pool_id, attempt_id=taken.attempt_id, rank=rank, offset=offset, content=content)


def tail(run_id, *, actor=MEMBER, rank=0, offset=0, limit=1000, attempt_number=None):
    return read_log(actor=actor, run_id=run_id, attempt_number=attempt_number, rank=rank, offset=offset, limit=limit)


def test_an_agent_reads_the_inputs_of_its_attempt_and_nothing_else(agent):
    code, single, secret = fresh(100), fresh(50), fresh(50)
    workdir = pack(**{"train.py": code})
    inputs = [{"object_sha256": upload(single, organisation_id=ORGANISATION), "mount": "data.bin"}]
    upload(secret, organisation_id=ORGANISATION)
    submit(agent, spec=make_spec(workdir_sha256=workdir, inputs=inputs))
    taken, other = agent.take(seconds=1), open_pool("other")

    assert get_input(agent, taken, digest(code)) == code
    assert get_input(agent, taken, digest(single), offset=10) == single[10:]
    assert Manifest.model_validate_json(get_input(agent, taken, workdir)).files[0].path == "train.py"
    with pytest.raises(InputForeign):
        get_input(agent, taken, digest(secret))
    with pytest.raises(AttemptMissing):
        get_input(other, taken, digest(code))


def test_a_run_whose_inputs_are_not_there_is_refused(agent):
    with pytest.raises(ObjectMissing):
        submit(agent, spec=make_spec(workdir_sha256=digest(fresh(10))))


def test_inputs_are_held_until_the_run_is_closed(agent):
    workdir = pack(**{"train.py": fresh(100)})
    run_id = submit(agent, spec=make_spec(workdir_sha256=workdir))
    taken = agent.take(seconds=1)
    held = Hold.objects.filter(holder=run_id, dropped=False)
    assert held.count() == 2

    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000), seconds=9)
    settle(seconds=10)
    assert not held.exists()
    with pytest.raises(InputForeign):
        get_input(agent, taken, workdir)


def test_outputs_come_in_pieces_and_count_once_they_are_whole(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    content = fresh(300)
    put = {
        "pool_id": agent.pool_id,
        "attempt_id": taken.attempt_id,
        "sha256": digest(content),
        "size_bytes": 300,
        "now": at(5),
    }
    ask = {"pool_id": agent.pool_id, "attempt_id": taken.attempt_id, "sha256": digest(content), "now": at(5)}
    artefact = Artefact(path="model.bin", sha256=digest(content), size_bytes=300)
    ended = agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, artefacts=(artefact,))

    assert find_offset(**ask) is None
    assert put_output(**put, offset=0, chunks=[content[:100]]) == 100
    assert find_offset(**ask) == (100, 300)
    with pytest.raises(OutputOffsetWrong) as wrong:
        put_output(**put, offset=250, chunks=[content[250:]])
    assert wrong.value.facts == {"expected_offset": 100}
    agent.sync(ended, seconds=9)
    assert not look(run_id).finished

    assert put_output(**put, offset=100, chunks=[content[100:]]) == 300
    assert find_offset(**ask) == (300, 300)
    agent.sync(ended, seconds=10)
    [kept] = look(run_id).artefacts
    assert (kept.path, kept.sha256, kept.size_bytes) == ("model.bin", digest(content), 300)
    assert look(run_id).finished


def test_artefacts_outlive_the_run(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    sha256 = bring(agent, taken, fresh(10))
    artefact = Artefact(path="out/metrics.json", sha256=sha256, size_bytes=10)
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, artefacts=(artefact,)), seconds=9)
    settle(seconds=10)

    assert list(find_many(organisation_id=ORGANISATION, sha256s=[sha256])) == [sha256]
    assert Hold.objects.get(holder=f"{run_id}.made").until == at(10) + (at(90 * 86400) - at(0))
    with pytest.raises(RunClosed):
        bring(agent, taken, fresh(10), seconds=11)


def test_what_the_organisation_has_already_needs_no_upload(agent):
    content = fresh(20)
    upload(content, organisation_id=ORGANISATION)
    submit(agent)
    taken = agent.take(seconds=1)
    asked = {"pool_id": agent.pool_id, "attempt_id": taken.attempt_id, "now": at(5)}

    assert find_offset(**asked, sha256=digest(content)) == (20, 20)
    assert find_offset(**asked, sha256=digest(fresh(20))) is None


def test_an_output_larger_than_the_scratch_disk_is_refused(agent):
    submit(agent, spec=make_spec(resources={"disk_mib": 1}))
    taken = agent.take(seconds=1)

    with pytest.raises(OutputTooLarge):
        put_output(
            pool_id=agent.pool_id,
            attempt_id=taken.attempt_id,
            sha256=digest(b""),
            offset=0,
            size_bytes=1024 * 1024 + 1,
            chunks=[],
            now=at(5),
        )


def fail_with_checkpoint(agent, taken, *, seconds):
    """Let an attempt fail by its provider after 20 s, 15 of which a checkpoint keeps; return the checkpoint."""
    content = fresh(30)
    bring(agent, taken, content)
    manifest = Manifest(files=(ManifestFile(path="state.bin", sha256=digest(content), size_bytes=30),)).to_bytes()
    note = CheckpointNote(manifest_sha256=bring(agent, taken, manifest), size_bytes=30)
    ended = agent.see(
        taken, S.FAILED, seconds=seconds, ms=20_000, kept_ms=15_000, reason=Reason.SHIM_LOST, checkpoint=note
    )
    agent.sync(ended, seconds=seconds)
    return note.manifest_sha256, content


def test_the_next_attempt_gets_the_checkpoint_and_the_authority_that_is_left(agent):
    spec = make_spec(checkpoint={"path": "state"})
    run_id = submit(agent, spec=spec, authorised_ms=60_000)
    manifest, content = fail_with_checkpoint(agent, agent.take(seconds=1), seconds=30)
    second = agent.take(seconds=31)

    assert (second.checkpoint_sha256, second.authorised_ms) == (manifest, 45_000)
    assert get_input(agent, second, digest(content)) == content
    assert [attempt.billable_ms for attempt in look(run_id).attempts] == [15_000, 0]

    agent.sync(agent.see(second, S.FAILED, seconds=40, ms=2_000, reason=Reason.NODE_LOST), seconds=40)
    assert agent.take(seconds=41).checkpoint_sha256 == manifest


def test_a_run_that_fails_for_good_hands_over_its_checkpoint(agent):
    run_id = submit(agent, spec=make_spec(checkpoint={"path": "state"}, max_attempts=1))
    _, content = fail_with_checkpoint(agent, agent.take(seconds=1), seconds=30)
    settle(seconds=31)
    run = look(run_id)

    assert run.state is RunState.FAILED
    assert [(artefact.path, artefact.sha256) for artefact in run.artefacts] == [("state/state.bin", digest(content))]


def test_a_log_is_read_as_it_grows_and_says_when_it_is_whole(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    assert log(agent, taken, b"one\n", offset=0) == 4
    assert log(agent, taken, b"two\n", offset=4) == 8
    first = tail(run_id, limit=3)
    rest = tail(run_id, offset=3)
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, log_bytes={0: 8}), seconds=9)

    assert (first.content, first.size_bytes, first.complete) == (b"one", 8, False)
    assert (rest.content, rest.offset, rest.complete) == (b"\ntwo\n", 3, False)
    assert tail(run_id, offset=3).complete
    assert tail(run_id, offset=99) == replace(tail(run_id, offset=8), content=b"")


def test_log_bytes_sent_twice_are_kept_once_and_a_gap_is_refused(agent):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    log(agent, taken, b"hello", offset=0)

    assert log(agent, taken, b"hello", offset=0) == 5
    assert log(agent, taken, b"", offset=0) == 5
    with pytest.raises(LogOffsetWrong) as wrong:
        log(agent, taken, b"!", offset=9)
    assert wrong.value.facts == {"expected_offset": 5}
    assert tail(run_id).content == b"hello"


def test_a_log_is_kept_up_to_a_limit(agent):
    submit(agent)
    taken = agent.take(seconds=1)
    part = bytes(LOG_BYTES_PER_RANK_MAX // 8)
    sizes = [log(agent, taken, part, offset=count * len(part)) for count in range(8)]

    assert sizes[-1] == LOG_BYTES_PER_RANK_MAX
    with pytest.raises(LogFull):
        log(agent, taken, b"!", offset=LOG_BYTES_PER_RANK_MAX)


def test_logs_of_other_ranks_attempts_and_pools_are_apart(agent):
    run_id = submit(agent, spec=make_spec(nodes=2))
    taken, other = agent.take(seconds=1), open_pool("other")
    log(agent, taken, b"rank one", offset=0, rank=1)

    assert tail(run_id, rank=1).content == b"rank one"
    assert tail(run_id, rank=0).content == b""
    with pytest.raises(RankMissing):
        log(agent, taken, b"x", offset=0, rank=2)
    with pytest.raises(RankMissing):
        tail(run_id, rank=2)
    with pytest.raises(AttemptMissing):
        log(other, taken, b"x", offset=0)
    with pytest.raises(AttemptMissing):
        tail(run_id, attempt_number=2)


def test_a_log_for_its_submitter_is_for_nobody_else(agent):
    colleague = replace(MEMBER, person_id="per_bob")
    shared, private = submit(agent), submit(agent, spec=make_spec(log_visibility="submitter"))

    assert tail(shared, actor=colleague).content == b""
    assert tail(private).content == b""
    with pytest.raises(LogPrivate):
        tail(private, actor=colleague)


def test_old_logs_are_deleted(agent, home):
    run_id = submit(agent)
    taken = agent.take(seconds=1)
    log(agent, taken, b"hello", offset=0)
    agent.sync(agent.see(taken, S.SUCCEEDED, seconds=9, ms=5_000, log_bytes={0: 5}), seconds=9)
    settle(seconds=89 * 86400)
    assert tail(run_id).content == b"hello"
    settle(seconds=91 * 86400)

    assert tail(run_id).content == b""
    assert not any((home / "logs").iterdir())
