"""The process that draws: what pages get from it, and what they do without it."""

import os
import re
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilong.common.django.charts import Chart, Paint, Series, Step
from lilong.common.time import list_weeks
from lilong.web import painting
from lilong.web.charts import WIDE, build_spec, view_chart
from lilong.web.painting import DrawingFailed, Studio, clean

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SAYS_NOTHING = (sys.executable, "-c", "import sys; sys.stdin.read()")
ENDS_AT_ONCE = (sys.executable, "-c", "")
BABBLES = (sys.executable, "-c", "import sys; sys.stdin.readline(); print('x'); sys.stdin.read()")
IS_NOT_THERE = ("/nowhere/painter",)
HUGE_UC = 10**18


@pytest.fixture(scope="module")
def studio():
    studio = Studio()
    yield studio
    studio.close()


@pytest.fixture
def mortal():
    """Return a studio whose painter a test may kill."""
    studio = Studio()
    yield studio
    studio.close()


def make_chart(*amounts_uc, label="Earned"):
    edges = list_weeks(now=NOW, count=len(amounts_uc))
    series = [Series(label=label, paint=Paint.INK, amounts_uc=amounts_uc)]
    return Chart(name="earned", title="Earned by week", step=Step.WEEK, edges=edges, series=series)


def make_spec(*amounts_uc, language="en"):
    return build_spec(chart=make_chart(*amounts_uc), size=WIDE, language=language)


def find_painters(studio):
    return studio._painter.pid if studio._painter else None  # noqa: SLF001 - which process it is, nobody else knows


def test_a_chart_is_drawn_in_the_colours_and_texts_of_the_page_without_styles_or_scripts(studio):
    view = view_chart(chart=make_chart(5_000_000, 0, HUGE_UC), language="zh-hans", studio=studio)

    assert len(view.drawings) == 2
    for drawing in view.drawings:
        assert 'fill="var(--ink)"' in drawing
        assert "2月23日" in drawing
        assert "亿" in drawing
        assert re.match(
            r'<svg class="chart-(wide|narrow)" role="img" aria-label="Earned by week[^"]+" viewBox="0 0', drawing
        )
        assert not re.search(r"style|script|font-|#[0-9a-f]{3}|\bon\w+=|href|NaN", drawing)
        assert len(re.findall(r"<path", drawing)) == 2


def test_the_same_spec_is_drawn_once(mortal):
    first = mortal.draw(spec=make_spec(1, 2))
    os.kill(find_painters(mortal), signal.SIGKILL)

    assert mortal.draw(spec=make_spec(1, 2)) is first


def test_no_more_drawings_are_kept_than_there_is_room_for(studio, monkeypatch):
    monkeypatch.setattr(painting, "KEPT_MAX", 2)
    for amount_uc in (1, 2, 3):
        studio.draw(spec=make_spec(amount_uc))

    assert len(studio._kept) == 2  # noqa: SLF001 - what it keeps shows nowhere else


def test_many_threads_get_their_own_drawings_at_once(studio):
    studio.draw(spec=make_spec(1))
    amounts = [number * 1_000_000 for number in range(1, 9)] * 2
    with ThreadPoolExecutor(len(amounts)) as threads:
        drawn = list(threads.map(lambda amount: studio.draw(spec=make_spec(amount, 9_000_000)), amounts))

    assert drawn[:8] == drawn[8:]
    assert len(set(drawn)) == 8


def test_a_painter_that_died_is_missed_once_and_replaced_after_a_rest(mortal, monkeypatch):
    mortal.draw(spec=make_spec(1))
    dead = find_painters(mortal)
    os.kill(dead, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(DrawingFailed):
            mortal.draw(spec=make_spec(2))
    monkeypatch.setattr(mortal, "_rests_until_s", 0.0)

    assert mortal.draw(spec=make_spec(2))
    assert find_painters(mortal) != dead


@pytest.mark.parametrize("command", [SAYS_NOTHING, ENDS_AT_ONCE, BABBLES, IS_NOT_THERE])
def test_a_painter_that_does_not_paint_leaves_the_figures(command, monkeypatch):
    monkeypatch.setattr(painting, "STARTS_WITHIN_S", 0.5)
    studio = Studio(command)
    studio.open()
    view = view_chart(chart=make_chart(1, 2), language="en", studio=studio)

    assert view.drawings == []
    assert [list(row.amounts_uc) for row in view.rows] == [[2], [1]]
    assert find_painters(studio) is None


def test_a_spec_that_cannot_be_drawn_costs_no_other_its_drawing(studio):
    with pytest.raises(DrawingFailed):
        studio.draw(spec={"mark": "nonsense"})

    assert studio.draw(spec=make_spec(1))


def test_who_gets_no_turn_does_without(studio, monkeypatch):
    monkeypatch.setattr(painting, "TURN_WITHIN_S", 0.01)
    with studio._turn, pytest.raises(DrawingFailed):  # noqa: SLF001 - held as a slow drawing holds it
        studio.draw(spec=make_spec(77))


def test_a_painter_does_not_know_our_secrets_and_ends_with_its_input(mortal):
    mortal.draw(spec=make_spec(1))
    painter, mortal._painter = mortal._painter, None  # noqa: SLF001 - which process it is, nobody else knows
    with painter:
        environment = Path(f"/proc/{painter.pid}/environ").read_bytes()
        painter.stdin.close()

        assert painter.wait(timeout=10) == 0
    assert environment.strip(b"\0") in {b"", b"LC_CTYPE=C.UTF-8"}


def test_nothing_but_shapes_and_texts_is_taken_over():
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg"><script>x</script><style>x</style><a href="x"><text>x</text></a>'
        '<g class="background"><path d="M0,0"/></g><text style="x" onload="x" fill="&quot;">a &lt;b&gt;</text></svg>'
    )

    assert clean(svg=drawing) == '<text fill="&quot;">a &lt;b&gt;</text>'


def test_a_thread_that_waits_for_a_drawing_keeps_nobody_else_waiting(studio, monkeypatch):
    kept = studio.draw(spec=make_spec(1))
    with studio._turn:  # noqa: SLF001 - held as a slow drawing holds it
        found = []
        reader = threading.Thread(target=lambda: found.append(studio.draw(spec=make_spec(1))))
        reader.start()
        reader.join(timeout=5)

    assert found == [kept]
