"""What the example rules pay, case by case, computed by hand from their texts. Amounts in the tables are credits."""

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from lilong.common.time import find_zone
from lilong.platforms.funding.core.deciding import (
    Code,
    Condition,
    Granted,
    MemberFacts,
    OfferFacts,
    Purse,
    check_budget,
    count_months,
    decide,
    explain,
    list_facts,
)
from lilong.platforms.funding.core.rules import Purpose, read_pack
from lilong.platforms.funding.queries.entitlement import load_examples

CREDIT = 1_000_000
GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = {name: read_pack(text=text) for name, text in load_examples().items()}
FAMILIES = ("hangzhou-like", "shanghai-like", "canada-like", "korea-like")


def read_cases():
    for path in sorted(GOLDEN.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield pytest.param(path.stem, row, id=f"{path.stem}: {row['case']}")


CASES = list(read_cases())


def decide_row(name, row):
    now = datetime.fromisoformat(row["at"]).replace(tzinfo=UTC)
    member = MemberFacts(
        is_admitted=True,
        since=date.fromisoformat(row["since"]),
        founded_on=date.fromisoformat(row["founded"]) if row["founded"] else None,
        head_count=int(row["heads"]) if row["heads"] else None,
        purposes=frozenset(Purpose(each) for each in row["purposes"].split()),
    )
    return decide(
        rule=EXAMPLES[name],
        member=member,
        offer=OfferFacts("off_1", row["accelerator"], row["provider"], row["related_by"]),
        year_used_uc=int(row["used"]) * CREDIT,
        purse=Purse(int(row["available"]) * CREDIT, 0, now + timedelta(days=1)),
        now=now,
        zone=find_zone(name=row["zone"]),
    )


@pytest.mark.parametrize(("name", "row"), CASES)
def test_an_example_pays_what_its_text_says(name, row):
    decision = decide_row(name, row)

    if row["code"]:
        assert decision.code == row["code"]
        assert explain(refused=decision)
    else:
        assert decision == Granted(rate_ppm=int(Decimal(row["rate"]) * 10_000), cap_uc=int(row["cap"]) * CREDIT)


def test_every_example_has_its_table_and_every_family_a_dozen_cases():
    names = [param.values[0] for param in CASES]

    assert set(names) == set(EXAMPLES)
    assert all(sum(name.startswith(family) for name in names) >= 12 for family in FAMILIES)


def test_a_refusal_names_the_nearest_way_first_with_its_distance():
    row = {**CASES[0].values[1], "zone": "UTC", "heads": "512", "provider": "US"}
    decision = decide_row("canada-like", row)

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
    row = {**CASES[0].values[1], "zone": zone, "used": "8000000", "at": "2026-12-31T15:59"}

    assert decide_row("hangzhou-like", row).until.astimezone(UTC).isoformat() == until


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
