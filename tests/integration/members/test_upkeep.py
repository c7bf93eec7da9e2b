"""Sessions that expired go, a batch at a time; those that are open stay."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction

from lilong.common.time import utc_now
from lilong.foundation.members.models import Person
from lilong.foundation.members.services import upkeep
from lilong.foundation.members.services.upkeep import prune
from tests.people import NOW, found_owner
from tests.sign_ins import sign_up

pytestmark = pytest.mark.django_db(transaction=True)


def leave_sessions(count, *, expired_for):
    """Leave sessions of one person behind, and where they were."""
    person = Person.objects.get(id=found_owner().person_id)
    keys = [f"{expired_for.total_seconds():.0f}-{number}" for number in range(count)]
    with transaction.atomic():
        Session.objects.bulk_create(
            Session(session_key=key, session_data="x", expire_date=NOW - expired_for) for key in keys
        )
        UserSession.objects.bulk_create(
            UserSession(user=person, session_key=key, ip="192.0.2.1", user_agent="x") for key in keys
        )
    return set(keys)


def list_keys(model):
    return set(model.objects.values_list("session_key", flat=True))


def test_expired_sessions_go_with_their_addresses_and_open_ones_stay(monkeypatch):
    monkeypatch.setattr(upkeep, "BATCH", 3)
    leave_sessions(7, expired_for=timedelta(seconds=1))
    kept = leave_sessions(2, expired_for=timedelta(seconds=-1))

    assert prune(now=NOW) == 7
    assert list_keys(Session) == list_keys(UserSession) == kept
    assert prune(now=NOW) == 0


def test_a_call_deletes_so_much_at_most_and_the_oldest_first(monkeypatch):
    monkeypatch.setattr(upkeep, "BATCH", 2)
    monkeypatch.setattr(upkeep, "BATCHES", 2)
    younger = leave_sessions(3, expired_for=timedelta(hours=1))
    leave_sessions(4, expired_for=timedelta(days=1))

    assert prune(now=NOW) == 4
    assert list_keys(Session) == younger


def test_who_is_signed_in_stays_so_until_the_session_is_over(settings):
    browser = sign_up("ada@example.org")
    prune(now=utc_now())
    assert browser.find_person() is not None

    prune(now=utc_now() + timedelta(seconds=settings.SESSION_COOKIE_AGE + 60))
    assert browser.find_person() is None
    assert not UserSession.objects.exists()
