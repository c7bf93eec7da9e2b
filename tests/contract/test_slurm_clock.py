"""A login node whose clock is wrong, and agents in any time zone: times and meters are those of the cluster."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from lilong.agent.engines.slurm.commands import build_accounting_query
from lilong.agent.engines.slurm.parsing import parse_start_estimate, parse_time
from lilong.common.time import utc_now
from lilong.protocol.messages import AttemptState, Reason
from lilong.protocol.spec import RunSpec
from tests.contract.engines import SlurmRig
from tests.polling import wait_until
from tests.slurm.cluster import shared_folder
from tests.slurm.damage import damaged_site

HOUR_S = 3_600
ZONES = ["Europe/Berlin", "Asia/Shanghai", "America/St_Johns"]


@pytest.fixture(params=ZONES)
def zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(params=[HOUR_S, -HOUR_S])
def rig(request, berlin, hasty_site, tmp_path):
    """Return an engine on a login node whose clock is an hour ahead or behind."""
    with shared_folder() as folder, damaged_site(hasty_site, folder=folder, waits_s=20) as (damage, site):
        damage.set("askew", "squeue", "sacct", "scontrol", share=request.param)
        rig = SlurmRig(tmp_path, site, clock=lambda: utc_now() + timedelta(seconds=request.param))
        yield rig
        rig.close()


def make_spec(command):
    return RunSpec(name="job", command=command, walltime_s=60)


def test_a_login_node_whose_clock_is_an_hour_wrong_tells_the_times_of_the_cluster(rig):
    before = utc_now()
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 2"), queue_wait_s=60))
    rig.wait_for(ref, AttemptState.RUNNING)
    live_ms = rig.engine.usage(refs=[ref])[ref].usage.metered_ms
    end = rig.wait_for_end(ref)

    assert end.reason is Reason.COMPLETED
    assert before - timedelta(seconds=1) <= end.started_at <= end.ended_at <= utc_now()
    assert live_ms <= 3_000
    assert 2_000 <= rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 2_000 + rig.slack_ms


def test_a_login_node_whose_clock_is_an_hour_wrong_hears_from_accounting_what_ended_long_ago(rig):
    ref = rig.engine.submit(job=rig.make_job(make_spec("sleep 1")))
    queue = ["squeue", "--all", "--states=all", "--noheader", f"--name={ref}"]
    wait_until(lambda: rig.site.cluster.run(*queue) == "", within_s=60)

    end = rig.restart() and rig.wait_for_end(ref)

    assert end.reason is Reason.COMPLETED
    assert 1_000 <= rig.engine.usage(refs=[ref])[ref].usage.metered_ms <= 1_000 + rig.slack_ms


def test_in_any_time_zone_a_moment_is_the_same(zone):
    hours = [datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(10)]  # Berlin's change
    hours += [datetime(2026, 3, 28, 22, tzinfo=UTC) + timedelta(minutes=30 * n) for n in range(10)]

    for moment in hours:
        seconds, iso = str(int(moment.timestamp())), f"{moment:%Y-%m-%dT%H:%M:%S}"
        assert parse_time(text=seconds) == parse_time(text=iso) == moment
        words = f"sbatch: Job 7 to start at {seconds} using 2 processors on nodes n1"
        assert parse_start_estimate(text=words).starts_at == moment
        local = moment.astimezone()
        assert f"--starttime={iso}" in build_accounting_query(separator="x", since=local)
