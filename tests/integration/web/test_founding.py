"""From signing up to an organisation of one's own, without scripts."""

import pytest

from lilong.common.time import utc_now
from lilong.foundation.cases.reactions import reconcile
from lilong.foundation.members.models import Membership, Organisation
from tests.sign_ins import Browser, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
FOUND = "/account/organisations/new/"


@pytest.fixture
def newcomer() -> Browser:
    browser = Browser()
    sign_up("ada@example.org")
    browser.sign_in("ada@example.org")
    return browser


def test_a_newcomer_is_led_to_found_an_organisation_and_then_to_where_they_wanted(newcomer):
    led = newcomer.get("/wallet")
    assert led["Location"] == f"{FOUND}?next=/wallet"

    founded = newcomer.post(led["Location"], {"kind": "resident", "name": "Shu Robotics"})
    assert founded["Location"] == "/wallet", founded.content
    reconcile(utc_now())

    assert newcomer.get("/wallet").status_code == 200
    assert "Shu Robotics" in newcomer.get("/home").content.decode()
    assert Organisation.objects.get(name="Shu Robotics").state == "admitted"
    assert Membership.objects.get(organisation__name="Shu Robotics").role == "owner"


def test_a_maker_needs_no_name_and_there_is_one_of_each_person(newcomer):
    assert newcomer.post(FOUND, {"kind": "maker", "name": ""})["Location"] == "/home"

    again = newcomer.post(FOUND, {"kind": "maker", "name": "Another"}).content.decode()
    assert "You are a maker already." in again


def test_a_form_that_is_sent_twice_founds_one_organisation(newcomer):
    first, second = (newcomer.post(FOUND, {"kind": "sponsor", "name": "Bank"}) for _ in range(2))

    assert first["Location"] == "/home"
    assert "You have an organisation of this kind and name already." in second.content.decode()
    assert Organisation.objects.filter(name="Bank").count() == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": "resident", "name": " "}, "Give the name of the organisation."),
        ({"kind": "hub", "name": "Mine"}, "Select a valid choice"),
        ({"name": "Mine"}, "This field is required"),
    ],
)
def test_what_is_missing_or_not_to_be_chosen_is_said_beside_the_field(newcomer, fields, said):
    answer = newcomer.post(FOUND, fields)

    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Organisation.objects.exclude(kind="hub").exists()


def test_an_organisation_acts_at_once_also_beside_an_older_one(newcomer):
    newcomer.post(FOUND, {"kind": "maker", "name": ""})
    newcomer.post(FOUND, {"kind": "resident", "name": "Second"})

    assert "Second" in newcomer.get("/home").content.decode()


def test_nobody_is_led_to_another_site(newcomer):
    answer = newcomer.post(f"{FOUND}?next=//evil.example/", {"kind": "maker", "name": ""})

    assert answer["Location"] == "/home"


def test_strangers_sign_in_first():
    assert Browser().get(FOUND)["Location"] == f"/account/login/?next={FOUND}"
