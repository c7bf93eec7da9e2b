"""An attempt from the command to the last byte, with a real agent process, shims and sandbox."""

import os

import pytest

from lilong.agent.engines.rank.watch import started_ticks
from lilong.foundation.runs.core.reports import extend_chains, is_complete
from lilong.protocol.manifest import Manifest, ManifestFile, parse_manifest
from lilong.protocol.messages import AttemptState, Cancel, Fault, Reason, Release
from lilong.protocol.spec import Checkpoint, Input, Output, Resources, RunSpec
from tests.polling import wait_until


def make_spec(command, **fields):
    return RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)


def store_folder(peer, files):
    entries = [
        ManifestFile(path=path, sha256=peer.store(content), size_bytes=len(content)) for path, content in files.items()
    ]
    return peer.store(Manifest(files=tuple(entries)).to_bytes())


def test_a_job_runs_on_its_files_and_its_outputs_come_back(agent, peer):
    spec = make_spec(
        "cat data/in.txt seed.txt > out/result.txt; mkdir -p ck; echo 7 > ck/step; echo done",
        workdir_sha256=store_folder(peer, {"seed.txt": b"seed\n", "out/.keep": b""}),
        inputs=(Input(object_sha256=peer.store(b"input\n"), mount="data/in.txt"),),
        outputs=(Output(path="out/result.txt", max_bytes=100),),
        checkpoint=Checkpoint(path="ck"),
    )
    agent.start()

    attempt = agent.submit(spec)
    end = agent.wait_for_end(attempt)

    assert (end.state, end.reason, end.fault, end.exit_code) == (
        AttemptState.SUCCEEDED,
        Reason.COMPLETED,
        Fault.NOBODY,
        0,
    ), end
    assert [(kept.path, peer.objects[kept.sha256]) for kept in end.artefacts] == [("out/result.txt", b"input\nseed\n")]
    assert end.checkpoint is not None
    manifest = parse_manifest(peer.objects[end.checkpoint.manifest_sha256])
    assert [(file.path, peer.objects[file.sha256]) for file in manifest.files] == [("step", b"7\n")]
    assert peer.read_log(attempt) == "done\n"
    assert end.staging_done_bytes > 0


def test_both_meters_tell_the_same_and_the_reports_form_a_chain(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("sleep 1"))

    end = agent.wait_for_end(attempt)
    peer.wait(attempt, lambda _: len(peer.reports.get((attempt, 0), [])) >= 2)
    reports = peer.reports[attempt, 0]
    key = bytes.fromhex(end.report_key)
    chains = extend_chains({}, reports, key=key, nonce="nonce", attempt_id=attempt, nodes=1)

    assert is_complete(chains, counts=end.report_counts, nodes=1)
    assert not chains[0].broken
    assert chains[0].ended
    assert chains[0].elapsed_ms == end.usage.metered_ms
    assert 1_000 <= end.usage.metered_ms < 1_600


def test_a_killed_agent_finds_the_same_attempt_again(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("for n in 1 2 3 4 5 6; do echo $n; sleep 0.5; done"))
    peer.wait(attempt, lambda seen: seen.state is AttemptState.RUNNING)
    shim = agent.pid(attempt)

    agent.kill()
    assert started_ticks(shim)
    agent.start()
    end = agent.wait_for_end(attempt)

    assert agent.pid(attempt) == shim
    assert end.state is AttemptState.SUCCEEDED
    assert peer.read_log(attempt) == "1\n2\n3\n4\n5\n6\n"
    assert 3_000 <= end.usage.metered_ms < 4_000


def test_a_job_ends_at_its_authority_with_the_agent_dead(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("sleep 60"), authorised_ms=2_000)
    peer.wait(attempt, lambda seen: seen.state is AttemptState.RUNNING)

    agent.kill()
    wait_until((agent.folder(attempt) / "ranks/0/exit.json").exists, within_s=10)
    agent.start()
    end = agent.wait_for_end(attempt)

    assert (end.state, end.reason, end.fault) == (
        AttemptState.TIMED_OUT,
        Reason.AUTHORITY_REACHED,
        Fault.MEMBER,
    )
    assert 1_800 <= end.usage.metered_ms <= 2_000


def test_a_killed_shim_is_the_providers_fault_and_the_next_attempt_goes_on_from_the_checkpoint(agent, peer):
    command = """mkdir -p ck; n=$(cat ck/n 2>/dev/null || echo 0); echo from $n
        while [ $n -lt 30 ]; do n=$((n+1)); echo $n > ck/n.tmp; mv ck/n.tmp ck/n; sleep 0.1; done; cp ck/n out"""
    spec = make_spec(command, checkpoint=Checkpoint(path="ck"), outputs=(Output(path="out", max_bytes=100),))
    agent.start()
    first = agent.submit(spec)
    wait_until(lambda: _read_number(agent.folder(first) / "job/work/ck/n") > 10, within_s=20)

    os.kill(agent.pid(first), 9)
    lost = peer.wait(first, lambda seen: seen.outputs_complete, seconds=4)
    second = agent.submit(spec, number=2, checkpoint_sha256=lost.checkpoint.manifest_sha256)
    end = agent.wait_for_end(second)

    assert (lost.state, lost.reason, lost.fault) == (AttemptState.FAILED, Reason.SHIM_LOST, Fault.PROVIDER)
    assert 0 < lost.usage.usable_ms <= lost.usage.metered_ms
    assert not lost.artefacts
    assert end.state is AttemptState.SUCCEEDED
    assert int(peer.read_log(second).split()[1]) > 10
    assert [peer.objects[kept.sha256] for kept in end.artefacts] == [b"30\n"]
    assert started_ticks(agent.pid(first, "job")) == 0


def _read_number(path):
    return int(path.read_text() or 0) if path.exists() else 0


def test_a_cancelled_job_gets_its_signal_and_writes_its_checkpoint(agent, peer):
    spec = make_spec(
        'python -c "'
        "import signal, sys, time, pathlib\n"
        "def save(*_): pathlib.Path('ck').mkdir(); pathlib.Path('ck/saved').write_text('yes'); sys.exit(3)\n"
        "signal.signal(signal.SIGUSR1, save); print('ready'); time.sleep(60)"
        '"',
        checkpoint=Checkpoint(path="ck", signal="USR1", grace_s=10),
    )
    agent.start()
    attempt = agent.submit(spec)
    wait_until(lambda: "ready" in peer.read_log(attempt), within_s=20)

    peer.say(Cancel(attempt_id=attempt, reason=Reason.CANCELLED_BY_MEMBER, grace_s=10))
    end = agent.wait_for_end(attempt)

    assert (end.state, end.reason, end.fault, end.exit_code) == (
        AttemptState.CANCELLED,
        Reason.CANCELLED_BY_MEMBER,
        Fault.MEMBER,
        3,
    )
    assert end.checkpoint is not None
    assert end.usage.metered_ms < 8_000


def test_secrets_come_as_files_and_are_masked_in_the_log(agent, peer):
    value = "pass-phrase-0123456789"
    spec = make_spec(
        'stat -c "%a %u" $LILONG_SECRETS_DIR/KEY; cat $LILONG_SECRETS_DIR/KEY; cat $LILONG_SECRETS_DIR/KEY | head -c 9;'
        "sleep 1; cat $LILONG_SECRETS_DIR/KEY | tail -c +10; env; cat /proc/*/cmdline",
        secrets=("KEY",),
    )
    agent.start()
    attempt = agent.submit(spec, secrets={"KEY": value})
    end = agent.wait_for_end(attempt)

    log = peer.read_log(attempt)
    assert end.state is AttemptState.SUCCEEDED
    assert log.startswith("600 1000\n******")
    assert value not in log
    spooled = [path for path in agent.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in spooled if value.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("true", Reason.OUTPUT_MISSING),
        ("head -c 2000 /dev/zero > out", Reason.OUTPUT_EXCEEDED),
        ("ln -s /etc/passwd out", Reason.OUTPUT_MISSING),
        ("mkdir d; echo x > d/out; ln -s d/out out", Reason.OUTPUT_MISSING),
    ],
)
def test_outputs_that_lack_or_exceed_make_a_success_a_failure(agent, peer, command, reason):
    agent.start()

    end = agent.wait_for_end(agent.submit(make_spec(command, outputs=(Output(path="out", max_bytes=1000),))))

    assert (end.state, end.reason, end.fault) == (AttemptState.FAILED, reason, Fault.MEMBER)
    assert not end.artefacts
    assert "Output out" in end.detail


def test_a_released_attempt_is_told_no_more_until_the_epoch_rises(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("echo kept"))
    agent.wait_for_end(attempt)

    peer.say(Release(attempt_id=attempt))
    wait_until((agent.home / "released" / attempt).exists, within_s=10)
    with peer.lock:
        peer.commands.clear()
        peer.observations.clear()
        peer.logs.clear()
        peer.epoch += 5
    end = agent.wait_for_end(attempt)

    assert end.state is AttemptState.SUCCEEDED
    assert peer.read_log(attempt) == "kept\n"


def test_a_submission_of_another_epoch_is_not_carried_out(agent, peer):
    agent.start()
    wait_until(lambda: any(request.epoch == peer.epoch for request in peer.requests), within_s=20)

    stale = agent.submit(make_spec("true"), epoch=peer.epoch - 1)
    agent.wait_for_end(agent.submit(make_spec("true")))

    assert peer.see(stale) is None
    assert not agent.folder(stale).exists()


def test_what_the_machine_cannot_do_is_rejected_with_the_reason(agent, peer):
    agent.start()

    end = agent.wait_for_end(agent.submit(make_spec("true", resources=Resources(cores=500))))

    assert (end.state, end.reason, end.fault) == (AttemptState.REJECTED, Reason.SPEC_REFUSED, Fault.PROVIDER)
    assert "too small" in end.detail


def test_a_missing_input_ends_the_attempt_as_the_hubs_fault(agent, peer):
    agent.start()

    end = agent.wait_for_end(agent.submit(make_spec("true", workdir_sha256="ab" * 32)))

    assert (end.state, end.reason, end.fault) == (AttemptState.FAILED, Reason.STAGING_FAILED, Fault.HUB)


def test_orders_for_an_unknown_attempt_are_answered_by_its_absence(agent, peer):
    agent.start()
    gone = "att_" + "f" * 32

    peer.say(Cancel(attempt_id=gone, reason=Reason.CANCELLED_BY_HUB, grace_s=1))

    wait_until(lambda: any(gone in request.absent and request.complete for request in peer.requests), within_s=20)
