import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from lilong.foundation.outbox.models import KeptAnswer
from lilong.foundation.outbox.public import KeyReused, StoredAnswer, prune, remember, store_answer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = {"organisation_id": "org_1", "route": "POST /quotes", "key": "k1"}
pytestmark = pytest.mark.django_db(transaction=True)


def ask(*, request="a", now=NOW, organisation_id="org_1"):
    with transaction.atomic():
        return remember(**KEY | {"organisation_id": organisation_id}, request_sha256=request, now=now)


def act():
    with transaction.atomic():
        assert ask() is None
        store_answer(**KEY, answer=StoredAnswer(status=201, body=b"{}"))


def test_the_answer_is_given_again_to_the_same_request():
    act()

    assert ask() == StoredAnswer(status=201, body=b"{}")


def test_a_key_with_another_request_is_refused():
    ask()
    with pytest.raises(KeyReused):
        ask(request="b")


def test_the_same_key_of_another_organisation_is_another_key():
    ask()
    assert ask(request="b", organisation_id="org_2") is None


def test_answers_are_forgotten_after_a_day():
    act()

    assert ask(request="b", now=NOW + timedelta(days=1)) is None
    assert prune(now=NOW + timedelta(days=3)) == 1
    assert not KeptAnswer.objects.exists()


def test_of_many_requests_with_one_key_in_transactions_exactly_one_acts():
    start = threading.Barrier(6)

    def request(_):
        try:
            start.wait()
            with transaction.atomic():
                kept = ask()
                if kept is None:
                    store_answer(**KEY, answer=StoredAnswer(status=201, body=b"{}"))
                    return "acted"
                return "replayed"
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(request, range(6)))

    assert outcomes == ["acted", *["replayed"] * 5]
