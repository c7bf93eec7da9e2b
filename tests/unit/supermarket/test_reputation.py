"""What one order says of a provider, and what many facts come to."""

import pytest

from lilong.platforms.supermarket.core.reputation import (
    FACTS_MIN,
    Share,
    Tally,
    Try,
    count_shares,
    find_interval,
    is_about,
    judge_conduct,
    name_band,
)
from lilong.platforms.supermarket.core.scores import Score
from lilong.protocol.messages import Fault, Reason

WENT_WELL = Try("att_1", began=True, fault=Fault.NOBODY, reason=Reason.COMPLETED)
NODE_LOST = Try("att_2", began=True, fault=Fault.PROVIDER, reason=Reason.NODE_LOST)
HUB_ENDED = Try("att_3", began=True, fault=Fault.HUB, reason=Reason.CANCELLED_BY_HUB)
CALLED_OFF = Try("att_4", began=False, fault=Fault.MEMBER, reason=Reason.CANCELLED_BY_MEMBER)
QUEUE_FULL = Try("att_5", began=False, fault=Fault.NOBODY, reason=Reason.QUEUE_WAIT_EXCEEDED)
REFUSED = Try("att_6", began=False, fault=Fault.PROVIDER, reason=Reason.ENGINE_REFUSED)


def judge(*tries, wait=None, promised_ppm=0, credited_uc=0):
    return judge_conduct(tries=tries, wait=wait, promised_ppm=promised_ppm, credited_uc=credited_uc)


# R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison of seven methods", Statistics in
# Medicine 17 (1998), 857-872, table I, method 3 (score without continuity correction).
@pytest.mark.parametrize(
    ("kept", "count", "lower", "upper"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_the_one_that_was_published_rounded_outwards(kept, count, lower, upper):
    found = find_interval(kept=kept, count=count)

    assert 0 <= lower * 1_000_000 - found.lower_ppm <= 1_050
    assert 0 <= found.upper_ppm - upper * 1_000_000 + 50 <= 1_100


def test_of_too_few_facts_nothing_is_said_however_good_they_are():
    few, enough = Tally(kept=FACTS_MIN - 1, count=FACTS_MIN - 1), Tally(kept=FACTS_MIN, count=FACTS_MIN)

    assert (few.interval, few.lower_ppm) == (None, None)
    assert enough.lower_ppm == 838_000
    assert count_shares({Share.ENDED_WELL: few}) == dict.fromkeys(Share)


def test_a_short_clean_record_stands_below_a_long_good_one():
    assert find_interval(kept=20, count=20).lower_ppm < find_interval(kept=990, count=1000).lower_ppm


@pytest.mark.parametrize(
    ("tries", "ended_well", "cause"),
    [
        ([WENT_WELL], True, ""),
        ([NODE_LOST, WENT_WELL], False, "node_lost"),
        ([REFUSED], False, "engine_refused"),
        ([HUB_ENDED], None, ""),
        ([WENT_WELL, HUB_ENDED], None, ""),
        ([CALLED_OFF], None, ""),
        ([QUEUE_FULL], None, ""),
        ([Try("att_7", began=True, fault=Fault.MEMBER, reason=Reason.EXIT_NONZERO)], True, ""),
    ],
)
def test_only_what_the_provider_caused_counts_against_it(tries, ended_well, cause):
    judged = judge(*tries)

    assert (judged.ended_well, judged.cause) == (ended_well, cause)


@pytest.mark.parametrize(
    ("waited_ms", "began", "in_time"),
    [(90, True, True), (91, True, False), (91, False, False), (90, False, None)],
)
def test_a_start_is_held_against_the_time_in_which_nine_of_ten_begin(waited_ms, began, in_time):
    wait = Score(p50_ms=40, p90_ms=90, waited_ms=waited_ms, began=began)

    assert judge(WENT_WELL, wait=wait).started_in_time is in_time
    assert judge(WENT_WELL).started_in_time is None


def test_a_service_level_is_kept_while_no_credit_comes_due():
    assert judge(WENT_WELL, promised_ppm=500_000).level_kept is True
    assert judge(NODE_LOST, promised_ppm=500_000, credited_uc=1).level_kept is False
    assert judge(NODE_LOST, credited_uc=0).level_kept is None
    assert judge(CALLED_OFF, promised_ppm=500_000).level_kept is None


def test_a_members_dispute_is_about_every_pool_and_the_hubs_about_those_it_doubts():
    assert is_about(dispute_attempt_ids=[], attempt_ids=["att_1"])
    assert is_about(dispute_attempt_ids=["att_1", "att_9"], attempt_ids=["att_1"])
    assert not is_about(dispute_attempt_ids=["att_9"], attempt_ids=["att_1"])


@pytest.mark.parametrize(
    ("kept", "count", "band"),
    [(1000, 1000, "99+"), (990, 1000, "95+"), (95, 100, "80+"), (50, 100, "below_80"), (3, 3, "too_few")],
)
def test_the_band_is_that_of_the_lower_bound(kept, count, band):
    assert name_band({Share.ENDED_WELL: Tally(kept=kept, count=count)}) == band
