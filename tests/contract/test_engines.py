"""One suite for every engine behind the port."""

import pytest

from lilong.common.errors import EngineRefused
from lilong.protocol.messages import AttemptState, Fault, Reason
from lilong.protocol.spec import Resources, RunSpec
from tests.contract.engines import FakeRig, LocalRig, SlurmRig
from tests.polling import wait_until
from tests.slurm.trees import SUITES


@pytest.fixture(params=["fake", "local", "bookworm", "trixie"])
def rig(request, tmp_path):
    if request.param in SUITES:
        rig = SlurmRig(tmp_path, request.getfixturevalue(request.param))
    else:
        rig = {"fake": FakeRig, "local": LocalRig}[request.param](tmp_path)
    yield rig
    rig.close()


def make_spec(command, **fields):
    return RunSpec(**{"name": "job", "command": command, "walltime_s": 60} | fields)


def test_the_native_ref_carries_hub_and_token(rig):
    job = rig.make_job(make_spec("true"))

    ref = rig.engine.submit(job=job)

    assert rig.hub_id in ref
    assert job.token in ref


def test_the_same_token_is_the_same_job_however_often_it_is_submitted(rig):
    job = rig.make_job(make_spec("sleep 60"))

    refs = {rig.engine.submit(job=job), rig.engine.submit(job=job), rig.restart().submit(job=job)}

    assert len(refs) == 1
    assert [owned.token for owned in rig.engine.list_owned(hub_id=rig.hub_id)] == [job.token]


def test_a_restarted_agent_finds_its_job_running_on(rig):
    job = rig.make_job(make_spec("sleep 60"))
    ref = rig.engine.submit(job=job)
    wait_until(lambda: rig.look(ref).state is AttemptState.RUNNING, within_s=30)

    rig.restart()

    assert [owned.ref for owned in rig.engine.list_owned(hub_id=rig.hub_id)] == [ref]
    assert rig.look(ref).state is AttemptState.RUNNING


def test_jobs_of_another_hub_are_not_ours(rig):
    rig.engine.submit(job=rig.make_job(make_spec("true"), hub_id="hub_2"))

    assert not rig.engine.list_owned(hub_id=rig.hub_id)


def test_a_command_that_ends_well_succeeds_with_times_and_node(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("true")))

    end = rig.wait_for_end(ref)

    assert (end.state, end.reason, end.fault, end.exit_code) == (
        AttemptState.SUCCEEDED,
        Reason.COMPLETED,
        Fault.NOBODY,
        0,
    )
    assert end.started_at is not None
    assert end.ended_at is not None
    assert end.started_at <= end.ended_at
    assert end.nodes


def test_a_command_that_ends_badly_is_the_members_fault(rig):
    end = rig.wait_for_end(rig.engine.submit(job=rig.make_job(make_spec("false"))))

    assert (end.state, end.reason, end.fault, end.exit_code) == (
        AttemptState.FAILED,
        Reason.EXIT_NONZERO,
        Fault.MEMBER,
        1,
    )


def test_a_cancelled_job_ends_for_the_reason_given_first(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 60")))
    wait_until(lambda: rig.look(ref).state is AttemptState.RUNNING, within_s=30)

    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_MEMBER, grace_s=1)
    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_HUB, grace_s=1)
    end = rig.wait_for_end(ref)

    assert (end.state, end.reason, end.fault) == (
        AttemptState.CANCELLED,
        Reason.CANCELLED_BY_MEMBER,
        Fault.MEMBER,
    )


def test_a_stop_by_the_hub_for_authority_is_a_cancellation(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 60")))

    rig.engine.cancel(ref=ref, reason=Reason.AUTHORITY_REACHED, grace_s=0)
    end = rig.wait_for_end(ref)

    assert (end.state, end.reason) == (AttemptState.CANCELLED, Reason.AUTHORITY_REACHED)


def test_cancelling_what_is_unknown_or_has_ended_is_no_error(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("true")))
    rig.wait_for_end(ref)

    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_HUB, grace_s=0)
    rig.engine.cancel(ref="lilong-unknown", reason=Reason.CANCELLED_BY_HUB, grace_s=0)

    assert rig.look(ref).state is AttemptState.SUCCEEDED


def test_a_job_ends_at_its_authorised_time_and_is_never_metered_beyond(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 60"), authorised_ms=1_500))

    end = rig.wait_for_end(ref)

    assert (end.state, end.reason) == (AttemptState.TIMED_OUT, Reason.AUTHORITY_REACHED)
    assert 1_000 <= rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 1_500


def test_more_authority_lets_a_job_go_on(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 2"), authorised_ms=1_200))

    rig.engine.extend(ref=ref, authorised_ms=30_000)
    rig.engine.extend(ref=ref, authorised_ms=10)

    assert rig.wait_for_end(ref).state is AttemptState.SUCCEEDED
    assert rig.engine.usage(refs=[ref])[ref].usage.authorised_ms == 30_000


def test_a_log_is_read_on_from_any_byte(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("echo hello world")))
    end = rig.wait_for_end(ref)

    whole = rig.engine.logs(ref=ref, rank=0, offset=0, limit=1000)
    parts = rig.engine.logs(ref=ref, rank=0, offset=0, limit=5) + rig.engine.logs(ref=ref, rank=0, offset=5, limit=99)

    assert whole == parts == b"hello world\n"
    assert end.log_bytes == {0: len(whole)}
    assert rig.engine.logs(ref=ref, rank=7, offset=0, limit=10) == b""


def test_what_the_engine_never_heard_of_is_missing_from_a_complete_answer(rig):
    observed = rig.engine.observe(refs=["lilong-unknown"])

    assert observed.complete
    assert not observed.states
    assert not rig.engine.usage(refs=["lilong-unknown"])


def test_what_can_never_run_is_refused_with_the_field(rig):
    spec = make_spec("true", resources=Resources(cores=1000))

    assert [problem.path for problem in rig.engine.validate(spec=spec)] == ["resources"]
    with pytest.raises(EngineRefused):
        rig.engine.submit(job=rig.make_job(spec))


def count_free_cores(rig):
    return sum(node.cores_free for node in rig.engine.probe().nodes)


def test_a_running_job_takes_its_cores_and_gives_them_back(rig):
    free = count_free_cores(rig)
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 60")))

    wait_until(lambda: count_free_cores(rig) == free - 1, within_s=30)

    rig.engine.cancel(ref=ref, reason=Reason.CANCELLED_BY_HUB, grace_s=0)
    rig.wait_for_end(ref)
    wait_until(lambda: count_free_cores(rig) == free, within_s=30)


def test_metered_time_only_grows_and_stays_after_the_end(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 1")))
    seen = [0]

    def look():
        metered = rig.engine.usage(refs=[ref]).get(ref)
        seen.append(metered.usage.metered_ms if metered else seen[-1])
        return rig.look(ref).state is AttemptState.SUCCEEDED

    wait_until(look, within_s=30)

    assert seen == sorted(seen)
    assert 900 <= rig.restart().usage(refs=[ref])[ref].usage.metered_ms <= 1_000 + rig.slack_ms


def test_an_empty_machine_starts_a_job_at_once(rig):
    assert rig.engine.estimate(spec=make_spec("true")).p50_s in range(3)


def test_the_caps_tell_what_the_inventory_tells(rig):
    assert rig.engine.probe().capabilities == rig.engine.caps()
