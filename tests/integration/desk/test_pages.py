"""Every page of the desks: that it opens, in which language, and how many queries it takes."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.desks import browse_as
from tests.sign_ins import Browser

pytestmark = pytest.mark.django_db(transaction=True)

QUERIES_MAX = 12
NAMED_BY_PEOPLE = {
    "accelerator",
    "awaiting order",
    "large quote",
    "offer",
    "organisation",
    "pool",
    "reviewed order",
    "second factor",
    "transfer",
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def list_pages(filled):
    """Return who opens which page, by the page's name."""
    return {name: (who, path) for who, pages in filled.list_paths().items() for name, path in pages.items()}


def browse(filled, who):
    people = {
        "operator": filled.operator,
        "provider": filled.seller.owner,
        "buyer": filled.buyer,
        "researcher": filled.researcher,
        "applicant": filled.applicant,
    }
    return browse_as(people[who]) if who else Browser()


def test_every_page_opens_for_its_people_with_at_most_twelve_queries(filled):
    found = {}
    for name, (who, path) in list_pages(filled).items():
        browser = browse(filled, who)
        with CaptureQueriesContext(connection) as queries:
            answer = browser.get(path)
        found[name] = (answer.status_code, len(queries))

    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(found, 200)
    assert {name: count for name, (_, count) in found.items() if count > QUERIES_MAX} == {}


def test_every_page_speaks_chinese(filled):
    for name, (who, path) in list_pages(filled).items():
        browser = browse(filled, who)
        browser.client.cookies["language"] = "zh-hans"
        text = browser.get(path).content.decode()

        (title,) = re.findall(r"<h1>(.*?)</h1>", text, re.DOTALL)
        assert CHINESE.search(title) or name in NAMED_BY_PEOPLE, name


def test_what_concerns_another_organisation_is_not_found(filled):
    foreign = browse_as(filled.applicant)
    own = filled.list_paths()

    assert foreign.get(own["buyer"]["own case"]).status_code == 404
    assert foreign.get(own["provider"]["pool"]).status_code == 404
    assert "cases.decision" not in foreign.get(own["buyer"]["record about"]).content.decode()


def test_the_header_leads_everybody_to_their_own_desk(filled):
    def read_header(browser):
        (header,) = re.findall(r'<nav class="navigation".*?</nav>', browser.get("/record").content.decode(), re.DOTALL)
        return re.findall(r">([^<]+)</a>", header)

    def find_desks(actor):
        return [name for name in read_header(browse_as(actor)) if name in {"Desk", "Provider desk", "Cases"}]

    assert find_desks(filled.operator) == ["Desk"]
    assert find_desks(filled.seller.owner) == ["Provider desk", "Cases"]
    assert find_desks(filled.buyer) == ["Cases"]
    assert read_header(Browser()) == ["Overview", "Accelerators", "The record"]
