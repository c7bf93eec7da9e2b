"""Figures, times, states and ids in templates. Loaded everywhere: no template needs `{% load %}`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from lilong.common.django.charts import Chart
from lilong.common.time import format_moment as format_rfc3339
from lilong.common.time import round_estimate_s, utc_now
from lilong.protocol.accelerators import list_accelerators
from lilong.web import formatting
from lilong.web.charts import ChartView, view_chart
from lilong.web.labels import Tone, find_label
from lilong.web.sparks import draw_bar, draw_spark

register = template.Library()

PRESENT = timedelta(seconds=5)


def _language() -> str:
    return get_language() or "en"


@register.filter
def count(number: int) -> str:
    """Write a whole number with its groups: `{{ members|count }}`."""
    return formatting.format_count(number, language=_language())


@register.filter
def decimal(number: Decimal) -> str:
    """Write a number with its groups and at most three decimals: `{{ claim.read_number|decimal }}`."""
    return formatting.format_decimal_number(number, language=_language())


@register.filter
def amount(amount_uc: int) -> str:
    """Write an exact amount of credits without a unit, where a heading names it: `{{ row.due_uc|amount }}`."""
    return formatting.format_amount(amount_uc, language=_language())


@register.filter
def minor(amount_minor: int, decimals: int) -> str:
    """Write an exact amount of a currency, where a heading names it: `{{ entry.amount_minor|minor:decimals }}`."""
    return formatting.format_minor_amount(amount_minor, decimals=decimals, language=_language())


@register.filter
def money(amount_uc: int) -> SafeString:
    """Write an exact amount with its unit: `{{ order.max_uc|money }}`."""
    number = formatting.format_amount(amount_uc, language=_language())
    return format_html('<span class="figure">{}</span>&nbsp;<span class="unit">{}</span>', number, _("credits"))


@register.filter
def size(count_bytes: int) -> SafeString:
    """Write a size in bytes, the exact one on hover: `{{ file.size_bytes|size }}`."""
    exact = f"{formatting.format_count(count_bytes, language=_language())} B"
    shown = formatting.format_bytes(count_bytes, language=_language())
    return format_html('<span class="figure" title="{}">{}</span>', exact, shown)


@register.filter
def duration(seconds: float) -> str:
    """Write a duration: `{{ run.walltime_s|duration }}`."""
    return formatting.format_duration(seconds, language=_language())


@register.filter
def rough_duration(seconds: int) -> str:
    """Write a duration as exactly as an estimate deserves: `{{ wait.p50_s|rough_duration }}`."""
    return formatting.format_duration(round_estimate_s(seconds), language=_language())


@register.filter
def ppm(rate_ppm: int) -> str:
    """Write a rate in parts per million as a percentage: `{{ provider.fee_ppm|ppm }}`."""
    return formatting.format_ppm(rate_ppm, language=_language())


@register.filter
def accelerator_name(accelerator: str) -> str:
    """Write an accelerator's name; of one that the registry lacks, its id."""
    known = {row.id: row.name for row in list_accelerators()}
    return known.get(accelerator, accelerator)


@register.simple_tag
def when(moment: datetime, now: datetime | None = None) -> SafeString:
    """Write how long ago or until, the exact moment on hover and for programs: `{% when order.placed_at %}`."""
    exact = formatting.format_moment(moment, language=_language())
    at = now or utc_now()
    is_present = abs(at - moment) < PRESENT
    ago = _("just now") if is_present else formatting.format_ago(moment, now=at, language=_language())
    return format_html('<time datetime="{}" title="{}">{}</time>', format_rfc3339(moment), exact, ago)


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """Write the exact moment: `{% moment order.placed_at %}`."""
    exact = formatting.format_moment(at, language=_language())
    return format_html('<time datetime="{}">{}</time>', format_rfc3339(at), exact)


@register.simple_tag
def badge(noun: str, code: str) -> SafeString:
    """Draw the state of an order, run or organisation: `{% badge "order" order.state %}`."""
    label = find_label(noun=noun, code=code)
    return format_html('<span class="badge badge-{}">{}</span>', Tone(label.tone).value, label.text)


@register.simple_tag
def public_id(text: str) -> SafeString:
    """Write an id or digest in one click's reach: shown short where there is no room, copied whole."""
    return format_html('<code class="id" title="{}">{}</code>', text, text)


@register.simple_tag
def spark(values: Sequence[float], label: str) -> SafeString:
    """Draw a line of values, oldest first; `label` says in words what it shows."""
    return draw_spark(values=values, label=label)


@register.simple_tag
def bar(part: int, whole: int, goal: int | None = None) -> SafeString:
    """Draw which share of the whole the part is, and write it beside: `{% bar row.free row.total %}`.

    goal: per cent at which a mark says where it should be.
    """
    share = formatting.format_share(part, whole=whole, language=_language())
    return draw_bar(part=part, whole=whole, share=share, goal=goal)


@register.inclusion_tag("web/parts/chart.html", name="chart")
def draw_chart(chart: Chart) -> dict[str, ChartView]:
    """Draw a chart with its figures below, to be opened: `{% chart spending %}`; ask before whether it has figures."""
    return {"chart": view_chart(chart=chart, language=_language())}


@register.simple_tag
def sort_link(column: str, current: str) -> str:
    """Return the query that sorts a table by a column, the other way round when it is sorted by it: `?sort=-price`."""
    return f"?sort=-{column}" if current == column else f"?sort={column}"


@register.simple_tag
def sort_state(column: str, current: str) -> str:
    """Return the value of aria-sort for a column."""
    return {column: "ascending", f"-{column}": "descending"}.get(current, "none")
