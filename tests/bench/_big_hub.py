"""A hub after a large year: made from a seed, the same each time but for its keys and signatures, marked synthetic.

People, money and pools are founded through the services, and so is each kind of order, played once from quote to end.
The year is stamped from these (`_patterns`). Notices, events and objects are left out: no main page reads them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import F, Value
from django.db.models.functions import Concat

from lilong.common.permissions import Actor, Role
from lilong.foundation.cases.public import Decision, decide_case
from lilong.foundation.ledger.models import Transfer
from lilong.foundation.ledger.reactions import reconcile as keep_books
from lilong.foundation.ledger.services.payments import request_top_up
from lilong.foundation.members.models import Organisation
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.record.services.key_files import find_newest_key, load_signing_key
from lilong.foundation.record.services.sealing import seal
from lilong.platforms.funding.models import Voucher
from lilong.platforms.funding.public import VoucherRule, issue_voucher
from lilong.platforms.supermarket.models import Offer, Order, PriceRow, Provider
from lilong.platforms.supermarket.public import place_order
from lilong.platforms.supermarket.reactions import reconcile as keep_shop
from lilong.platforms.supermarket.services.disputes import open_dispute
from lilong.platforms.supermarket.services.orders import cancel_order
from lilong.protocol.messages import AttemptState, Reason, Submit
from lilong.protocol.spec import RunSpec
from tests.bench._patterns import Keys, Pattern, Seeded, about, list_keys, subtract, unite
from tests.market import CREDIT, Seller, ask, finish, open_stall, wallet_of
from tests.people import act, found_operator, found_organisation, join
from tests.pools import NOON, at, make_node, make_spec, settle
from tests.programmes import make_programme

DAY_S = 86_400
YEAR = timedelta(days=365)
END = NOON
"""The moment at which the hub stands still."""

SELLERS_PER_CLASS = 3
VOUCHER_UC = 50_000 * CREDIT
RULES = (
    VoucherRule(rate_ppm=300_000, cap_uc=500 * CREDIT, expires_in_days=3_000),
    VoucherRule(rate_ppm=200_000, cap_uc=500 * CREDIT, expires_in_days=3_000),
)
TOP_UPS_UC = (200 * CREDIT, 2_000 * CREDIT, 20_000 * CREDIT)
REFERENCE = "SYNTHETIC-REFERENCE"


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of machine, and what its three classes of providers ask for it per 1 000 unit-seconds."""

    accelerator: str | None
    prices_uc: tuple[int, int, int]
    name: str

    @property
    def spec(self) -> RunSpec:
        asked = {"accelerator": self.accelerator, "accelerators": 2} if self.accelerator else {"cores": 2}
        return make_spec(name=self.name, walltime_s=3_600, resources=asked)


GROUPS = (
    Group(None, (250_000, 260_000, 280_000), "preprocess"),
    Group("h100-sxm5", (2_500_000, 2_600_000, 2_900_000), "train"),
    Group("ascend-910b", (1_200_000, 1_250_000, 1_300_000), "finetune"),
)
NODE = {"cores": 64, "memory_mib": 512 * 1024}

SETTLED = ("short", "long", "failed", "cancelled", "moved")
WEIGHTS = (40, 35, 12, 6, 7)


@dataclass(frozen=True, slots=True)
class Buyer:
    """An organisation that buys, and what stamps are told of it."""

    actor: Actor
    wallet: str
    vouchers: tuple[Voucher, ...]

    @property
    def names(self) -> dict[str, str]:
        names = {"organisation": self.actor.organisation_id, "person": self.actor.person_id, "wallet": self.wallet}
        for number, voucher in enumerate(self.vouchers):
            names |= {f"voucher{number}": voucher.id, f"voucher_account{number}": voucher.account_id}
        return names


@dataclass(slots=True)
class Stretch:
    """One pattern of an order in all the states that a stamp may stop at, and what it takes from whom.

    runs_s: from the quote to the settlement. spent_uc: by wallet and vouchers; held_uc: by the wallet until then.
    """

    settled: Pattern
    runs_s: float
    held_uc: int
    spent_uc: tuple[int, ...]
    earned_uc: Mapping[int, int]
    released: Pattern | None = None
    released_after: timedelta = YEAR
    keys: Keys = field(default_factory=dict)
    order_id: str = ""


class Founding:
    """The part of the hub that is made through the services: who is there, and the patterns of what they do."""

    def __init__(self, *, organisations: int, seed: int) -> None:
        self.clock = Seeded(seed=seed)
        self.began = END - YEAR
        self.patterns: dict[tuple[int, int, str], Pattern] = {}
        self.stretches: dict[tuple[int, int, str], Stretch] = {}
        self.top_ups: list[Pattern] = []
        self._running: Submit | None = None
        with self.clock.making_ids():
            self._found(organisations)
            self._play()

    def _now(self, seconds: float) -> datetime:
        """Return a moment of the past, from which on ids are made; seconds before the year began."""
        moment = self.began - timedelta(seconds=seconds)
        self.clock.set(moment)
        return moment

    def _found(self, organisations: int) -> None:
        now = self._now(60 * DAY_S)
        seal(now=now)
        self.operators = [found_operator(now=now) for _ in range(6)]
        nodes = [make_node(name=f"n{number}", h100_sxm5=8, ascend_910b=8, **NODE) for number in range(4)]
        # Class after class, so that a stamp may take any provider of each: a quote names pools in the order of ids.
        self.sellers: dict[tuple[int, int], list[Seller]] = {
            (group, place): [
                open_stall(
                    name=f"{kind.name}-{place}-{number}",
                    price_uc=kind.prices_uc[place],
                    accelerator=kind.accelerator,
                    nodes=nodes,
                    now=self._now(60 * DAY_S - 60 * (group * 9 + place * 3 + number)),
                )
                for number in range(SELLERS_PER_CLASS)
            ]
            for group, kind in enumerate(GROUPS)
            for place in range(3)
        }
        programmes = [
            make_programme(
                fund_uc=(organisations + 3) * VOUCHER_UC,
                rule=rule,
                name=f"Synthetic programme {number}",
                operator=self.operators[0],
                now=now,
            )
            for number, rule in enumerate(RULES)
        ]
        self.buyers: list[Buyer] = []
        for number in range(organisations + 3):
            now = self._now(50 * DAY_S - 60 * number)
            owner = act(found_organisation(now=now).token.secret, now=now)
            for role in (Role.MEMBER, Role.BILLING) if number % 3 == 0 else ():
                join(owner, role, now=now)
            # The last three are those that patterns are played with: without vouchers, with one, with two.
            has = max(number - organisations, 0) if number >= organisations else len(RULES)
            vouchers = [
                issue_voucher(
                    actor=self.operators[0],
                    programme_id=programme.id,
                    organisation_id=owner.organisation_id,
                    amount_uc=VOUCHER_UC,
                    now=now,
                )
                for programme in programmes[:has]
            ]
            found = Voucher.objects.in_bulk(vouchers)
            self.buyers.append(Buyer(owner, wallet_of(owner), tuple(found[key] for key in vouchers)))
        self.players, self.buyers = self.buyers[organisations:], self.buyers[:organisations]
        Organisation.objects.exclude(kind=OrganisationKind.HUB).update(name=Concat(Value("Synthetic "), F("name")))

    def _play(self) -> None:
        """Play everything that happens during the year once, in the weeks before it."""
        withdrawn = [each.offer_id for sellers in self.sellers.values() for each in sellers[1:]]
        Offer.objects.filter(id__in=withdrawn).update(withdrawn_at=self.began)
        signing = find_newest_key()
        assert signing is not None
        self._seed = load_signing_key(key=signing, name="hub").seed
        self._play_money()
        self._order(0, 0, "short", -40 * DAY_S, warm_up=True)
        number = 0
        for group in range(len(GROUPS)):
            for vouchers in range(len(RULES) + 1):
                for kind in SETTLED:
                    number += 1
                    self._order(group, vouchers, kind, -39 * DAY_S + number * 7_200)
        self._release(-39 * DAY_S + number * 7_200 + 8 * DAY_S)
        for group in range(len(GROUPS)):
            for vouchers in range(len(RULES) + 1):
                for kind in ("quoted", "expired", "queued", "running", "disputed"):
                    number += 1
                    self._order(group, vouchers, kind, -20 * DAY_S + number * 7_200)
        Offer.objects.filter(id__in=withdrawn).update(withdrawn_at=None)
        self._now(0)

    def _seconds(self, moment_s: float) -> float:
        """Set the clock to seconds since the year began, and return them since NOON, as tests count them."""
        moment = self._now(-moment_s)
        return (moment - NOON).total_seconds()

    def _play_money(self) -> None:
        for player in self.players:
            base = self._now(45 * DAY_S)
            for number, amount_uc in enumerate(TOP_UPS_UC):
                before = list_keys()
                reference = f"{REFERENCE}-{number}"
                case_id = request_top_up(
                    actor=player.actor,
                    organisation_id=player.actor.organisation_id,
                    amount_uc=amount_uc,
                    reference=reference,
                    now=base,
                )
                if player is self.players[0] and not number:
                    self.top_up_asked = self._pattern(subtract(list_keys(), before), base, player, reference=reference)
                self._approve(case_id, now=base + timedelta(hours=2))
                if player is self.players[0]:
                    rows = subtract(list_keys(), before)
                    self.top_ups.append(self._pattern(rows, base, player, reference=reference))

    def _approve(self, case_id: str, *, now: datetime) -> None:
        self.clock.set(now)
        for operator in self.operators[1:3]:
            decide_case(actor=operator, case_id=case_id, decision=Decision.APPROVE, reason="Seen.", now=now)
        keep_books(now)

    def _order(self, group: int, vouchers: int, kind: str, base_s: float, *, warm_up: bool = False) -> None:
        """Play one order and keep its pattern; base_s: since the year began."""
        player = self.players[vouchers]
        cast = [self.sellers[group, place][0] for place in range(3)]
        for seller in cast:
            seller.agent.sync(seconds=self._seconds(base_s - 1))
        before = list_keys()
        base = self._now(-base_s)
        seconds = partial(self._after, base_s)
        spec = GROUPS[group].spec
        quote = ask(player.actor, spec=spec, seconds=seconds(0))
        if kind not in {"quoted", "expired"}:
            place_order(actor=player.actor, quote_id=quote.id, now=at(seconds(20)))
        ended_s = self._run(kind, cast, order_id=quote.order_id, seconds=seconds)
        keys = subtract(list_keys(), before)
        if warm_up:
            return
        pattern = self._pattern(keys, base, player, sellers=cast)
        if kind not in SETTLED:
            self.patterns[group, vouchers, kind] = pattern
            self._end(kind, cast[0], player, order_id=quote.order_id, now_s=seconds(ended_s + 60))
            return
        self.stretches[group, vouchers, kind] = Stretch(
            settled=pattern,
            runs_s=ended_s,
            keys=keys,
            order_id=quote.order_id,
            **_reckon(quote.order_id, player, cast),
        )

    def _end(self, kind: str, seller: Seller, player: Buyer, *, order_id: str, now_s: float) -> None:
        """Bring an order to its end whose pattern stops before, so that it stays out of those that follow."""
        if kind in {"quoted", "queued", "running"}:
            cancel_order(actor=player.actor, order_id=order_id, now=at(now_s))
        if kind == "running":
            assert self._running is not None
            ended = seller.agent.see(self._running, AttemptState.CANCELLED, seconds=now_s + 5, ms=120_000)
            seller.agent.sync(ended, seconds=now_s + 5)
        settle(seconds=now_s + 10)
        keep_shop(now=at(now_s + 10))
        assert not Order.objects.live_quotes().exists()
        assert not Order.objects.running().exists()

    def _after(self, base_s: float, seconds: float) -> float:
        return self._seconds(base_s + seconds)

    def _run(self, kind: str, sellers: Sequence[Seller], *, order_id: str, seconds: Any) -> float:
        """Let an order come to where its kind ends, and return how many seconds that took."""
        agent = sellers[0].agent
        if kind in {"quoted", "queued"}:
            return 30.0
        if kind == "expired":
            keep_shop(now=at(seconds(1_000)))
            return 1_000.0
        if kind == "moved":
            first = agent.take(seconds=seconds(21))
            refused = agent.see(first, AttemptState.REJECTED, seconds=seconds(22), reason=Reason.ENGINE_REFUSED)
            agent.sync(refused, seconds=seconds(22))
            agent = sellers[1].agent
        taken = agent.take(seconds=seconds(25))
        state, ms, more = {
            "short": (AttemptState.SUCCEEDED, 400_000, {}),
            "long": (AttemptState.SUCCEEDED, 3_100_000, {}),
            "moved": (AttemptState.SUCCEEDED, 900_000, {}),
            "disputed": (AttemptState.SUCCEEDED, 900_000, {}),
            "failed": (AttemptState.FAILED, 130_000, {"reason": Reason.EXIT_NONZERO}),
            "cancelled": (AttemptState.CANCELLED, 200_000, {"reason": Reason.CANCELLED_BY_MEMBER}),
            "running": (AttemptState.RUNNING, 60_000, {}),
        }[kind]
        ended_s = 30 + ms / 1000
        if kind == "running":
            self._running = taken
            agent.sync(agent.see(taken, state, seconds=seconds(ended_s), ms=ms), seconds=seconds(ended_s))
            settle(seconds=seconds(ended_s))
            keep_shop(now=at(seconds(ended_s)))
            return ended_s
        if kind == "cancelled":
            player = next(each for each in self.players if each.actor.organisation_id == _owner(order_id))
            cancel_order(actor=player.actor, order_id=order_id, now=at(seconds(ended_s - 5)))
        finish(agent, ms=ms, state=state, seconds=seconds(29), submit=taken, **more)
        ended_s += 5
        settle(seconds=seconds(ended_s))
        keep_shop(now=at(seconds(ended_s)))
        if kind == "disputed":
            order = Order.objects.get(id=order_id)
            player = next(each for each in self.players if each.actor.organisation_id == order.organisation_id)
            open_dispute(
                actor=player.actor,
                order_id=order_id,
                claim_uc=order.due_uc or 1,
                reason="The nodes were slow.",
                now=at(seconds(ended_s + 3_600)),
            )
        return ended_s

    def _release(self, moment_s: float) -> None:
        """Let the earnings of all orders become available, and keep the patterns that end there."""
        before = list_keys()
        for seller in [seller for sellers in self.sellers.values() for seller in sellers]:
            seller.agent.sync(seconds=self._seconds(moment_s))
        keep_shop(now=at(self._seconds(moment_s)))
        new = subtract(list_keys(), before)
        for (group, vouchers, _), stretch in self.stretches.items():
            keys = unite(stretch.keys, about(new, ids=[stretch.order_id]))
            sellers = [self.sellers[group, place][0] for place in range(3)]
            base = Order.objects.get(id=stretch.order_id).created_at
            assert Order.objects.get(id=stretch.order_id).released_at is not None
            stretch.released_after = self.began + timedelta(seconds=moment_s) - base
            stretch.released = self._pattern(keys, base, self.players[vouchers], sellers=sellers)

    def _pattern(
        self, keys: Keys, base: datetime, player: Buyer, *, sellers: Sequence[Seller] = (), reference: str = ""
    ) -> Pattern:
        names = player.names
        for place, seller in enumerate(sellers):
            names |= name_seller(seller, place)
        if reference:
            names["reference"] = reference
        return Pattern(rows=keys, base=base, names=names, seed=self._seed)


def name_seller(seller: Seller, place: int) -> dict[str, str]:
    """Return what stamps are told of the provider in one of a quote's places."""
    provider = Provider.objects.get(id=seller.provider_id)
    return {
        f"seller{place}": seller.owner.organisation_id,
        f"provider{place}": provider.id,
        f"accruing{place}": provider.accruing_account_id,
        f"available{place}": provider.available_account_id,
        f"pool{place}": seller.agent.pool_id,
        f"offer{place}": seller.offer_id,
        f"price{place}": PriceRow.objects.get(offer=seller.offer_id).id,
    }


def _owner(order_id: str) -> str:
    return str(Order.objects.values_list("organisation_id", flat=True).get(id=order_id))


def _reckon(order_id: str, player: Buyer, sellers: Sequence[Seller]) -> dict[str, Any]:
    """Return what an order that is settled took from each account of its buyer, and gave each seller."""
    about_it = Transfer.objects.filter(subject=order_id)
    paid: Counter[str] = Counter()
    held_uc = 0
    for row in about_it:
        paid[row.debit_account_id] += row.amount_uc * (row.kind == "settle")
        held_uc += row.amount_uc * (row.kind == "pend" and row.debit_account_id == player.wallet)
    accruing = [Provider.objects.get(id=seller.provider_id).accruing_account_id for seller in sellers]
    earned = {
        place: sum(row.amount_uc for row in about_it if row.credit_account_id == account)
        for place, account in enumerate(accruing)
    }
    return {
        "held_uc": held_uc,
        "spent_uc": (paid[player.wallet], *(paid[voucher.account_id] for voucher in player.vouchers)),
        "earned_uc": {place: amount_uc for place, amount_uc in earned.items() if amount_uc},
    }
