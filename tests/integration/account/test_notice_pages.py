import re

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import resolve

from lilong.common.permissions import Role
from lilong.common.time import utc_now
from lilong.foundation.members.models import Person
from lilong.foundation.notices.core.kinds import point_to
from lilong.foundation.notices.models import Letter
from lilong.foundation.notices.public import post_notice
from lilong.foundation.notices.queries.inbox import count_unread, get_preferences
from lilong.foundation.notices.queries.kinds import list_offered_kinds
from lilong.foundation.notices.reactions import reconcile
from tests.people import found_owner, join
from tests.sessions import browse_as

pytestmark = pytest.mark.django_db(transaction=True)
QUERIES_MAX = 12
UNREAD = re.compile(r'class="tally">([^<]*)<')


@pytest.fixture
def owner():
    return found_owner(now=utc_now())


def post(owner, *, subject_id="ord_1", kind="supermarket.order_settled", params=None):
    with transaction.atomic():
        post_notice(
            kind=kind,
            subject_id=subject_id,
            organisation_id=owner.organisation_id,
            params=params or {"name": "train", "amount_uc": 5_000_000},
            now=utc_now(),
        )
    reconcile(now=utc_now())


def read_header(client, path="/wallet"):
    found = UNREAD.search(client.get(path).content.decode().split("</header>")[0])
    return found[1] if found else ""


def test_the_header_counts_what_is_unread_in_this_organisation(owner):
    stranger, client = found_owner(now=utc_now()), browse_as(owner)
    assert read_header(client) == ""

    for number in range(3):
        post(owner, subject_id=f"ord_{number}")
    post(stranger)

    assert read_header(client) == "3"


def test_the_count_costs_no_query(owner):
    post(owner)
    client = browse_as(owner)
    client.get("/wallet")

    with CaptureQueriesContext(connection) as queries:
        assert read_header(client) == "1"

    asked = [query["sql"] for query in queries.captured_queries if "notices_letter" in query["sql"]]
    assert len(asked) == 1
    assert "members_membership" in asked[0]


def test_notices_stand_newest_first_in_the_language_of_the_page_and_lead_to_the_thing(owner, open_page):
    for number in range(2):
        post(owner, subject_id=f"ord_{number}")

    page, chinese = (open_page(browse_as(owner, language=language), "/notices") for language in ("en", "zh-hans"))

    assert re.findall(r'name="next" value="/orders/(ord_\d)"', page) == ["ord_1", "ord_0"]
    assert "An order was settled" in page
    assert "订单已结算" in chinese


def test_opening_a_notice_reads_it_and_leads_to_the_thing(owner, open_page):
    client = browse_as(owner)
    post(owner)
    letter = Letter.objects.get(person_id=owner.person_id)

    opened = client.post(f"/notices/{letter.id}/read", {"next": "/orders/ord_1"})

    assert opened["Location"] == "/orders/ord_1"
    assert count_unread(actor=owner) == 0
    assert "You have read everything." in open_page(client, "/notices?shown=unread")


def test_nobody_is_led_to_another_site_and_nobody_reads_for_others(owner):
    post(owner)
    letter = Letter.objects.get(person_id=owner.person_id)
    stranger = browse_as(found_owner(now=utc_now()))

    assert stranger.post(f"/notices/{letter.id}/read").status_code == 404
    assert count_unread(actor=owner) == 1
    led = browse_as(owner).post(f"/notices/{letter.id}/read", {"next": "https://evil.example/"})
    assert led["Location"] == "/notices"


def test_all_are_read_with_one_button(owner):
    for number in range(3):
        post(owner, subject_id=f"ord_{number}")

    browse_as(owner).post("/notices/read")

    assert count_unread(actor=owner) == 0


def test_the_inbox_takes_few_queries_however_much_is_in_it(owner):
    for number in range(30):
        post(owner, subject_id=f"ord_{number}")
    client = browse_as(owner)
    for path in ("/notices", "/notices/preferences"):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(path).status_code == 200
        assert len(queries) <= QUERIES_MAX


def test_every_kind_leads_to_a_page_that_there_is():
    paths = {kind.code: point_to(kind=kind, subject_id="x_1") for kind in list_offered_kinds().values()}

    assert all(paths.values())
    assert {code: resolve(path).url_name for code, path in paths.items()}


def test_what_comes_by_mail_and_in_which_language_is_chosen(owner, open_page):
    client = browse_as(owner)

    client.post("/notices/preferences", {"language": "zh-hans", "by_mail": ["supermarket.order_settled"]})

    kinds = {kind.kind: kind.by_mail for kind in get_preferences(actor=owner).kinds}
    assert kinds["supermarket.order_settled"]
    assert not kinds["runs.run_failed"]
    assert kinds["notices.webhook_registered"], "mail of security stays"
    assert Person.objects.get(id=owner.person_id).language == "zh-hans"
    assert "Kept." in open_page(client, "/notices/preferences")


def test_choices_that_there_are_not_are_refused(owner):
    for wrong in ({"language": "tlh"}, {"language": "en", "by_mail": ["notices.webhook_registered"]}):
        assert browse_as(owner).post("/notices/preferences", wrong).status_code == 200

    assert Person.objects.get(id=owner.person_id).language == "en"


def test_a_viewer_has_an_inbox_too(owner, open_page):
    assert "There are no notices yet." in open_page(browse_as(join(owner, Role.VIEWER, now=utc_now())), "/notices")
