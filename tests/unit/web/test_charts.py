from datetime import UTC, datetime
from itertools import pairwise

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from lilong.common.django.charts import Chart, Paint, Series, Step
from lilong.common.time import list_days, list_weeks
from lilong.web.charts import NARROW, TICKS_MAX, WIDE, build_spec, choose_ticks, describe_chart
from lilong.web.formatting import format_amount_briefly, format_day

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CREDIT = 1_000_000


def make_chart(*amounts_uc, step=Step.WEEK):
    list_edges = list_weeks if step is Step.WEEK else list_days
    paints = (Paint.INK, Paint.BRICK)
    return Chart(
        name="spent",
        title="Spent",
        step=step,
        edges=list_edges(now=NOW, count=len(amounts_uc[0])),
        series=[
            Series(label=f"Series {number}", paint=paint, amounts_uc=amounts)
            for number, (paint, amounts) in enumerate(zip(paints, amounts_uc, strict=False))
        ],
    )


def read_y(spec):
    return spec["layer"][0]["encoding"]["y"]


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_a_spec_has_a_bar_for_each_amount_that_is_not_zero_and_room_for_each_day(size):
    spec = build_spec(chart=make_chart([0, 2 * CREDIT, 5 * CREDIT], [0, 0, -CREDIT]), size=size, language="en")

    assert spec["data"]["values"] == [
        {"day": "16 Feb", "place": 0, "uc": 2 * CREDIT, "open": False},
        {"day": "23 Feb", "place": 0, "uc": 5 * CREDIT, "open": True},
        {"day": "23 Feb", "place": 1, "uc": -CREDIT, "open": True},
    ]
    x = spec["layer"][0]["encoding"]["x"]
    assert x["scale"]["domain"] == ["9 Feb", "16 Feb", "23 Feb"]
    assert read_y(spec)["scale"]["domain"] == [-2 * CREDIT, 6 * CREDIT]


def test_days_and_amounts_are_written_in_the_readers_language():
    chart = make_chart([30_000 * CREDIT, 0])
    spec = build_spec(chart=chart, size=WIDE, language="zh-hans")

    assert spec["layer"][0]["encoding"]["x"]["axis"]["values"] == ["2月16日", "2月23日"]
    assert '"30000000000": "3\\u4e07"' in read_y(spec)["axis"]["labelExpr"]
    assert spec != build_spec(chart=chart, size=WIDE, language="en")


def test_a_chart_of_nothing_has_no_figures_and_can_be_drawn():
    chart = make_chart([0, 0])

    assert not chart.has_figures
    assert build_spec(chart=chart, size=WIDE, language="en")["data"]["values"] == []


def test_a_single_column_is_labelled():
    spec = build_spec(chart=make_chart([7], step=Step.DAY), size=NARROW, language="en")

    assert spec["layer"][0]["encoding"]["x"]["axis"]["values"] == ["1 Mar"]
    assert read_y(spec)["axis"]["values"] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(("size", "most"), [(WIDE, 7), (NARROW, 4)])
def test_of_many_days_few_are_labelled_the_last_among_them(size, most):
    spec = build_spec(chart=make_chart([CREDIT] * 30, step=Step.DAY), size=size, language="en")
    labelled = spec["layer"][0]["encoding"]["x"]["axis"]["values"]

    assert len(labelled) <= most
    assert labelled[-1] == "1 Mar"


AMOUNTS = st.integers(0, 10**18)


@given(AMOUNTS, AMOUNTS)
def test_ticks_are_few_and_even_and_reach_round_all_amounts_however_huge(below_uc, above_uc):
    ticks = choose_ticks(-below_uc, above_uc)

    assert ticks[0] <= -below_uc <= above_uc <= ticks[-1]
    assert 0 in ticks
    assert 2 <= len(ticks) <= TICKS_MAX + 2
    assert len({after - before for before, after in pairwise(ticks)}) == 1


@given(AMOUNTS, AMOUNTS)
def test_no_two_ticks_are_written_alike(below_uc, above_uc):
    ticks = choose_ticks(-below_uc, above_uc)

    for language in ("en", "zh-hans"):
        assert len({format_amount_briefly(tick, language=language) for tick in ticks}) == len(ticks)


def test_who_does_not_see_a_chart_hears_its_sums():
    chart = make_chart([2 * CREDIT, CREDIT], [0, -CREDIT])

    assert describe_chart(chart=chart, language="en") == (
        "Spent, 16 Feb to 23 Feb: Series 0 3.00 credits, Series 1 -1.00 credits in all."
    )
    with translation.override("zh-hans"):
        assert "2月16日" in describe_chart(chart=chart, language="zh-hans")


@pytest.mark.parametrize(
    ("amount_uc", "english", "chinese"),
    [
        (0, "0", "0"),
        (1, "0.000001", "0.000001"),
        (2_500 * CREDIT, "2,500", "2,500"),
        (15_000 * CREDIT, "15K", "1.5万"),
        (-2_000_000 * CREDIT, "-2M", "-200万"),
        (10_000_000_000 * CREDIT, "10B", "100亿"),
    ],
)
def test_an_axis_says_amounts_briefly(amount_uc, english, chinese):
    assert format_amount_briefly(amount_uc, language="en") == english
    assert format_amount_briefly(amount_uc, language="zh-hans") == chinese


def test_a_day_is_that_of_utc():
    assert format_day(NOW, language="en") == "1 Mar"
    assert format_day(NOW, language="zh-hans") == "3月1日"
