"""Small pictures of numbers as SVG, drawn here: without scripts and without inline styles."""

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

WIDTH, HEIGHT, MARGIN = 120, 28, 2
BAR_UNITS = 1000


def place_points(values: Sequence[float], *, width: int = WIDTH, height: int = HEIGHT) -> list[tuple[float, float]]:
    """Return where the values lie in a picture: x even, y from the least (bottom) to the most (top).

    >>> place_points([0, 5, 10], width=104, height=24)
    [(2.0, 22.0), (52.0, 12.0), (102.0, 2.0)]
    """
    if not values:
        return []
    least, most = min(values), max(values)
    span_x, span_y = width - 2 * MARGIN, height - 2 * MARGIN
    step = span_x / max(len(values) - 1, 1)
    rise = span_y / (most - least) if most > least else 0.0
    middle = height / 2
    return [
        (
            round(MARGIN + number * step, 1),
            round(height - MARGIN - (value - least) * rise, 1) if rise else middle,
        )
        for number, value in enumerate(values)
    ]


def draw_spark(*, values: Sequence[float], label: str) -> SafeString:
    """Return the values as a line with its last point marked; `label` is what a screen reader says."""
    points = place_points(values)
    if not points:
        return format_html('<span class="spark-none">{}</span>', "–")
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    return format_html(
        '<svg class="spark" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        '<polyline points="{}"/><circle cx="{}" cy="{}" r="2"/></svg>',
        label, WIDTH, HEIGHT, WIDTH, HEIGHT, line, points[-1][0], points[-1][1],
    )  # fmt: skip


def draw_bar(*, part: int, whole: int, share: str, goal: int | None = None) -> SafeString:
    """Return a bar filled by part of whole, cut to it, with `share` as text. goal: per cent that are marked."""
    filled = max(0, min(part, whole)) * BAR_UNITS // whole if whole > 0 else 0
    mark = "" if goal is None else format_html('<rect class="bar-goal" x="{}" width="24" height="8"/>', goal * 10 - 12)
    return format_html(
        '<span class="bar"><svg viewBox="0 0 {} 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bar-whole" width="{}" height="8"/><rect class="bar-part" width="{}" height="8"/>{}</svg>'
        '<span class="figure">{}</span></span>',
        BAR_UNITS, BAR_UNITS, filled, mark, share,
    )  # fmt: skip
