"""Charts on the pages that have them: what they say, what they cost, and what is left where nothing can be drawn."""

import re
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from structlog.testing import capture_logs

from lilong.common.time import utc_now
from lilong.foundation.ledger.models import Account, Transfer
from lilong.foundation.ledger.public import post_many, require_posted
from lilong.web.painting import STUDIO
from tests.books import link, post
from tests.desks import browse_as

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = {"/wallet": "Spent by week", "/provider": "Earned by week", "/desk/ledger": "Settled by day"}
QUERIES_MAX = 12
FIGURE = re.compile(r'<figure class="chart">.*?</figure>', re.DOTALL)


def browse(filled, path):
    people = {"/wallet": filled.buyer, "/provider": filled.seller.owner, "/desk/ledger": filled.operator}
    return browse_as(people[path])


def read_figure(page):
    (figure,) = FIGURE.findall(page)
    return figure


def read_cells(figure):
    rows = re.findall(r"<tr>(.*?)</tr>", figure, re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_with_a_chart_asks_few_questions_and_writes_no_styles(filled, path):
    browser = browse(filled, path)
    with CaptureQueriesContext(connection) as queries:
        page = browser.get(path).content.decode()
    figure = read_figure(page)

    assert len(queries) <= QUERIES_MAX
    assert figure.count(f'role="img" aria-label="{PAGES[path]}, ') == 2
    assert not re.search(r"\sstyle=|<style|<script", figure)


@pytest.mark.parametrize(
    ("path", "sums"),
    [
        ("/wallet", ["Sum", "0.03", "0.00"]),
        ("/provider", ["Sum", "0.0285", "0.00"]),
        ("/desk/ledger", ["Sum", "0.0285", "0.0015"]),
    ],
)
def test_the_figures_below_a_chart_are_those_of_the_books(filled, path, sums):
    heading, latest, *_, last = read_cells(read_figure(browse(filled, path).get(path).content.decode()))

    assert last == sums
    assert latest[0].endswith("so far")
    assert heading[0] in {"Week from", "Day"}


@pytest.mark.parametrize("path", ["/wallet", "/provider"])
def test_figures_of_a_week_lead_to_the_statement_that_they_come_from(filled, path):
    browser = browse(filled, path)
    address = re.findall(r'<th scope="row"><a href="([^"]+)"', read_figure(browser.get(path).content.decode()))[0]

    assert browser.get(address.replace("&amp;", "&")).status_code == 200


def test_what_was_given_back_lessens_what_was_spent_and_hangs_below_what_was_earned(filled):
    wallet = Account.objects.get(kind="wallet", owner_id=filled.buyer.organisation_id)
    earned = Transfer.objects.filter(code="pay", credit_account__kind="provider_accruing").get().credit_account
    at = utc_now()
    move = post(earned.id, wallet.id, 10_000, code="service_credit")
    require_posted(results=post_many(groups=[link(replace(move, effective_at=at))], now=at))
    spent, gained = (
        read_cells(read_figure(browse(filled, path).get(path).content.decode()))[-1]
        for path in ("/wallet", "/provider")
    )

    assert spent == ["Sum", "0.02", "0.00"]
    assert gained == ["Sum", "0.0285", "-0.01"]


@pytest.mark.parametrize("path", PAGES)
def test_without_a_painter_a_page_shows_its_figures_and_the_log_says_why(filled, path, monkeypatch):
    monkeypatch.setattr(STUDIO, "_rests_until_s", inf)
    monkeypatch.setattr(STUDIO, "_kept", OrderedDict())
    with capture_logs() as logs:
        answer = browse(filled, path).get(path)
    figure = read_figure(answer.content.decode())

    assert answer.status_code == 200
    assert "<details open>" in figure
    assert "The chart cannot be drawn now." in figure
    assert read_cells(figure)[-1][1] != "0.00"
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["chart_not_drawn"]


@pytest.mark.parametrize("path", PAGES)
def test_where_nothing_was_settled_lately_there_is_no_chart(filled, path, monkeypatch):
    cache.clear()
    later = utc_now() + timedelta(days=200)
    browser = browse(filled, path)
    for module in (
        "lilong.foundation.ledger.pages.statements",
        "lilong.web.desks",
        "lilong.foundation.ledger.pages.desk",
    ):
        monkeypatch.setattr(f"{module}.utc_now", lambda: later)

    assert not FIGURE.findall(browser.get(path).content.decode())
