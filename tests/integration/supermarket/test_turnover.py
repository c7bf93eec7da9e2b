from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Count, Sum

from lilong.platforms.supermarket.models import Order, Turnover
from lilong.platforms.supermarket.public import get_market_pulse
from lilong.platforms.supermarket.reactions import add_up, reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.protocol.messages import AttemptState, Reason
from tests.market import buy, finish, found_buyer, open_stall
from tests.pools import at
from tests.programmes import approve

pytestmark = pytest.mark.django_db


def read_orders():
    found = Order.objects.filter(settled_at__isnull=False).aggregate(orders=Count("id"), due_uc=Sum("due_uc"))
    return found["orders"], found["due_uc"] or 0


def read_pulse():
    pulse = get_market_pulse(now=at(0))
    return pulse.settled_orders, pulse.settled_uc


def settle_three():
    """Let three orders settle, of which one fails, and let a dispute take part of another's charge back."""
    seller, buyer = open_stall(), found_buyer()
    for seconds, ms in ((0, 60_000), (100, 90_000)):
        buy(buyer, seconds=seconds)
        finish(seller.agent, ms=ms, seconds=seconds + 1)
        reconcile(now=at(seconds + 99))
    failed = buy(buyer, seconds=200)
    finish(seller.agent, ms=1_000, state=AttemptState.FAILED, seconds=201, reason=Reason.EXIT_NONZERO)
    reconcile(now=at(300))
    disputed = Order.objects.exclude(id=failed.id).order_by("id")[0]
    case_id = open_dispute(actor=buyer, order_id=disputed.id, claim_uc=5_000, reason="It was slow.", now=at(310))
    assert read_pulse() == read_orders()
    approve(case_id, approvals=1, now=at(320))
    reconcile(now=at(330))
    disputed.refresh_from_db()
    return disputed


def test_what_was_settled_is_told_after_corrections():
    before_uc = 15_000
    assert settle_three().due_uc == before_uc - 5_000
    assert read_orders()[0] == 3
    assert read_pulse() == read_orders()


def test_adding_up_keeps_the_sum_of_what_was_settled_in_one_row():
    settle_three()
    add_up(now=at(340))

    assert Turnover.objects.count() == 1
    assert read_pulse() == read_orders()


def test_an_upgrade_adds_up_what_was_settled_before():
    settle_three()
    Turnover.objects.all().delete()
    migration = import_module("lilong.platforms.supermarket.migrations.0003_large_hubs")
    migration.sum_up(apps, connection.schema_editor())

    assert read_pulse() == read_orders()
