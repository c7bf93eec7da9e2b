"""Agents are told which programme carries the largest part of an order's hold: five credits here."""

import pytest

from lilong.platforms.funding.models import Voucher
from lilong.platforms.funding.public import VoucherRule
from lilong.platforms.supermarket.public import place_order
from lilong.protocol.messages import AttemptState, Reason
from tests.market import CREDIT, ask, buy, found_buyer, open_stall
from tests.pools import at, make_spec
from tests.programmes import give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
SPEC = make_spec(walltime_s=20_000)


def grant(buyer, name, *, rate_ppm, cap_uc=8 * CREDIT, days=30):
    """Give a voucher of a new programme, and return the programme's id."""
    rule = VoucherRule(rate_ppm=rate_ppm, cap_uc=cap_uc, expires_in_days=days)
    voucher_id = give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT, rule=rule, name=name)
    return Voucher.objects.get(id=voucher_id).programme_id


def test_what_the_wallet_pays_alone_is_charged_under_nothing():
    seller, buyer = open_stall(), found_buyer()
    buy(buyer, spec=SPEC)

    assert seller.agent.take(seconds=1).charge_code == ""


def test_a_programme_is_told_that_pays_a_part_however_much_the_wallet_pays():
    seller, buyer = open_stall(), found_buyer()
    programme = grant(buyer, "City", rate_ppm=10_000)
    buy(buyer, spec=SPEC)

    assert seller.agent.take(seconds=1).charge_code == programme


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"rate_ppm": 300_000}, {"rate_ppm": 500_000}, "Second"),
        ({"rate_ppm": 500_000}, {"rate_ppm": 300_000}, "First"),
        ({"rate_ppm": 400_000}, {"rate_ppm": 400_000}, "First"),
        ({"rate_ppm": 600_000, "cap_uc": CREDIT}, {"rate_ppm": 300_000}, "Second"),
        ({"rate_ppm": 600_000, "cap_uc": 2 * CREDIT}, {"rate_ppm": 300_000, "cap_uc": 2 * CREDIT}, "First"),
    ],
)
def test_of_several_programmes_the_one_is_told_that_carries_most_of_the_hold_or_pays_first(first, second, told):
    seller, buyer = open_stall(), found_buyer()
    programmes = {"Second": grant(buyer, "Second", days=60, **second), "First": grant(buyer, "First", **first)}
    buy(buyer, spec=SPEC)

    assert seller.agent.take(seconds=1).charge_code == programmes[told]


def test_what_the_quote_froze_is_told_whatever_vouchers_came_later():
    seller, buyer = open_stall(), found_buyer()
    programme = grant(buyer, "City", rate_ppm=300_000)
    view = ask(buyer, spec=SPEC)
    grant(buyer, "District", rate_ppm=700_000)
    place_order(actor=buyer, quote_id=view.id, now=at(0))

    assert seller.agent.take(seconds=1).charge_code == programme


def test_the_next_provider_is_told_the_same_after_a_failure():
    cheap, dear = open_stall(name="a"), open_stall(name="b", price_uc=375_000)
    buyer = found_buyer()
    programme = grant(buyer, "City", rate_ppm=300_000)
    buy(buyer, spec=SPEC)
    first = cheap.agent.take(seconds=1)
    cheap.agent.sync(cheap.agent.see(first, AttemptState.RUNNING, seconds=4, ms=1_000), seconds=4)
    dear.agent.sync(seconds=5)
    lost = cheap.agent.see(first, AttemptState.LOST, seconds=6, ms=1_000, reason=Reason.NODE_LOST, nodes=("n0",))
    cheap.agent.sync(lost, seconds=6)
    second = dear.agent.take(seconds=30)

    assert (first.charge_code, second.charge_code) == (programme, programme)
    assert (second.run_id, second.number) == (first.run_id, 2)
