"""A provider's failure moves the run to another provider's pool at another price, and the money comes out right.

| attempt | provider, price per 1 000 core-seconds | metered | kept | due |
|---|---|---:|---:|---:|
| 1, its node is lost | a, 0.25 credits, fee 5 %, credit 10 % of lost time | 4 000.3 s | 3 000.1 s | 750 025 uc |
| 2, succeeds | b, 0.375 credits, fee 10 % | 6 000.3 s | | 2 250 112 uc |

Lost are 1 000.2 s, worth 250 050 uc at a's price; a tenth of that is credited.
"""

from dataclasses import replace

import pytest

from lilong.foundation.ledger.public import AccountKind, get_balances, list_transfers, open_account
from lilong.foundation.members.services.ownership import DeclaredOwner, declare_ownership
from lilong.foundation.runs.public import RunState
from lilong.platforms.funding.core.rules import Origin, Rate
from lilong.platforms.funding.models import Voucher, VoucherUse
from lilong.platforms.funding.services.declarations import declare_facts
from lilong.platforms.supermarket.core.policy import DISPUTE_WINDOW
from lilong.platforms.supermarket.core.promise import read_promise
from lilong.platforms.supermarket.core.states import OrderState
from lilong.platforms.supermarket.models import Provider
from lilong.platforms.supermarket.reactions import reconcile
from lilong.protocol.manifest import Manifest, ManifestFile
from lilong.protocol.messages import AttemptState, CheckpointNote, Fault, Reason
from tests.books import available_uc
from tests.bytes import digest, fresh
from tests.market import CREDIT, buy, finish, found_buyer, open_stall, pay_in, wallet_of
from tests.people import NOW
from tests.pools import at, bring, get_input, look, make_spec
from tests.programmes import RULE, give_voucher

pytestmark = pytest.mark.django_db(transaction=True)
S = AttemptState
HELD_UC, DUE_A_UC, DUE_B_UC = 7_500_000, 750_025, 2_250_112
SETTLED_AT = at(11_000)


class Market:
    """Two providers, one buyer with a voucher, one order that begins on the cheap pool."""

    def __init__(self, *, rule=RULE, homes=()):
        self.cheap = open_stall(name="a", price_uc=250_000, fee_ppm=50_000, credit_ppm=100_000)
        self.dear = open_stall(name="b", price_uc=375_000, fee_ppm=100_000)
        for seller, country in zip((self.cheap, self.dear), homes, strict=False):
            declare_facts(
                actor=seller.owner, country=country, founded_on=None, head_count=None, purposes=(), now=at(-1)
            )
        self.buyer = found_buyer()
        voucher_id = give_voucher(self.buyer.organisation_id, amount_uc=10 * CREDIT, rule=rule)
        self.voucher = Voucher.objects.get(id=voucher_id)
        self.order = buy(self.buyer, spec=make_spec(walltime_s=20_000, checkpoint={"path": "state"}))
        self.fees = open_account(kind=AccountKind.HUB_FEE, owner_id="hub", purpose="", now=NOW)
        self.reserve = open_account(kind=AccountKind.SERVICE_RESERVE, owner_id="hub", purpose="", now=NOW)
        pay_in(self.reserve, CREDIT)
        self.content = fresh(30)

    def run_on_cheap(self, *, kept_ms):
        """Let the first attempt run and leave a checkpoint, if any; return its submission and its last words."""
        agent, taken = self.cheap.agent, self.cheap.agent.take(seconds=1)
        note = self.leave_checkpoint(agent, taken) if kept_ms else None
        seen = agent.see(taken, S.RUNNING, seconds=4_002, ms=4_000_300, kept_ms=kept_ms, checkpoint=note, nodes=("n0",))
        agent.sync(seen, seconds=4_002)
        return taken, seen

    def leave_checkpoint(self, agent, taken):
        bring(agent, taken, self.content)
        file = ManifestFile(path="state.bin", sha256=digest(self.content), size_bytes=len(self.content))
        manifest = Manifest(files=(file,)).to_bytes()
        return CheckpointNote(manifest_sha256=bring(agent, taken, manifest), size_bytes=len(self.content))

    def finish_on_dear(self):
        """Let the second attempt read its checkpoint, if any, and succeed; settle, and return its submission."""
        taken = self.dear.agent.take(seconds=4_071)
        if taken.checkpoint_sha256:
            assert get_input(self.dear.agent, taken, digest(self.content)) == self.content
        finish(self.dear.agent, ms=6_000_300, seconds=4_072, submit=taken)
        reconcile(now=SETTLED_AT)
        self.order.refresh_from_db()
        return taken

    def earned_uc(self, seller):
        account = Provider.objects.get(id=seller.provider_id).accruing_account_id
        return get_balances(account_ids=[account])[account].posted_uc

    def timeline(self):
        return [(row.step, row.money, row.amount_uc) for row in self.order.timeline.order_by("number") if row.money]


def told_by_the_agent(agent, seen):
    """Let the agent say that the node is lost."""
    update = {"state": S.LOST, "reason": Reason.NODE_LOST, "observed_at": at(4_060), "outputs_complete": True}
    agent.sync(seen.model_copy(update=update), seconds=4_060)


def found_by_the_hub(agent, seen):
    """Let the agent find the job nowhere any more, in three complete looks."""
    for second in (4_048, 4_054, 4_060):
        agent.sync(seconds=second, absent=[seen.attempt_id])


@pytest.mark.parametrize("lose", [told_by_the_agent, found_by_the_hub])
def test_a_lost_node_moves_the_run_with_its_checkpoint_to_the_next_provider_and_each_is_paid_for_what_it_gave(lose):
    market = Market()
    first, seen = market.run_on_cheap(kept_ms=3_000_100)
    market.dear.agent.sync(seconds=4_059)
    lose(market.cheap.agent, seen)
    second = market.finish_on_dear()
    lost, done = look(market.order.run_id).attempts

    assert (lost.state, lost.reason, lost.fault) == (S.LOST, Reason.NODE_LOST, Fault.PROVIDER)
    assert (second.run_id, second.number, second.checkpoint_sha256) == (
        first.run_id,
        2,
        seen.checkpoint.manifest_sha256,
    )
    assert second.authorised_ms == 20_000_000 - 3_000_100
    assert (lost.billable_ms, done.billable_ms, done.resumed) == (3_000_100, 6_000_300, True)
    assert (market.order.run_state, market.order.state) == (RunState.SUCCEEDED, OrderState.SETTLED)

    assert (market.order.max_uc, market.order.due_uc) == (HELD_UC, DUE_A_UC + DUE_B_UC)
    assert market.order.settlement.charged_uc + market.order.settlement.refunded_uc == HELD_UC
    assert market.order.settlement.voucher_uc == 900_137  # 30 % of each whole credit, and the first of the rest
    assert available_uc(market.voucher.account_id) == 10 * CREDIT - 900_137
    assert available_uc(wallet_of(market.buyer)) == 100 * CREDIT - 2_100_000 + 25_005
    assert market.earned_uc(market.cheap) == DUE_A_UC - 37_501 - 25_005  # less fee and credit
    assert market.earned_uc(market.dear) == DUE_B_UC - 225_011
    assert available_uc(market.fees) == 37_501 + 225_011
    assert available_uc(market.reserve) == CREDIT
    assert market.timeline() == [
        ("sign_quote", "reserved", 2_400_000),
        ("hold", "held", HELD_UC),
        ("settle", "charged", 3_000_137),
        ("refund", "refunded", 4_499_863),
        ("credit", "credited", 25_005),
    ]


def test_without_a_checkpoint_the_lost_provider_is_paid_nothing_and_the_reserve_bears_its_credit():
    market = Market()
    _, seen = market.run_on_cheap(kept_ms=0)
    market.dear.agent.sync(seconds=4_059)
    told_by_the_agent(market.cheap.agent, seen)
    second = market.finish_on_dear()

    assert (second.checkpoint_sha256, second.authorised_ms) == (None, 20_000_000)
    assert market.order.due_uc == DUE_B_UC
    assert (market.earned_uc(market.cheap), market.earned_uc(market.dear)) == (0, DUE_B_UC - 225_011)
    assert available_uc(market.reserve) == CREDIT - 100_007  # a tenth of 4 000.3 s at a's price
    assert ("credit", "credited", 100_007) in market.timeline()


def test_what_is_settled_of_a_failover_stays_however_often_it_is_reconciled_and_is_released_to_each():
    market = Market()
    _, seen = market.run_on_cheap(kept_ms=3_000_100)
    market.dear.agent.sync(seconds=4_059)
    told_by_the_agent(market.cheap.agent, seen)
    market.finish_on_dear()
    before, told = len(list_transfers(subject=market.order.id)), market.timeline()
    for _ in range(3):
        reconcile(now=SETTLED_AT)
    assert (len(list_transfers(subject=market.order.id)), market.timeline()) == (before, told)

    reconcile(now=SETTLED_AT + DISPUTE_WINDOW)
    providers = [Provider.objects.get(id=seller.provider_id) for seller in (market.cheap, market.dear)]
    assert [available_uc(provider.available_account_id) for provider in providers] == [687_519, 2_025_101]
    assert market.timeline()[-1] == ("release", "released", 687_519 + 2_025_101)


HOME_MORE = replace(RULE, rate_ppm=500_000, jurisdiction="CA", rates=(Rate(rate_ppm=600_000, provider=Origin.HOME),))
"""60 % at providers from home, 50 % at others. Of a's 750 025 uc it pays the first 600 000; of b's 2 250 112 uc half of
each whole credit and the first 250 112 of the rest. Most of 7.5 credits are 4.7 at a for the voucher and 3.5 at b for
the wallet; both hold two credits more, one for each rate."""


def test_a_failover_to_a_provider_at_another_rate_is_split_attempt_by_attempt_and_never_beyond_the_holds():
    market = Market(rule=HOME_MORE, homes=("CA", "US"))
    promise = read_promise(content=market.order.quote.document.encode())
    (voucher,) = promise.vouchers
    assert [(each.offer_id, each.wallet_uc) for each in promise.offers] == [
        (market.cheap.offer_id, 2_000_000),
        (market.dear.offer_id, 3_500_000),
    ]
    assert (voucher.rate_ppm, voucher.other_rates_ppm) == (600_000, {market.dear.offer_id: 500_000})
    assert (promise.max_uc, promise.voucher_max_uc) == (HELD_UC, 6_700_000)
    assert available_uc(market.voucher.account_id) == 10 * CREDIT - 6_700_000
    assert available_uc(wallet_of(market.buyer)) == 100 * CREDIT - 5_500_000

    _, seen = market.run_on_cheap(kept_ms=3_000_100)
    market.dear.agent.sync(seconds=4_059)
    told_by_the_agent(market.cheap.agent, seen)
    market.finish_on_dear()

    assert market.order.due_uc == DUE_A_UC + DUE_B_UC
    assert market.order.settlement.voucher_uc == 600_000 + 1_250_112
    assert available_uc(market.voucher.account_id) == 10 * CREDIT - 1_850_112
    assert available_uc(wallet_of(market.buyer)) == 100 * CREDIT - 1_150_025 + 25_005
    assert market.order.settlement.refunded_uc == 12_200_000 - 3_000_137
    assert VoucherUse.objects.get().amount_uc == 1_850_112


def test_a_failover_to_a_provider_that_is_related_is_paid_by_the_wallet_alone():
    market = Market(rule=RULE)
    join_as_owner(market)
    order = buy(market.buyer, spec=make_spec(walltime_s=20_000, checkpoint={"path": "state"}), seconds=1)
    promise = read_promise(content=order.quote.document.encode())
    (voucher,) = promise.vouchers

    assert voucher.other_rates_ppm == {market.dear.offer_id: 0}
    assert [offer.wallet_uc for offer in promise.offers] == [5_000_000 - 1_500_000, 7_500_000]
    assert [note["code"] for note in order.quote.notes if note["path"].startswith("offers.")] == [
        "voucher.related_party"
    ]


def join_as_owner(market):
    """Let the buyer's organisation declare that the dear provider owns half of it."""
    owner = DeclaredOwner(share_ppm=500_000, organisation_id=market.dear.owner.organisation_id)
    declare_ownership(actor=market.buyer, owners=[owner], starts_on=NOW.date(), now=NOW)
