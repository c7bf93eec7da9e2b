from datetime import UTC, datetime, timedelta

import pytest

from lilong.foundation.outbox.public import release_lease, take_lease

NOW = datetime(2026, 3, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lease_belongs_to_one_holder_who_may_renew_it():
    assert take_lease(name="sealing", holder="a", seconds=10, now=NOW)
    assert not take_lease(name="sealing", holder="b", seconds=10, now=NOW + timedelta(seconds=9))
    assert take_lease(name="sealing", holder="a", seconds=10, now=NOW + timedelta(seconds=9))
    assert not take_lease(name="sealing", holder="b", seconds=10, now=NOW + timedelta(seconds=18))
    assert take_lease(name="other", holder="b", seconds=10, now=NOW)


def test_an_expired_lease_is_taken_over():
    assert take_lease(name="sealing", holder="a", seconds=10, now=NOW)
    assert take_lease(name="sealing", holder="b", seconds=10, now=NOW + timedelta(seconds=10))
    assert not take_lease(name="sealing", holder="a", seconds=10, now=NOW + timedelta(seconds=11))


def test_a_released_lease_is_free_and_only_its_holder_releases_it():
    assert take_lease(name="sealing", holder="a", seconds=10, now=NOW)
    release_lease(name="sealing", holder="b")
    assert not take_lease(name="sealing", holder="b", seconds=10, now=NOW)
    release_lease(name="sealing", holder="a")
    assert take_lease(name="sealing", holder="b", seconds=10, now=NOW)
