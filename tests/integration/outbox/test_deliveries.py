from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from django.db import transaction

from lilong.common.errors import NotAllowed
from lilong.common.permissions import Actor, Role, Scope
from lilong.foundation.outbox.core.retries import ATTEMPTS_MAX
from lilong.foundation.outbox.models import Delivery, WaitingEvent
from lilong.foundation.outbox.public import Event, deliver, emit, list_dead_letters, prune, retry_dead_letter

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OPERATOR = Actor(
    person_id="per_1", organisation_id="org_hub", role=Role.OPERATOR, scopes=frozenset({Scope.READ, Scope.OPERATE})
)
pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True, slots=True)
class LampLit(Event):
    name: ClassVar[str] = "lamps.lamp_lit"
    lamp_id: str


class Listener:
    """A subscriber that remembers what it heard and fails as often as told."""

    def __init__(self, name, failures=0):
        self.__module__, self.__qualname__ = "listeners", name
        self.heard, self.failures = [], failures

    def __call__(self, payload, **_moment):
        self.heard.append(payload["lamp_id"])
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not today")


def light(*lamp_ids):
    with transaction.atomic():
        for lamp_id in lamp_ids:
            emit(event=LampLit(lamp_id=lamp_id))


def test_every_subscriber_hears_an_event_once_and_then_it_is_gone():
    first, second = Listener("first"), Listener("second")
    light("l1", "l2")

    assert deliver(now=NOW, subscribers={"lamps.lamp_lit": [first, second]}) == 4
    assert deliver(now=NOW, subscribers={"lamps.lamp_lit": [first, second]}) == 0

    assert sorted(first.heard) == sorted(second.heard) == ["l1", "l2"]
    assert not WaitingEvent.objects.exists()


def test_an_event_that_nobody_subscribes_to_is_dropped():
    light("l1")

    assert deliver(now=NOW, subscribers={}) == 0
    assert not WaitingEvent.objects.exists()


def test_an_event_of_a_transaction_that_rolls_back_never_existed():
    with transaction.atomic():
        emit(event=LampLit(lamp_id="l1"))
        transaction.set_rollback(True)

    assert not WaitingEvent.objects.exists()


def test_emitting_outside_a_transaction_is_refused():
    with pytest.raises(transaction.TransactionManagementError):
        emit(event=LampLit(lamp_id="l1"))


def test_a_failing_subscriber_is_tried_again_later_and_holds_up_nobody():
    broken, fine = Listener("broken", failures=1), Listener("fine")
    wiring = {"lamps.lamp_lit": [broken, fine]}
    light("l1", "l2")

    assert deliver(now=NOW, subscribers=wiring) == 3
    assert deliver(now=NOW + timedelta(seconds=1), subscribers=wiring) == 0
    assert deliver(now=NOW + timedelta(seconds=2), subscribers=wiring) == 1

    failed, other, failed_again = broken.heard
    assert failed_again == failed
    assert {failed, other} == {*fine.heard} == {"l1", "l2"}
    assert not Delivery.objects.exists()


def test_the_effect_of_a_failing_subscriber_is_rolled_back():
    def relight(payload, *, now):
        emit(event=LampLit(lamp_id="echo"))
        raise RuntimeError("after the effect")

    light("l1")
    deliver(now=NOW, subscribers={"lamps.lamp_lit": [relight]})

    assert WaitingEvent.objects.count() == 1


def test_a_delivery_is_given_up_after_ten_tries_and_the_operator_may_retry_it():
    listener = Listener("listener", failures=ATTEMPTS_MAX)
    light("l1")
    later = NOW
    for _ in range(ATTEMPTS_MAX + 3):
        deliver(now=later, subscribers={"lamps.lamp_lit": [listener]})
        later += timedelta(hours=2)
    assert len(listener.heard) == ATTEMPTS_MAX

    (dead,) = list_dead_letters(actor=OPERATOR, cursor=None, limit=10).items
    assert dead.last_error == "RuntimeError: not today"
    retry_dead_letter(actor=OPERATOR, delivery_id=dead.id, now=later)

    assert deliver(now=later, subscribers={"lamps.lamp_lit": [listener]}) == 1


def test_only_the_operator_sees_and_retries_dead_letters():
    owner = Actor(person_id="per_2", organisation_id="org_1", role=Role.OWNER, scopes=frozenset(Scope))

    with pytest.raises(NotAllowed):
        list_dead_letters(actor=owner, cursor=None, limit=10)
    with pytest.raises(NotAllowed):
        retry_dead_letter(actor=owner, delivery_id="dlv_1", now=NOW)


def test_a_subscriber_that_kills_its_worker_is_tried_again_only_after_its_claim():
    class Killed(BaseException):
        pass

    calls = []

    def kill(payload, *, now):
        calls.append(payload)
        raise Killed

    fine = Listener("fine")
    light("l1")
    with pytest.raises(Killed):
        deliver(now=NOW, subscribers={"lamps.lamp_lit": [kill]})
    light("l2")

    wiring = {"lamps.lamp_lit": [fine]} | {"never": [kill]}
    assert deliver(now=NOW + timedelta(seconds=1), subscribers=wiring) == 1
    with pytest.raises(Killed):
        deliver(now=NOW + timedelta(seconds=31), subscribers=wiring)
    assert (len(calls), fine.heard) == (2, ["l2"])


def test_a_delivery_of_a_subscriber_no_longer_wired_waits_as_a_failure():
    listener = Listener("listener", failures=1)
    light("l1")
    deliver(now=NOW, subscribers={"lamps.lamp_lit": [listener]})

    deliver(now=NOW + timedelta(minutes=1), subscribers={})

    assert Delivery.objects.get().last_error.startswith("KeyError")


def test_an_idle_delivery_writes_nothing(django_assert_num_queries):
    with django_assert_num_queries(2):
        deliver(now=NOW, subscribers={})


def test_pruning_keeps_what_is_still_wanted():
    light("l1")
    deliver(now=NOW, subscribers={"lamps.lamp_lit": [Listener("broken", failures=1)]})
    with transaction.atomic():
        WaitingEvent.objects.create(id="evt_done", name="x", payload={}, dispatched_at=NOW)

    assert prune(now=NOW + timedelta(days=1)) == 1
    assert WaitingEvent.objects.get().payload == {"lamp_id": "l1"}
