import csv
import io
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from lilong.common.money import parse_credits
from lilong.foundation.ledger.public import AccountKind, open_account, post_many, require_posted
from lilong.foundation.ledger.queries import statements
from tests.books import link, post
from tests.market import CREDIT, buy, found_buyer, open_stall, wallet_of
from tests.people import NOW
from tests.sessions import browse_as, browse_as_stranger

pytestmark = pytest.mark.django_db(transaction=True)
MONTH = f"{NOW:%Y-%m}"


@pytest.fixture
def buyer():
    open_stall()
    buyer = found_buyer(wallet_uc=100 * CREDIT)
    for _ in range(5):
        buy(buyer, seconds=1)
    return buyer


def download(client, **query):
    answer: Any = client.get("/wallet/statement.csv", {"month": MONTH, **query})
    assert answer.status_code == 200, answer.content
    return answer, b"".join(answer.streaming_content).decode()


def test_a_statement_is_what_rfc_4180_says_and_adds_up(buyer):
    answer, text = download(browse_as(buyer), account=wallet_of(buyer))

    assert answer["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer["Content-Disposition"].endswith(f"statement-{wallet_of(buyer)}-{MONTH}.csv")
    assert text.count("\r\n") == text.count("\n") == 7
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["code"] for row in rows] == ["hold"] * 5 + [rows[-1]["code"]]
    for row in rows:
        assert parse_credits(row["available_credits"]) == int(row["available_uc"])
        assert row["change_credits"].lstrip("-").replace(".", "").isdigit()
    for later, earlier in pairwise(rows):
        assert int(earlier["available_uc"]) + int(later["change_uc"]) == int(later["available_uc"])
    assert int(rows[-1]["available_uc"]) == 100 * CREDIT


def test_it_is_the_same_however_it_is_read_in_parts_and_in_every_language(buyer, monkeypatch):
    _, whole = download(browse_as(buyer))
    monkeypatch.setattr(statements, "LINES_A_PART", 2)

    assert download(browse_as(buyer, language="zh-hans"))[1] == whole


def test_it_is_sent_as_it_is_read(buyer, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr(statements, "LINES_A_PART", 1)
    client = browse_as(buyer)
    with django_assert_max_num_queries(12):
        answer: Any = client.get("/wallet/statement.csv", {"month": MONTH})
        parts = iter(answer.streaming_content)
        next(parts)
        next(parts)

    assert len(list(parts)) == 5


def test_a_cell_never_begins_a_formula(buyer):
    outside = open_account(kind=AccountKind.OUTSIDE, owner_id="hub", purpose="", now=NOW)
    evil = '=HYPERLINK("https://evil.example","x")'
    paid = replace(post(outside, wallet_of(buyer), CREDIT), subject=evil)
    require_posted(results=post_many(groups=[link(paid)], now=NOW))

    rows = list(csv.DictReader(io.StringIO(download(browse_as(buyer))[1])))

    (subject,) = [row["subject"] for row in rows if "HYPERLINK" in row["subject"]]
    assert subject == """'=HYPERLINK("https://evil.example","x")"""


def test_a_month_without_movements_has_a_header_alone(buyer):
    assert download(browse_as(buyer), month="2025-12")[1].count("\r\n") == 1


def test_the_page_links_it_and_only_ones_own_accounts_have_one(buyer, open_page):
    page = open_page(browse_as(buyer), f"/wallet?month={MONTH}")

    assert f'href="/wallet/statement.csv?account={wallet_of(buyer)}&amp;month={MONTH}"' in page
    foreign = {"account": wallet_of(buyer), "month": MONTH}
    assert browse_as(found_buyer()).get("/wallet/statement.csv", foreign).status_code == 404
    assert browse_as_stranger().get("/wallet/statement.csv").status_code == 302
