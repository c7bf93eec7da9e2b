from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilong.common.money import UC_PER_CREDIT
from lilong.web.formatting import (
    format_ago,
    format_amount,
    format_bytes,
    format_count,
    format_duration,
    format_moment,
    format_share,
)
from lilong.web.sparks import draw_bar, draw_spark

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.integers(-(10**18), 10**18), st.sampled_from(["en", "zh-hans"]))
def test_an_amount_says_exactly_what_the_books_hold(amount_uc, language):
    text = format_amount(amount_uc, language=language)

    assert Decimal(text.replace(",", "")) * UC_PER_CREDIT == amount_uc
    assert len(text.split(".")[1]) >= 2


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(0, "0 secs", "0秒"), (59.9, "59 secs", "59秒"), (3600, "1 hr", "1小时"), (90_061, "1 day 1 hr", "1天 1小时")],
)
def test_a_duration_is_cut_to_its_two_largest_units(seconds, english, chinese):
    assert format_duration(seconds, language="en") == english
    assert format_duration(seconds, language="zh-hans") == chinese


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1,023 B"), (1024, "1 KiB"), (1024**2 - 1, "1,024 KiB"), (2**60, "1,024 PiB")]
)
def test_a_size_has_the_largest_unit_that_it_fills(size, text):
    assert format_bytes(size, language="en") == text


def test_moments_are_told_in_the_readers_language():
    assert format_ago(NOW - timedelta(hours=3), now=NOW, language="zh-hans") == "3小时前"
    assert format_ago(NOW + timedelta(minutes=5), now=NOW, language="en") == "in 5 minutes"
    assert format_moment(NOW, language="zh-hans") == "2026年3月1日 12:00:00 UTC"


def test_a_language_that_nobody_speaks_here_reads_english():
    assert format_count(1234, language="xx") == "1,234"


def test_a_share_never_says_more_than_there_is():
    assert format_share(1999, whole=2000, language="en") == "99%"


@pytest.mark.parametrize("values", [[], [1], [3, 3, 3], [0, 10]])
def test_a_spark_line_is_drawn_of_any_values(values):
    assert "NaN" not in draw_spark(values=values, label="use")


def test_a_label_cannot_break_out_of_a_picture():
    assert "<script>" not in draw_spark(values=[1, 2], label='"><script>')


def test_a_bar_is_marked_where_it_should_be():
    assert '<rect class="bar-goal" x="888"' in draw_bar(part=5, whole=10, share="", goal=90)
    assert "bar-goal" not in draw_bar(part=5, whole=10, share="")


@pytest.mark.parametrize(("part", "filled"), [(-1, 0), (0, 0), (5, 500), (11, 1000)])
def test_a_bar_is_never_longer_than_the_whole(part, filled):
    assert f'<rect class="bar-part" width="{filled}"' in draw_bar(part=part, whole=10, share="")
