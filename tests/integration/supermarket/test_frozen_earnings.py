"""Which disputes freeze a provider's earnings: its own are read, and nobody else's."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from lilong.foundation.cases.public import Decision, decide_case
from lilong.platforms.supermarket.models import Dispute, FrozenEarning
from lilong.platforms.supermarket.queries.earnings import find_stall
from lilong.platforms.supermarket.reactions import reconcile
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.web.desks import read_provider_desk
from tests.market import CREDIT, buy, finish, found_buyer, open_stall
from tests.people import found_operator
from tests.pools import at, make_node, make_spec

pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = at(11_000)
ACCELERATORS = ("h100-sxm5", "a100-sxm4-80gb")


class Street:
    """Providers that sell different accelerators, so that each order has offers of one of them alone."""

    def __init__(self):
        self.sellers = [self.open(name) for name in ACCELERATORS]
        self.buyer = found_buyer()
        self.cases = [self.sell(seller, name) for seller, name in zip(self.sellers, ACCELERATORS, strict=True)]

    def open(self, name):
        kind = name.replace("-", "_")
        return open_stall(name=name, accelerator=name, nodes=(make_node(name="n0", **{kind: 1}),))

    def sell(self, seller, name):
        spec = make_spec(walltime_s=20_000, resources={"accelerator": name, "accelerators": 1})
        order = buy(self.buyer, spec=spec)
        finish(seller.agent, ms=10_000_000)
        reconcile(now=SETTLED)
        case_id = open_dispute(
            actor=self.buyer, order_id=order.id, claim_uc=CREDIT // 10, reason="half was idle", now=SETTLED
        )
        return order.id, case_id


def read_disputed(seller):
    stall = find_stall(actor=seller.owner, now=SETTLED)
    assert stall is not None
    return list(stall.earnings.disputed)


def test_a_provider_reads_the_disputes_of_its_own_orders_alone_and_in_one_query():
    street = Street()
    for seller, (order_id, _) in zip(street.sellers, street.cases, strict=True):
        with CaptureQueriesContext(connection) as queries:
            assert read_disputed(seller) == [order_id]
        (about,) = [each["sql"] for each in queries if "frozen" in each["sql"]]
        assert seller.provider_id in about
    assert Dispute.objects.filter(closed_at=None).count() == 2


def test_what_is_frozen_is_what_the_order_pays_until_the_dispute_is_decided():
    street = Street()
    seller, (_, case_id) = street.sellers[0], street.cases[0]
    desk = read_provider_desk(actor=seller.owner, now=SETTLED)
    assert desk.stall is not None
    assert desk.frozen_uc == desk.stall.earnings.accruing_uc > 0

    decide_case(actor=found_operator(), case_id=case_id, decision=Decision.REFUSE, reason="looked", now=SETTLED)
    reconcile(now=SETTLED)
    assert (read_disputed(seller), read_provider_desk(actor=seller.owner, now=SETTLED).frozen_uc) == ([], 0)
    assert read_disputed(street.sellers[1]) == [street.cases[1][0]]
    assert FrozenEarning.objects.count() == 1


def test_disputes_that_were_open_before_an_upgrade_are_found_afterwards():
    street = Street()
    migration = import_module("lilong.platforms.supermarket.migrations.0004_frozen_earnings")
    with transaction.atomic():
        FrozenEarning.objects.all().delete()
        migration.freeze_open(apps, connection.schema_editor())

    assert [read_disputed(seller) for seller in street.sellers] == [[order_id] for order_id, _ in street.cases]


def test_they_are_found_by_an_index():
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL enable_seqscan = off")  # it reads small tables whole, whatever their indexes
        plan = FrozenEarning.objects.filter(provider="prv_1").values_list("dispute__order").explain()

    assert "SCAN SUPERMARKET" not in plan.upper()
    assert "SEQ SCAN" not in plan.upper()
    assert "provider_id" in plan
