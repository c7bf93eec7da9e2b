"""The page of programmes: what a rule says of who looks at it, in both languages, and what is declared there."""

import pytest

from lilong.platforms.funding.core.packs import read_pack
from lilong.platforms.funding.queries.entitlement import find_declaration, load_examples
from tests.desks import browse_as
from tests.people import found_organisation_today, found_owner
from tests.programmes import make_programme

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/organisation/programmes"


def read(browser, **headers):
    return " ".join(browser.get(PAGE, **headers).content.decode().split())


def test_the_page_says_what_is_paid_and_what_would_change_it_before_anything_is_declared(django_assert_max_num_queries):
    make_programme(rule=read_pack(text=load_examples()["korea-like"]).rule)
    browser = browse_as(found_owner())
    with django_assert_max_num_queries(12):
        said = read(browser)

    assert "Not entitled" in said
    assert "at most 300 people; you declare nothing" in said
    answer = browser.post(PAGE, {"head_count": "12", "purposes": "research", "country": "kr"}, page=PAGE)
    assert answer.status_code == 302
    said = read(browser)
    assert "95%" in said
    assert "Not entitled" not in said


def test_what_cannot_be_declared_stays_on_the_page_with_its_reason():
    owner = found_owner()
    answer = browse_as(owner).post(PAGE, {"country": "China", "founded_on": "2999-01-01"}, page=PAGE)

    assert answer.status_code == 422
    assert "It must be two letters" in answer.content.decode()
    assert find_declaration(organisation_id=owner.organisation_id) is None


def test_a_founding_to_come_is_refused_with_its_reason():
    answer = browse_as(found_owner()).post(PAGE, {"founded_on": "2999-01-01"}, page=PAGE)

    assert answer.status_code == 422
    assert "It must not be later than today." in answer.content.decode()


def test_whoever_has_no_programme_is_told_so():
    found_organisation_today()

    assert "There are no programmes yet." in read(browse_as(found_owner()))
