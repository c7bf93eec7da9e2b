from dataclasses import replace

import pytest

from lilong.foundation.runs.core.billing import Meters, compute_bill
from lilong.foundation.runs.core.policy import Policy
from lilong.foundation.runs.core.reports import Reported
from lilong.protocol.messages import AttemptState, Fault
from tests.unit.runs.attempts import NOON, at

S = AttemptState
POLICY = Policy(heartbeat_ms=5_000)
DONE = Meters(
    state=S.SUCCEEDED,
    fault=Fault.NOBODY,
    metered_ms=60_000,
    usable_ms=45_000,
    reported=Reported(elapsed_ms=60_000, checkpoint_ms=45_000),
    granted_ms=100_000,
    kept_checkpoint=True,
    started_at=NOON,
    stopped_at=None,
    grace_s=10,
)


def bill(**change):
    return compute_bill(replace(DONE, **change), policy=POLICY)


def test_billed_is_what_both_meters_support():
    assert bill().billable_ms == 60_000
    assert bill(metered_ms=58_000).billable_ms == 58_000
    assert bill(reported=Reported(elapsed_ms=57_000, checkpoint_ms=0)).billable_ms == 57_000


@pytest.mark.parametrize(("metered_ms", "agree"), [(70_000, True), (70_001, False), (30_000, True)])
def test_an_engine_ahead_by_more_than_two_periods_is_disputed(metered_ms, agree):
    assert bill(metered_ms=metered_ms).meters_agree is agree


def test_time_that_a_cluster_counted_after_a_nodes_death_is_neither_billed_nor_disputed():
    dead = bill(state=S.LOST, fault=Fault.PROVIDER, metered_ms=95_000)

    assert (dead.billable_ms, dead.meters_agree) == (45_000, True)


def test_without_any_report_nothing_is_billed():
    unproven = bill(reported=Reported(elapsed_ms=0, checkpoint_ms=0))

    assert (unproven.billable_ms, unproven.meters_agree) == (0, False)


def test_ten_per_cent_added_by_the_engine_is_not_billed():
    assert bill(metered_ms=66_000).billable_ms == 60_000


def test_lost_time_is_reckoned_by_both_meters_or_by_either_within_the_authority():
    ahead, behind = bill(metered_ms=90_000), bill(metered_ms=1_000)

    assert (ahead.supported_ms, ahead.longest_ms) == (60_000, 90_000)
    assert (behind.supported_ms, behind.longest_ms) == (1_000, 60_000)
    assert bill(metered_ms=900_000).longest_ms == 100_000


@pytest.mark.parametrize("state", [S.FAILED, S.LOST, S.PREEMPTED])
def test_after_a_fault_of_the_provider_only_what_a_checkpoint_kept_is_billed(state):
    assert bill(state=state, fault=Fault.PROVIDER).billable_ms == 45_000
    assert bill(state=state, fault=Fault.PROVIDER, kept_checkpoint=False).billable_ms == 0


def test_the_member_pays_for_the_members_fault():
    assert bill(state=S.FAILED, fault=Fault.MEMBER).billable_ms == 60_000


@pytest.mark.parametrize("state", [S.CREATED, S.SUBMITTED, S.QUEUED, S.STAGING, S.STARTING, S.REJECTED])
def test_nothing_is_billed_before_work_runs_or_when_it_is_refused(state):
    assert bill(state=state, fault=None).billable_ms == 0


def test_no_more_is_billed_than_was_authorised():
    assert bill(granted_ms=30_000).billable_ms == 30_000


def test_a_stop_is_billed_to_the_request_and_the_grace_at_most():
    late = bill(state=S.CANCELLED, fault=Fault.MEMBER, stopped_at=at(20))

    assert late.billable_ms == 30_000


def test_work_that_started_after_it_was_to_stop_is_billed_the_rest_of_the_grace_at_most():
    assert bill(state=S.CANCELLED, fault=Fault.MEMBER, started_at=at(4), stopped_at=at(0)).billable_ms == 6_000
    assert bill(state=S.CANCELLED, fault=Fault.MEMBER, started_at=at(60), stopped_at=at(0)).billable_ms == 0
    assert bill(state=S.CANCELLED, fault=Fault.MEMBER, started_at=None, stopped_at=at(0)).billable_ms == 0
