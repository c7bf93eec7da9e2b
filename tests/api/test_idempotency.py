import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.test import Client

from lilong.foundation.members.models import Organisation, Token
from lilong.foundation.outbox.models import KeptAnswer
from tests.people import found_organisation_today

pytestmark = pytest.mark.django_db(transaction=True)


def post(path, body, *, key, token=""):
    headers = {"Idempotency-Key": key} | ({"Authorization": f"Bearer {token}"} if token else {})
    return Client().post(f"/api/v1/{path}", data=json.dumps(body), content_type="application/json", headers=headers)


def make_token(token, key="k1", name="ci"):
    return post("tokens", {"name": name, "scopes": ["read"]}, key=key, token=token)


def test_a_repeated_post_acts_once_and_gets_the_same_answer():
    token = found_organisation_today().token.secret
    first, second = make_token(token), make_token(token)

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert Token.objects.count() == 2


def test_without_a_key_every_post_acts():
    token = found_organisation_today().token.secret
    for _ in range(2):
        Client().post(
            "/api/v1/tokens",
            data='{"name": "ci", "scopes": ["read"]}',
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )

    assert Token.objects.count() == 3


def test_a_key_sent_with_another_body_is_refused():
    token = found_organisation_today().token.secret
    make_token(token)
    response = make_token(token, name="other")

    assert (response.status_code, response.json()["code"]) == (409, "idempotency.key_reused")


def test_the_same_key_of_somebody_else_is_another_key():
    one, other = found_organisation_today().token.secret, found_organisation_today().token.secret

    assert make_token(one).json() != make_token(other).json()


def test_a_refused_request_may_be_sent_again_with_its_key():
    made = found_organisation_today()
    body = {"email": "bo@example.org", "name": "Bo", "role": "operator"}
    assert post("members", body, key="k1", token=made.token.secret).status_code == 403
    assert not KeptAnswer.objects.exists()

    assert post("members", body | {"role": "member"}, key="k1", token=made.token.secret).status_code == 201


def test_what_is_kept_of_an_answer_shows_no_token():
    made = make_token(found_organisation_today().token.secret).json()
    kept = bytes(KeptAnswer.objects.get().body).decode()

    assert made["secret"] not in kept
    assert made["token_id"] not in kept


def test_a_revoked_token_gets_no_answer_again():
    token = found_organisation_today().token.secret
    make_token(token)
    with transaction.atomic():
        Token.objects.update(ended_at="2026-01-01T00:00:00Z")

    assert make_token(token).status_code == 401


def test_people_who_sign_up_without_a_token_have_keys_too():
    body = {"name": "Ada AI", "owner_email": "ada@example.org", "owner_name": "Ada"}
    answers = [post("organisations", body, key="k1") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "é"])
def test_what_is_no_key_is_refused(key):
    response = make_token(found_organisation_today().token.secret, key=key)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency.key_invalid")


def test_of_many_requests_with_one_key_at_once_exactly_one_acts():
    token = found_organisation_today().token.secret
    start = threading.Barrier(5)

    def request(_):
        try:
            start.wait()
            return make_token(token)
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(request, range(5)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["secret"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer for answer in answers) == 1
    assert Token.objects.count() == 2
