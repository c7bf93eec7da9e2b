"""The files of a real order, checked by the two scripts that import nothing of ours."""

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from lilong.common.errors import NotFound
from lilong.foundation.record.public import get_key_ring
from lilong.platforms.funding.core.rules import Origin, Rate
from lilong.platforms.funding.services.declarations import declare_facts
from lilong.platforms.supermarket.queries.exports import NotSettledYet, export_order
from lilong.platforms.supermarket.reactions import reconcile
from lilong.protocol.exports import KEYS_FILE
from lilong.protocol.messages import AttemptState, Reason
from tests.architecture.house import REPOSITORY
from tests.market import CREDIT, buy, finish, found_buyer, open_stall
from tests.people import NOW, found_operator, found_owner
from tests.pools import at, make_spec
from tests.programmes import RULE, give_voucher
from tests.record_hub import running_auditors, seal_all, trust_all

pytestmark = pytest.mark.django_db(transaction=True)

FLIPS = 24


@pytest.fixture
def auditors(settings, tmp_path):
    """Give the hub two witnesses of which one must cosign."""
    settings.LILONG = settings.LILONG.model_copy(update={"record_origin": "hub.example/record", "witnesses": ()})
    seal_all(at(0))
    with running_auditors(tmp_path, 2) as running:
        trust_all(running)
        settings.LILONG = settings.LILONG.model_copy(
            update={"witnesses": tuple(auditor.setting for auditor in running), "witnesses_required": 1}
        )
        seal_all(at(0))
        yield running


def settle_one(*, credit_ppm=0):
    """Buy with a voucher, let a provider's fault and a second attempt happen, settle."""
    seller, buyer = open_stall(credit_ppm=credit_ppm), found_buyer()
    give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT)
    order = buy(buyer, spec=make_spec(walltime_s=20_000, resources={"cores": 4}))
    finish(seller.agent, ms=900_000, state=AttemptState.FAILED, reason=Reason.SHIM_LOST)
    finish(seller.agent, ms=5_000_123, seconds=1_000)
    reconcile(now=at(9_000))
    return buyer, order


def settle_at_two_rates():
    """Buy where a voucher pays more at one provider, which fails, and let the other finish it; settle."""
    cheap, dear = open_stall(name="a"), open_stall(name="b", price_uc=375_000)
    declare_facts(actor=cheap.owner, country="CA", founded_on=None, head_count=None, purposes=(), now=NOW)
    buyer = found_buyer()
    rule = replace(RULE, jurisdiction="CA", rates=(Rate(rate_ppm=600_000, provider=Origin.HOME),))
    give_voucher(buyer.organisation_id, amount_uc=10 * CREDIT, rule=rule)
    order = buy(buyer, spec=make_spec(walltime_s=20_000))
    taken = cheap.agent.take(seconds=1)
    cheap.agent.sync(cheap.agent.see(taken, AttemptState.RUNNING, seconds=4, ms=1_000), seconds=4)
    dear.agent.sync(seconds=5)
    lost = cheap.agent.see(taken, AttemptState.LOST, seconds=6, ms=1_000, reason=Reason.NODE_LOST, nodes=("n0",))
    cheap.agent.sync(lost, seconds=6)
    finish(dear.agent, ms=5_000_123, seconds=30)
    reconcile(now=at(9_000))
    return buyer, order


def write(folder, actor, order):
    for file in export_order(actor=actor, order_id=order.id):
        (folder / file.name).write_bytes(file.content)
    (folder / KEYS_FILE).write_bytes(get_key_ring().render())


def is_accepted(folder):
    recompute = [REPOSITORY / "tools" / "recompute_charge.py", folder]
    verify = [REPOSITORY / "tools" / "verify_record.py", folder, "--keys", folder / KEYS_FILE]
    return all(
        subprocess.run([sys.executable, *map(str, command)], capture_output=True, check=False).returncode == 0
        for command in (recompute, verify)
    )


def test_an_outsider_recomputes_the_charge_and_verifies_the_record(auditors, tmp_path):
    buyer, order = settle_one(credit_ppm=100_000)
    seal_all(at(9_001))
    write(tmp_path, buyer, order)

    assert is_accepted(tmp_path)


def test_an_outsider_recomputes_an_order_of_which_vouchers_pay_other_rates_at_other_providers(auditors, tmp_path):
    buyer, order = settle_at_two_rates()
    seal_all(at(9_001))
    write(tmp_path, buyer, order)

    assert b"other_rates_ppm" in (tmp_path / "quote.json").read_bytes()
    assert is_accepted(tmp_path)


def test_any_byte_that_changes_is_refused(auditors, tmp_path):
    buyer, order = settle_one()
    seal_all(at(9_001))
    write(tmp_path, buyer, order)
    chance = random.Random(7)
    files = [file.name for file in export_order(actor=buyer, order_id=order.id)]
    for number in range(FLIPS):
        path = tmp_path / files[number % len(files)]
        good = path.read_bytes()
        place = chance.randrange(len(good))
        path.write_bytes(good[:place] + bytes([good[place] ^ chance.randrange(1, 256)]) + good[place + 1 :])
        assert not is_accepted(tmp_path), (path.name, place)
        path.write_bytes(good)
    assert is_accepted(tmp_path)


def test_exports_are_the_same_bytes_each_time_and_stay_when_the_books_go_on(auditors, tmp_path):
    buyer, order = settle_one()
    seal_all(at(9_001))
    first = export_order(actor=buyer, order_id=order.id)
    reconcile(now=at(30 * 86_400))
    order.refresh_from_db()

    assert order.released_at is not None
    assert export_order(actor=buyer, order_id=order.id)[:3] == first[:3]
    assert export_order(actor=found_operator(), order_id=order.id) == first


def test_there_are_no_exports_before_the_settlement_and_none_for_others(auditors):
    open_stall()
    buyer = found_buyer()
    order = buy(buyer)
    with pytest.raises(NotSettledYet):
        export_order(actor=buyer, order_id=order.id)
    with pytest.raises(NotFound):
        export_order(actor=found_owner(), order_id=order.id)
