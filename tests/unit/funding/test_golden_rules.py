"""What the example rules pay, case by case, worked out by hand from their texts: the cases in their packs."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from lilong.common.time import find_zone
from lilong.platforms.funding.core.deciding import (
    Code,
    Condition,
    MemberFacts,
    OfferFacts,
    Purse,
    check_budget,
    count_months,
    decide,
    explain,
    list_facts,
)
from lilong.platforms.funding.core.packs import read_pack, run_cases
from lilong.platforms.funding.queries.entitlement import load_examples

CREDIT = 1_000_000
PACKS = {name: read_pack(text=text) for name, text in load_examples().items()}
EXAMPLES = {name: pack.rule for name, pack in PACKS.items()}
FAMILIES = ("hangzhou-like", "shanghai-like", "canada-like", "korea-like")
RESULTS = [
    pytest.param(result, id=f"{name}: {result.name}") for name, pack in PACKS.items() for result in run_cases(pack=pack)
]
FIRST = PACKS["canada-like"].cases[0]


def decide_case(name, case):
    return decide(
        rule=EXAMPLES[name],
        member=MemberFacts(is_admitted=True, since=case.since, head_count=case.head_count),
        offer=OfferFacts("off_1", case.accelerator, case.provider),
        year_used_uc=case.used_uc,
        purse=Purse(case.available_uc, 0, case.at + timedelta(days=1)),
        now=case.at,
        zone=find_zone(name=case.zone),
    )


@pytest.mark.parametrize("result", RESULTS)
def test_an_example_pays_what_its_text_says(result):
    assert result.paid == result.wanted


def test_every_example_has_cases_and_every_family_a_dozen():
    assert all(pack.cases for pack in PACKS.values())
    counts = [sum(len(PACKS[name].cases) for name in PACKS if name.startswith(family)) for family in FAMILIES]
    assert min(counts) >= 12


def test_a_refusal_names_the_nearest_way_first_with_its_distance():
    decision = decide_case("canada-like", replace(FIRST, zone="UTC", head_count=512, provider="US"))

    assert [[each.condition for each in way] for way in decision.ways] == [
        [Condition.HEAD_COUNT],
        [Condition.PROVIDER, Condition.HEAD_COUNT],
    ]
    assert list_facts(refused=decision) == [
        {"condition": "head_count", "wanted": "499", "actual": "512", "distance": 13}
    ]
    assert "at most 499 people (yours: 512)" in explain(refused=decision)


@pytest.mark.parametrize(
    ("zone", "until"),
    [("Asia/Shanghai", "2026-12-31T16:00:00+00:00"), ("UTC", "2027-01-01T00:00:00+00:00")],
)
def test_a_cap_of_the_year_passes_by_itself_at_midnight_of_the_hub(zone, until):
    at = datetime(2026, 12, 31, 15, 59, tzinfo=UTC)
    refused = decide_case("hangzhou-like", replace(FIRST, zone=zone, used_uc=8_000_000 * CREDIT, at=at))

    assert refused.until.astimezone(UTC).isoformat() == until


@pytest.mark.parametrize(
    ("issued", "amount", "fits"), [(0, 250, True), (249, 1, True), (249, 2, False), (250, 1, False)]
)
def test_a_budget_of_the_year_is_issued_to_the_last_credit_and_no_further(issued, amount, fits):
    million = 1_000_000 * CREDIT
    refused = check_budget(
        rule=EXAMPLES["hangzhou-like"],
        issued_uc=issued * million,
        amount_uc=amount * million,
        now=datetime(2026, 3, 1, tzinfo=UTC),
        zone=UTC,
    )

    assert (refused is None) is fits
    assert refused is None or refused.code is Code.YEAR_BUDGET_REACHED


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [("2025-01-31", "2025-02-28", 0), ("2025-01-31", "2025-03-01", 1), ("2025-03-01", "2025-02-28", -1)],
)
def test_a_month_is_whole_when_its_day_is_reached(since, until, months):
    assert count_months(since=date.fromisoformat(since), until=date.fromisoformat(until)) == months
