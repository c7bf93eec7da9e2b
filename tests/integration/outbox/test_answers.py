import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from lilong.foundation.outbox.models import KeptAnswer
from lilong.foundation.outbox.public import StoredAnswer, drop_claim, prune, remember, store_answer
from lilong.foundation.outbox.services.answers import AnswerPending, KeyReused

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = {"organisation_id": "org_1", "route": "POST /quotes", "key": "k1"}
pytestmark = pytest.mark.django_db(transaction=True)


def ask(*, request="a", now=NOW):
    return remember(**KEY, request_sha256=request, now=now)


def test_the_answer_is_given_again_to_the_same_request():
    assert ask() is None
    store_answer(**KEY, answer=StoredAnswer(status=201, body=b"{}"))

    assert ask() == StoredAnswer(status=201, body=b"{}")


def test_a_key_with_another_request_is_refused():
    ask()
    with pytest.raises(KeyReused):
        ask(request="b")


def test_the_same_key_of_another_organisation_is_another_key():
    ask()
    assert remember(**KEY | {"organisation_id": "org_2"}, request_sha256="b", now=NOW) is None


def test_while_one_acts_the_other_is_told_to_wait_until_the_claim_expires():
    ask()
    with pytest.raises(AnswerPending) as refused:
        ask(now=NOW + timedelta(seconds=50))
    assert refused.value.retry_after_s == 70

    assert ask(now=NOW + timedelta(seconds=120)) is None


def test_a_claim_that_failed_without_effect_is_free_at_once():
    ask()
    drop_claim(**KEY)

    assert ask() is None


def test_dropping_a_claim_keeps_an_answer():
    ask()
    store_answer(**KEY, answer=StoredAnswer(status=201, body=b"{}"))
    drop_claim(**KEY)

    assert ask() is not None


def test_answers_are_forgotten_after_a_day():
    ask()
    store_answer(**KEY, answer=StoredAnswer(status=201, body=b"{}"))

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
