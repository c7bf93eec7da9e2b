"""Hubs that fail, connections that break, agents killed at random: nothing is lost, doubled or dropped."""

import os
import random
import signal

import pytest

from lilong.agent.engines.local.host import end_leftovers
from lilong.agent.engines.slurm.settings import SlurmSettings
from lilong.agent.settings import LocalSettings, read_settings
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import AttemptState, Cancel, Fault, Reason, Release
from lilong.protocol.spec import Checkpoint, Output, RunSpec
from tests.polling import wait_until


def make_spec(command, **fields):
    return RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)


def test_a_hub_that_fails_at_random_gets_every_byte_once(agent, peer):
    chance = random.Random(7)
    peer.trouble = lambda _path: 503 if chance.random() < 0.3 else 0
    content = os.urandom(200_000)
    file = ManifestFile(path="big", sha256=peer.store(content), size_bytes=len(content))
    spec = make_spec(
        "for n in 1 2 3 4 5; do echo line $n; sleep 0.2; done; cp big out",
        workdir_sha256=peer.store(Manifest(files=(file,)).to_bytes()),
        outputs=(Output(path="out", max_bytes=300_000),),
    )
    agent.start()

    attempt = agent.submit(spec)
    end = agent.wait_for_end(attempt, seconds=60)

    assert end.state is AttemptState.SUCCEEDED
    assert [kept.sha256 for kept in end.artefacts] == [file.sha256]
    assert bytes(peer.uploads[attempt, file.sha256]) == content
    assert peer.read_log(attempt) == "".join(f"line {n}\n" for n in range(1, 6))


def test_a_hub_that_is_away_stops_nothing_and_hears_everything_later(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("sleep 2; echo done"))
    peer.wait(attempt, lambda seen: seen.state is AttemptState.RUNNING)

    peer.trouble = lambda _path: 500
    wait_until((agent.folder(attempt) / "ended.json").exists, within_s=20)
    peer.trouble = lambda _path: 0
    end = agent.wait_for_end(attempt, seconds=60)

    assert end.state is AttemptState.SUCCEEDED
    assert peer.read_log(attempt) == "done\n"


def test_a_job_that_queues_too_long_is_withdrawn_while_the_hub_is_away(agent, peer):
    agent.configure(local=LocalSettings(cores=1))
    agent.start()
    first = agent.submit(make_spec("sleep 60"))
    peer.wait(first, lambda seen: seen.state is AttemptState.RUNNING)
    behind = agent.submit(make_spec("true"), queue_wait_s=2)
    peer.wait(behind, lambda seen: seen.state is AttemptState.QUEUED)

    peer.trouble = lambda _path: 500
    wait_until((agent.folder(behind) / "ended.json").exists, within_s=20)
    peer.trouble = lambda _path: 0
    end = agent.wait_for_end(behind, seconds=60)

    assert (end.state, end.reason, end.fault) == (AttemptState.REJECTED, Reason.QUEUE_WAIT_EXCEEDED, Fault.NOBODY)
    assert peer.see(first).state is AttemptState.RUNNING


@pytest.mark.parametrize("seed", range(3))
def test_an_agent_killed_again_and_again_runs_every_attempt_once(agent, peer, seed):
    chance = random.Random(seed)
    spec = make_spec(
        "echo $LILONG_ATTEMPT_ID; mkdir -p ck; echo x > ck/x; sleep 1; echo x > out",
        outputs=(Output(path="out", max_bytes=10),),
        checkpoint=Checkpoint(path="ck"),
        secrets=("KEY",),
    )
    agent.start()
    attempts = [agent.submit(spec, secrets={"KEY": "value-of-key"}) for _ in range(3)]

    for _ in range(3):
        moment = chance.random() * 2.5
        peer.wait_for_requests(len(peer.requests) + int(moment * 8))
        agent.kill()
        agent.start()
    ends = [agent.wait_for_end(attempt, seconds=60) for attempt in attempts]

    assert [end.state for end in ends] == [AttemptState.SUCCEEDED] * 3
    assert [peer.read_log(attempt) for attempt in attempts] == [f"{attempt}\n" for attempt in attempts]
    assert all(end.checkpoint and len(end.artefacts) == 1 for end in ends)
    for attempt in attempts:
        assert end_leftovers(uid=agent.uid(attempt), attempt_id=attempt, jobs=[]) == 0


def test_an_attempt_that_is_cancelled_while_it_is_staged_never_starts(agent, peer):
    peer.trouble = lambda path: 503 if "/objects/" in path else 0
    agent.start()
    attempt = agent.submit(make_spec("true", workdir_sha256=peer.store(Manifest().to_bytes())))
    peer.wait(attempt, lambda seen: seen.state is AttemptState.STAGING and seen.detail)

    peer.say(Cancel(attempt_id=attempt, reason=Reason.CANCELLED_BY_MEMBER, grace_s=1))
    end = agent.wait_for_end(attempt)

    assert (end.state, end.reason, end.started_at) == (AttemptState.CANCELLED, Reason.CANCELLED_BY_MEMBER, None)
    assert end.usage.metered_ms == 0
    assert not (agent.folder(attempt) / "native.json").exists()


def test_an_agent_that_another_has_followed_ends_and_says_why(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("sleep 30"))
    peer.wait(attempt, lambda seen: seen.state is AttemptState.RUNNING)

    peer.trouble = lambda path: 409 if path.endswith("/sync") else 0
    peer.trouble_code = "runs.agent_superseded"

    assert agent.process.wait(timeout=20) == 2
    assert "another" in (agent.home / "agent.log").read_text().lower()
    assert agent.pid(attempt)


def test_an_agent_whose_cluster_does_not_answer_tells_the_hub_so_and_concludes_nothing(agent, peer, tmp_path):
    nowhere = tmp_path / "nowhere"
    agent.configure(slurm=SlurmSettings(shared_folder=tmp_path, jobs_folder=tmp_path, partition="p", bin=nowhere))
    agent.start()
    wait_until(lambda: len(peer.requests) > 2, within_s=30)

    assert {(request.inventory, request.complete) for request in peer.requests} == {(None, False)}
    assert "scontrol cannot be started" in (agent.home / "agent.log").read_text()
    assert agent.process.poll() is None


def test_a_refused_token_is_tried_again_and_stops_nothing(agent, peer):
    agent.start()
    attempt = agent.submit(make_spec("sleep 1; echo done"))
    peer.wait(attempt, lambda seen: seen.state is AttemptState.RUNNING)

    token, peer.token = peer.token, "another"
    wait_until((agent.folder(attempt) / "ended.json").exists, within_s=20)
    peer.token = token

    assert agent.wait_for_end(attempt, seconds=40).state is AttemptState.SUCCEEDED


def test_the_token_is_rotated_when_it_is_old(agent, peer):
    (agent.home / "state.json").write_text('{"epoch": 0, "token_rotated_s": 1000}')
    old = peer.token

    agent.start()
    wait_until(lambda: peer.token != old, within_s=20)
    attempt = agent.submit(make_spec("true"))

    assert agent.wait_for_end(attempt).state is AttemptState.SUCCEEDED
    assert read_settings(agent.home).pool_token == peer.token


def test_a_spool_is_deleted_when_the_hub_has_everything_and_its_time_is_over(agent, peer):
    peer.keep_spool_s = 0
    agent.start()
    attempt = agent.submit(make_spec("d=.; for n in $(seq 150); do mkdir -p $d/d; d=$d/d; done"))
    agent.wait_for_end(attempt)

    peer.say(Release(attempt_id=attempt))
    wait_until(lambda: not agent.folder(attempt).exists(), within_s=10)
    agent.kill()
    with peer.lock:
        peer.commands.clear()
    agent.start()

    wait_until(lambda: not (agent.home / "released" / attempt).exists(), within_s=20)


def test_two_agents_do_not_share_a_home(agent, peer):
    agent.start()
    wait_until(lambda: peer.requests, within_s=20)
    first, agent.process = agent.process, None

    agent.start()
    try:
        assert agent.process.wait(timeout=20) == 2
        assert "agent.runs" in (agent.home / "agent.log").read_text()
    finally:
        first.send_signal(signal.SIGTERM)

    assert first.wait(timeout=20) == 0
