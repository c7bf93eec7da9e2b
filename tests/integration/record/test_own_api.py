"""What people with a token read and do over HTTP; moments are real ones, as the API reads the clock."""

import pytest

from lilong.common.time import utc_now
from lilong.foundation.record.models import Entry, Payload
from lilong.foundation.record.public import get_key_ring, seal
from tests.people import act, found_organisation_today, make_operator_token
from tests.record_hub import record

pytestmark = pytest.mark.django_db


@pytest.fixture
def token():
    return found_organisation_today().token.secret


@pytest.fixture
def entry_id(auditors, token):
    """Make an entry of the token's organisation that is witnessed today."""
    made = record(1, organisation_id=act(token, now=utc_now()).organisation_id, at=utc_now())
    seal(now=utc_now())
    return made


def call(client, method, path, *, by, status, **sent):
    answer = client.generic(method, f"/api/v1/record/{path}", headers={"Authorization": f"Bearer {by}"}, **sent)
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def test_members_read_what_their_entries_say(client, token, entry_id):
    told = call(client, "GET", f"entries/{entry_id}", by=token, status=200)

    entry = Entry.objects.get(pk=entry_id)
    assert told == {
        "id": entry_id,
        "origin": "hub.example/record",
        "index": entry.index,
        "leaf": entry.leaf.fields,
        "payload": {"charged_uc": 1},
    }


def test_members_fetch_a_bundle_about_their_subjects(client, token, entry_id):
    told = call(client, "GET", "bundle?subject_id=ord_1&subject_id=ord_2", by=token, status=200)

    assert [entry["payload"] for entry in told["entries"]] == [{"charged_uc": 1}]
    assert {*told} == {"consistency", "earlier", "entries", "head"}
    assert {*told["entries"][0]} == {"index", "key", "leaf", "payload", "proof"}


def test_what_is_another_organisations_is_not_there(client, entry_id):
    stranger = found_organisation_today().token.secret

    call(client, "GET", f"entries/{entry_id}", by=stranger, status=404)
    call(client, "GET", "bundle?subject_id=ord_1", by=stranger, status=404)


@pytest.mark.parametrize(
    "path", ["entries/rec_1", "entries/%00", "bundle", "bundle?subject_id=", "bundle?subject_id=%00"]
)
def test_an_id_that_is_none_is_refused(client, token, path):
    call(client, "GET", path, by=token, status=422)


def test_an_operator_sees_how_the_record_stands(client, auditors, entry_id, token):
    operator = make_operator_token(now=utc_now())
    call(client, "GET", "status", by=token, status=403)

    told = call(client, "GET", "status", by=operator, status=200)

    assert (told["origin"], told["waiting"], told["restoring"]) == (
        "hub.example/record",
        Entry.objects.filter(log=None).count(),
        False,
    )
    assert told["published_size"] == told["size"]
    assert [witness["name"] for witness in told["witnesses"]] == [auditor.key.name for auditor in auditors]
    assert [witness["problem"] for witness in told["witnesses"]] == ["", "", ""]


def test_an_operator_erases_what_an_entry_says(client, entry_id, token):
    operator = make_operator_token(now=utc_now())
    call(client, "DELETE", f"entries/{entry_id}/payload", by=token, status=403)

    call(client, "DELETE", f"entries/{entry_id}/payload", by=operator, status=204)

    assert not Payload.objects.filter(pk=entry_id).exists()
    assert call(client, "GET", f"entries/{entry_id}", by=token, status=200)["payload"] is None
    call(client, "GET", "bundle?subject_id=ord_1", by=token, status=404)


def test_an_operator_rotates_the_key(client, entry_id, token):
    operator = make_operator_token(now=utc_now())
    call(client, "POST", "keys/rotate", by=token, status=403)

    told = call(client, "POST", "keys/rotate", by=operator, status=201)

    assert told["key"] == get_key_ring().logs[1].text
    assert told["fingerprint"] == get_key_ring().logs[1].fingerprint


def test_restore_mode_is_ended_only_where_there_is_one(client, entry_id):
    operator = make_operator_token(now=utc_now())
    sent = {"data": b'{"reason": "statements of March matched"}', "content_type": "application/json"}

    told = call(client, "POST", "restore/end", by=operator, status=409, **sent)

    assert told["code"] == "record.not_restoring"
