"""What a claim has to be before it is taken."""

from datetime import date

import pytest

from lilong.platforms.stack.core.checks import ClaimInvalid, Draft, check_draft
from lilong.platforms.stack.core.claims import Confidence, Source, Tier

TODAY = date(2026, 3, 1)


def check(property_="memory_gb", value="80", *, source=None, **fields):
    said = {"tier": Tier.PRESS, "confidence": Confidence.LOW, "source": Source(title="Somebody", **(source or {}))}
    return check_draft(draft=Draft(property=property_, value=value, **{**said, **fields}), today=TODAY)


def problems(*values, **fields):
    with pytest.raises(ClaimInvalid) as refused:
        check(*values, **fields)
    return [(field.path, field.code) for field in refused.value.fields]


@pytest.mark.parametrize(
    ("property_", "written", "kept"),
    [
        ("memory_gb", " 80.0 ", "80"),
        ("memory_gb", "1E+2", "100"),
        ("memory_bandwidth_gb_s", "1390.5", "1390.5"),
        ("memory_bandwidth_gb_s", "21000000", "21000000"),
        ("release_year", "2024", "2024"),
        ("vendor_country", "CN", "CN"),
        ("framework", " PyTorch ", "PyTorch"),
    ],
)
def test_a_value_has_one_form(property_, written, kept):
    assert check(property_, written) == kept


@pytest.mark.parametrize("value", ["", "80 GB", "0", "-1", "nan", "inf", "1e13", "0.0001", "9" * 200, "８０ GB"])
def test_what_is_no_number_above_zero_is_refused(value):
    assert problems("memory_gb", value) == [("value", "claim.value_number")]


@pytest.mark.parametrize(
    ("property_", "value", "problem"),
    [
        ("release_year", "24", "claim.value_year"),
        ("release_year", "2024.5", "claim.value_year"),
        ("vendor_country", "China", "claim.value_country"),
        ("framework", "  ", "claim.value_text"),
        ("framework", "a\nb", "claim.value_text"),
        ("framework", "x" * 121, "claim.value_text"),
    ],
)
def test_a_value_that_does_not_fit_its_property_is_refused(property_, value, problem):
    assert problems(property_, value) == [("value", problem)]


def test_a_property_that_is_not_in_the_list_is_refused():
    assert problems("colour", "red") == [("property", "claim.property_unknown")]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"url": "javascript:alert(1)"}, ("source_url", "claim.source_url")),
        ({"url": "https://"}, ("source_url", "claim.source_url")),
        ({"url": "https://[half"}, ("source_url", "claim.source_url")),
        ({"url": "https://a.example/b c"}, ("source_url", "claim.source_url")),
        ({"commit": "main"}, ("source_commit", "claim.source_commit")),
        ({"dated_on": date(2026, 3, 2)}, ("source_dated_on", "claim.source_date")),
    ],
)
def test_a_source_that_cannot_be_is_refused(source, problem):
    assert problems(source=source) == [problem]


def test_a_claim_without_a_source_is_refused_with_everything_else_that_is_wrong():
    with pytest.raises(ClaimInvalid) as refused:
        check_draft(
            draft=Draft(
                property="memory_gb",
                value="much",
                tier=Tier.PRESS,
                confidence=Confidence.LOW,
                source=Source(title=" "),
                conditions="x" * 201,
                note="two\nlines",
            ),
            today=TODAY,
        )

    assert [field.path for field in refused.value.fields] == ["value", "conditions", "note", "source_title"]
