import json
from dataclasses import replace

import pytest

from lilong.platforms.funding.core.packs import read_pack
from lilong.platforms.funding.core.rules import (
    Origin,
    Purpose,
    Rate,
    VoucherRule,
    VoucherRuleInvalid,
    check_rule,
    read_rule,
)
from lilong.platforms.funding.queries.entitlement import load_examples

RULE = VoucherRule(rate_ppm=300_000, cap_uc=8_000_000, expires_in_days=365)


def test_a_rule_out_of_range_names_every_wrong_figure():
    with pytest.raises(VoucherRuleInvalid) as raised:
        check_rule(rule=VoucherRule(rate_ppm=1_000_001, cap_uc=0, expires_in_days=1, starter_uc=-1))

    assert [field.path for field in raised.value.fields] == ["rate_ppm", "cap_uc", "starter_uc"]


def test_a_rule_in_range_passes():
    check_rule(rule=RULE)


@pytest.mark.parametrize("name", sorted(load_examples()))
def test_every_example_is_a_valid_rule_that_reads_back_from_its_document_and_says_that_it_is_an_example(name):
    rule = read_pack(text=load_examples()[name]).rule
    stored = json.loads(json.dumps(rule.document))

    assert read_rule(document=stored) == rule
    assert read_rule(document=stored).sha256 == rule.sha256
    assert rule.about
    assert rule.about.is_example
    assert rule.about.sources


def problems_of(text):
    with pytest.raises(VoucherRuleInvalid) as raised:
        read_pack(text=text)
    return {field.path: field.code for field in raised.value.fields}


BASE = "rate_ppm = 200_000\ncap_uc = 5\nexpires_in_days = 3\n"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("rate_ppm = 1", {"cap_uc": "funding.missing", "expires_in_days": "funding.missing"}),
        (BASE + "cap = 1", {"cap": "funding.unexpected_keyword_argument"}),
        (BASE + "year_cap_uc = 0", {"year_cap_uc": "funding.out_of_range"}),
        (BASE + "year_cap_uc = '7'", {"year_cap_uc": "funding.int_type"}),
        (BASE + "earmark = 'food'", {"earmark": "funding.enum"}),
        (BASE + "jurisdiction = 'China'", {"jurisdiction": "funding.no_country"}),
        (BASE + "earmark = 'model'\nstarter_uc = 1", {"starter_uc": "funding.earmark_unsold"}),
        (BASE + "[[rates]]\nrate_ppm = 300_000", {"rates.0": "funding.no_condition"}),
        (
            BASE + "[[rates]]\nrate_ppm = 200_000\nhead_count_at_most = 3",
            {"rates.0.rate_ppm": "funding.never_paid"},
        ),
        (
            BASE + "[[rates]]\nrate_ppm = 300_000\naccelerator = 'home'",
            {"jurisdiction": "funding.no_jurisdiction"},
        ),
        (
            BASE + "jurisdiction = 'CN'\n[[rates]]\nrate_ppm = 300_000\nprovider = 'none'",
            {"rates.0.provider": "funding.no_origin"},
        ),
    ],
)
def test_each_part_of_a_rule_that_is_wrong_is_named_with_its_code(text, problems):
    assert problems_of(text) == problems


def test_a_text_that_is_no_toml_says_where():
    with pytest.raises(VoucherRuleInvalid, match="Invalid value"):
        read_pack(text="rate_ppm =")


def test_a_rate_for_everybody_is_not_needed_where_others_have_conditions():
    rates = (Rate(rate_ppm=900_000, head_count_at_most=50), Rate(rate_ppm=5, purposes=(Purpose.RESEARCH,)))
    rule = replace(RULE, rate_ppm=0, rates=rates)
    check_rule(rule=rule)

    assert rule.highest_ppm == 900_000


def test_two_rules_that_differ_in_one_figure_have_different_hashes():
    variants = [
        RULE,
        replace(RULE, rate_ppm=7),
        replace(RULE, cap_uc=7),
        replace(RULE, expires_in_days=7),
        replace(RULE, starter_uc=7),
    ]

    assert len({rule.sha256 for rule in variants}) == len(variants)


def test_a_condition_more_is_another_hash():
    home = replace(RULE, jurisdiction="CN", rates=(Rate(rate_ppm=400_000, accelerator=Origin.HOME),))
    other = replace(home, rates=(Rate(rate_ppm=400_000, accelerator=Origin.OTHER),))

    assert len({RULE.sha256, home.sha256, other.sha256, replace(home, jurisdiction="KR").sha256}) == 4
