import re
from datetime import timedelta

import pytest

from lilong.common.permissions import Role, Scope
from lilong.common.time import utc_now
from lilong.foundation.members.core.tokens import digest_token
from lilong.foundation.members.models import Membership, Token
from lilong.foundation.members.services.tokens import authenticate
from tests.people import found_owner, join
from tests.sessions import browse_as, browse_as_stranger
from tests.sign_ins import Browser, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
PATH, MADE = "/organisation/tokens", "/organisation/tokens/made"
SECRET = re.compile(r"lil_[A-Za-z0-9_-]{43}")


@pytest.fixture
def owner():
    return found_owner(now=utc_now())


def make(client, key, *, name="ci", scopes=("read", "run"), days="30"):
    return client.post(PATH, {"key": key, "name": name, "scopes": scopes, "days": days})


def test_a_token_is_shown_once_and_works_with_the_scopes_that_were_ticked(owner, read_key, open_page):
    client = browse_as(owner)

    made = make(client, read_key(client, PATH))
    shown = client.get(made["Location"])
    (secret,) = SECRET.findall(shown.content.decode())

    assert made["Location"] == MADE
    assert shown["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    actor = authenticate(token=secret, now=utc_now())
    assert (actor.person_id, actor.scopes) == (owner.person_id, frozenset({Scope.READ, Scope.RUN}))
    again = open_page(client, MADE)
    assert not SECRET.search(again)
    assert "A token is shown once" in again
    assert secret not in open_page(client, PATH)


def test_the_secret_waits_sealed_and_for_its_own_session_alone(owner, read_key, open_page):
    client, elsewhere = browse_as(owner), browse_as(owner)

    make(client, read_key(client, PATH))

    assert not SECRET.search(str(dict(client.session.items())))
    assert not SECRET.search(open_page(elsewhere, MADE))
    assert SECRET.search(open_page(client, MADE))


def test_a_form_that_is_sent_twice_makes_one_token(owner, read_key, open_page):
    client = browse_as(owner)
    key = read_key(client, PATH)
    before = Token.objects.count()

    assert [make(client, key)["Location"] for _ in range(2)] == [MADE, MADE]

    assert Token.objects.count() == before + 1
    secret = SECRET.search(open_page(client, MADE))
    assert secret
    assert Token.objects.filter(name="ci", digest=digest_token(secret[0])).exists()


def test_what_nobody_looked_at_within_ten_minutes_is_not_shown_any_more(owner, read_key, open_page, monkeypatch):
    client = browse_as(owner)
    make(client, read_key(client, PATH))

    monkeypatch.setattr(
        "lilong.foundation.members.pages.tokens.utc_now", lambda: utc_now() + timedelta(minutes=10, seconds=1)
    )
    assert not SECRET.search(open_page(client, MADE))


def test_a_head_request_does_not_use_up_what_is_shown_once(owner, read_key, open_page):
    client = browse_as(owner)
    make(client, read_key(client, PATH))

    assert client.head(MADE).status_code == 405
    assert SECRET.search(open_page(client, MADE))


def test_a_manager_sees_everybodys_tokens_with_their_makers_and_a_member_only_own_ones(owner, open_page):
    member = join(owner, Role.MEMBER, now=utc_now())
    name = Membership.objects.get(person_id=owner.person_id).person.name

    own, all_of_them = open_page(browse_as(member), PATH), open_page(browse_as(owner), PATH)

    assert "A member" in all_of_them
    assert all_of_them.count("/revoke") == 2
    assert own.count("/revoke") == 1
    assert name not in own.split("<main")[1]


def test_what_is_not_within_the_makers_reach_is_refused(owner, read_key):
    client = browse_as(owner)
    before = Token.objects.count()
    for wrong in ({"scopes": ("operate",)}, {"scopes": ()}, {"days": "9999"}, {"name": " "}):
        assert make(client, read_key(client, PATH), **wrong).status_code == 200

    assert Token.objects.count() == before


def test_a_revoked_token_stops_working_and_a_strangers_is_not_there(owner, read_key, open_page):
    client = browse_as(owner)
    make(client, read_key(client, PATH))
    token = Token.objects.get(name="ci")
    stranger, member = browse_as(found_owner(now=utc_now())), browse_as(join(owner, Role.MEMBER, now=utc_now()))

    refused = [each.post(f"{PATH}/{token.id}/revoke").status_code for each in (stranger, member)]
    client.post(f"{PATH}/{token.id}/revoke")

    assert refused == [404, 404]
    token.refresh_from_db()
    assert token.ended_at is not None
    assert "The token no longer works." in open_page(client, PATH)


def test_founding_by_page_leaves_no_token_that_nobody_sees():
    sign_up("ada@example.org")
    newcomer = Browser()
    newcomer.sign_in("ada@example.org")

    newcomer.post("/account/organisations/new/", {"kind": "resident", "name": "Shu Robotics"})

    assert Membership.objects.filter(organisation__name="Shu Robotics").exists()
    assert not Token.objects.exists()


@pytest.mark.parametrize("path", [PATH, MADE, "/organisation"])
def test_strangers_sign_in_first(path):
    assert browse_as_stranger().get(path)["Location"] == f"/account/login/?next={path}"
