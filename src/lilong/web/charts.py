"""Charts as pages show them: a Vega-Lite spec for each size, its drawing, and the same figures as a table.

All texts and all places of lines are reckoned here, so that both languages write numbers and dates as elsewhere, and a
drawing does not depend on the fonts of this machine.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import structlog
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lilong.common.django.charts import Chart, Series, Step
from lilong.web import formatting
from lilong.web.painting import STUDIO, DrawingFailed, Studio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrOrPromise

TICKS_MAX = 5
NICE = (1, 2, 5)
LETTER, IDEOGRAPH, GAP = 7, 12, 10
"""How wide a letter and an ideograph are at most in the size of labels, and what is free beside them."""

TOP, BOTTOM, MARGIN = 8, 26, 2
FIRST_IDEOGRAPH = "\u2e80"
STEPS: "Mapping[Step, _StrOrPromise]" = {
    Step.DAY: gettext_lazy("Day"),
    Step.WEEK: gettext_lazy("Week from"),
    Step.MONTH: gettext_lazy("Month"),
}

log = structlog.get_logger("lilong.web")


@dataclass(frozen=True, slots=True)
class Size:
    """A size that charts are drawn in; the style sheet shows the one that fits. labels: of the days, at most."""

    name: str
    width: int
    height: int
    labels: int


WIDE, NARROW = Size("wide", 800, 200, 7), Size("narrow", 360, 190, 4)


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one column. is_open: it goes on."""

    label: str
    amounts_uc: Sequence[int]
    address: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class ChartView:
    """A chart as the template shows it. rows: latest first; drawings: none where drawing failed."""

    name: str
    title: str
    step: str
    series: Sequence[Series]
    rows: Sequence[Row]
    drawings: Sequence[SafeString]


def view_chart(*, chart: Chart, language: str, studio: Studio = STUDIO) -> ChartView:
    """Return a chart with its figures, drawn in every size; a failure is logged, and leaves the figures."""
    labels = _label(chart, language)
    places = range(len(chart.edges) - 1)
    rows = [
        Row(
            label=labels[place],
            amounts_uc=[each.amounts_uc[place] for each in chart.series],
            address=chart.addresses[place] if chart.addresses else "",
            is_open=place == places[-1] and not chart.is_over,
        )
        for place in reversed(places)
    ]
    return ChartView(
        name=chart.name,
        title=str(chart.title),
        step=str(STEPS[chart.step]),
        series=chart.series,
        rows=rows,
        drawings=_draw(chart, language=language, studio=studio),
    )


def _draw(chart: Chart, *, language: str, studio: Studio) -> list[SafeString]:
    said = describe_chart(chart=chart, language=language)
    drawings = []
    for size in (WIDE, NARROW):
        try:
            inside = studio.draw(spec=build_spec(chart=chart, size=size, language=language))
        except DrawingFailed as failure:
            log.warning("chart_not_drawn", chart=chart.name, error=str(failure))
            return []
        svg = '<svg class="chart-{}" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>'
        drawings.append(format_html(svg, size.name, said, size.width, size.height, inside))
    return drawings


def describe_chart(*, chart: Chart, language: str) -> str:
    """Return what a chart shows in a sentence, for who does not see it."""
    labels = _label(chart, language)
    sums = [
        _("%(label)s %(amount)s credits")
        % {"label": each.label, "amount": formatting.format_amount(each.sum_uc, language=language)}
        for each in chart.series
    ]
    return _("%(title)s, %(first)s to %(last)s: %(sums)s in all.") % {
        "title": chart.title,
        "first": labels[0],
        "last": labels[-1],
        "sums": _(", ").join(sums),
    }


def build_spec(*, chart: Chart, size: Size, language: str) -> dict[str, Any]:
    """Return the Vega-Lite spec of a chart in one size and language."""
    days = _label(chart, language)
    ticks = choose_ticks(*_reach(chart.series))
    texts = {str(tick): formatting.format_amount_briefly(tick, language=language) for tick in ticks}
    left = max(map(_measure, texts.values())) + GAP
    right = max(_measure(days[-1]) - (size.width - left) // len(days), 0) // 2 + MARGIN
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": size.width - left - right,
        "height": size.height - TOP - BOTTOM,
        "padding": {"left": left, "right": right, "top": TOP, "bottom": BOTTOM},
        "autosize": "none",
        "background": None,
        "data": {"values": _list_bars(chart, days)},
        "layer": [
            {
                "mark": {"type": "bar", "stroke": "var(--paper)", "strokeWidth": 1},
                "encoding": {
                    "x": {
                        "field": "day",
                        "type": "ordinal",
                        "scale": {"domain": days, "paddingInner": 0.3, "paddingOuter": 0.2},
                        "axis": {"values": _thin_out(days, most=size.labels)},
                    },
                    "y": {
                        "field": "uc",
                        "type": "quantitative",
                        "stack": "zero",
                        "scale": {"domain": [ticks[0], ticks[-1]], "nice": False},
                        "axis": {"values": ticks, "labelExpr": f"({json.dumps(texts)})[datum.value]"},
                    },
                    "order": {"field": "place"},
                    "color": {
                        "field": "place",
                        "type": "ordinal",
                        "scale": {
                            "domain": list(range(len(chart.series))),
                            "range": [f"var(--{each.paint})" for each in chart.series],
                        },
                        "legend": None,
                    },
                    "fillOpacity": {"condition": {"test": "datum.open", "value": 0.6}},
                },
            },
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": "var(--control)"},
                "encoding": {"y": {"datum": 0}},
            },
        ],
        "config": CONFIG,
    }


CONFIG = {
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "title": None,
        "domain": False,
        "ticks": False,
        "labelColor": "var(--ink-soft)",
        "labelOverlap": False,
        "labelPadding": 6,
        "labelLimit": 0,
        "tickCount": TICKS_MAX * 2,
    },
    "axisX": {"grid": False, "labelAngle": 0},
    "axisY": {"gridColor": "var(--rule)"},
}


def choose_ticks(low_uc: int, high_uc: int) -> list[int]:
    """Return at most TICKS_MAX + 1 amounts, evenly apart by 1, 2 or 5 of some power of ten, that reach round both.

    >>> choose_ticks(0, 340), choose_ticks(-30, 120)
    ([0, 100, 200, 300, 400], [-50, 0, 50, 100, 150])
    """
    for step in (nice * 10**power for power in count() for nice in NICE):
        first, last = low_uc // step, -(-high_uc // step)
        if last - first <= TICKS_MAX - (low_uc < 0):
            return [number * step for number in range(first, max(last, first + 1) + 1)]
    raise AssertionError("there is always a larger step")


def _label(chart: Chart, language: str) -> list[str]:
    """Return what stands under each column."""
    write = formatting.format_month if chart.step is Step.MONTH else formatting.format_day
    return [write(edge, language=language) for edge in chart.edges[:-1]]


def _reach(series: Sequence[Series]) -> tuple[int, int]:
    """Return how deep and how high the stacked columns reach; zero is always within."""
    columns = list(zip(*(each.amounts_uc for each in series), strict=True))
    low_uc = min((sum(min(amount_uc, 0) for amount_uc in column) for column in columns), default=0)
    high_uc = max((sum(max(amount_uc, 0) for amount_uc in column) for column in columns), default=0)
    return low_uc, high_uc


def _list_bars(chart: Chart, days: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"day": day, "place": place, "uc": amount_uc, "open": day == days[-1] and not chart.is_over}
        for place, each in enumerate(chart.series)
        for day, amount_uc in zip(days, each.amounts_uc, strict=True)
        if amount_uc
    ]


def _thin_out(days: Sequence[str], *, most: int) -> list[str]:
    """Return at most so many days, evenly apart, the last one among them."""
    every = -(-len(days) // most)
    return list(days[::-1][::every][::-1])


def _measure(text: str) -> int:
    """Return how wide a label is at most."""
    return sum(IDEOGRAPH if letter >= FIRST_IDEOGRAPH else LETTER for letter in text)
