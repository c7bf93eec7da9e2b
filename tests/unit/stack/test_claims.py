"""Which claim comes first, and which contradict each other."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from lilong.platforms.stack.core.claims import (
    Claim,
    Confidence,
    Source,
    Tier,
    arrange_claims,
    find_conflicts,
    rank_claims,
)
from lilong.platforms.stack.core.properties import PROPERTIES

UNDATED = Source(title="Somebody")


def claim(id_, value="80", **fields):
    said = {
        "accelerator": "h100-sxm5",
        "property": "memory_gb",
        "conditions": "",
        "tier": Tier.DATASHEET,
        "confidence": Confidence.HIGH,
        "sources": (UNDATED,),
    }
    return Claim(id=id_, value=value, **{**said, **fields})


def of(day):
    return (replace(UNDATED, dated_on=day),)


def rank(*claims):
    return [each.id for each in rank_claims(claims)]


def test_whoever_measured_comes_before_the_maker_an_operator_and_others_however_sure_they_are():
    said = [claim(tier.value, tier=tier) for tier in (Tier.PRESS, Tier.OPERATOR, Tier.DATASHEET)]

    assert rank(*said, claim("m", tier=Tier.MEASURED, confidence=Confidence.LOW)) == [
        "m",
        "datasheet",
        "operator",
        "press",
    ]


def test_within_a_tier_the_surer_claim_comes_first_then_the_newer_source_then_what_was_added_later():
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    claims = [
        claim("undated"),
        claim("added here", added_at=moment),
        claim("old", sources=of(date(2020, 1, 1))),
        claim("new", sources=of(date(2025, 1, 1))),
        claim("surer", confidence=Confidence.HIGH, sources=of(date(2025, 1, 2))),
        claim("rather sure", confidence=Confidence.MEDIUM_HIGH, sources=of(date(2026, 1, 1))),
    ]

    assert rank(*claims) == ["surer", "new", "old", "added here", "undated", "rather sure"]
    assert rank(*reversed(claims)) == rank(*claims)


@pytest.mark.parametrize(
    ("property_", "one", "other", "is_conflict"),
    [
        ("memory_gb", "80", "80", False),
        ("memory_gb", "32", "64", True),
        ("fp16_bf16_dense_tflops", "313.182", "313", False),
        ("fp16_bf16_dense_tflops", "99", "100", False),
        ("fp16_bf16_dense_tflops", "98.999", "100", True),
        ("fp16_bf16_dense_tflops", "362", "366", True),
        ("release_year", "2023", "2024", True),
        ("memory_type", "HBM2e", "hbm 2E", False),
        ("memory_type", "HBM2e", "LPDDR5", True),
        ("framework", "PyTorch", "vLLM", False),
    ],
)
def test_values_conflict_when_they_differ_by_more_than_the_tolerance(property_, one, other, is_conflict):
    claims = [claim("a", one, property=property_), claim("b", other, property=property_)]

    assert find_conflicts(claims) == (frozenset("ab") if is_conflict else frozenset())


def test_what_holds_under_other_conditions_contradicts_nothing():
    claims = [
        claim("a", "180"),
        claim("b", "192", conditions="another SKU"),
        claim("c", "96", conditions="Another sku"),
    ]

    assert find_conflicts(claims) == frozenset("bc")


def test_a_claim_that_agrees_with_all_others_is_no_part_of_no_conflict():
    """Of three, the one in the middle is near enough to both, which contradict each other."""
    claims = [claim("a", "100"), claim("b", "100.8"), claim("c", "101.5")]

    assert find_conflicts(claims) == frozenset("ac")


def test_claims_are_arranged_by_property_in_their_order_and_nothing_is_averaged():
    claims = [
        claim("year", "2022", property="release_year"),
        claim("press", "94", tier=Tier.PRESS),
        claim("maker", "80"),
    ]
    memory, year = arrange_claims(claims)

    assert [each.property.code for each in (memory, year)] == ["memory_gb", "release_year"]
    assert list(PROPERTIES).index("memory_gb") < list(PROPERTIES).index("release_year")
    assert [each.value for each in memory.claims] == ["80", "94"]
    assert memory.conflicting == {"press", "maker"}
    assert year.conflicting == frozenset()


@pytest.mark.parametrize(
    ("confidence", "is_doubtful"), [(Confidence.LOW, True), (Confidence.LOW_MEDIUM, True), (Confidence.MEDIUM, False)]
)
def test_low_confidence_stays_marked(confidence, is_doubtful):
    assert claim("a", confidence=confidence).is_doubtful() is is_doubtful
