"""What has to be there before anybody can buy: operators, a provider with a pool and an offer, a programme, a buyer.

Everything is done over the public API by the people whose business it is. Tests, benches and the demo share it.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from lilong.agent.join import Joined, join_pool
from lilong.agent.settings import LocalSettings
from lilong.cli.local_hub import LocalHub
from lilong.common.errors import LilongError
from lilong.common.money import PPM, UC_PER_CREDIT
from lilong.sdk.client import Lilong
from lilong.sdk.programmes import Voucher, VoucherRule

WAIT_S = 60.0
WAIT_EVERY_S = 0.1

T = TypeVar("T")


class StageStuck(LilongError):
    """Something that the hub should do by itself within a minute was not done."""

    code = "demo.stuck"
    title = "The hub did not do in time what it should"
    next_step = "Read the logs in the folder `run` of the hub's home."


HALF_UP_TO_FIVE = VoucherRule(
    rate_ppm=PPM // 2, cap_uc=5 * UC_PER_CREDIT, expires_in_days=90, starter_uc=5 * UC_PER_CREDIT
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the stage sells and grants.

    price_uc: for 1 000 core-seconds; fee_ppm: the hub's part; rule: of the programme's vouchers; wallet_uc: the
    buyer's money; fund_uc: the programme's.
    """

    price_uc: int = 30 * UC_PER_CREDIT
    fee_ppm: int = 50_000
    rule: VoucherRule = HALF_UP_TO_FIVE
    fund_uc: int = 1_000 * UC_PER_CREDIT
    wallet_uc: int = 20 * UC_PER_CREDIT


class Stage:
    """The people of one hub, each with a client of their own; every method is one scene and may be called once.

    operators: three, of whom the first asks and the others approve. agent_home: of an agent that somebody else keeps
    running; left out, it is the hub's own. Use it as a context manager: it closes clients.
    """

    def __init__(self, *, hub: LocalHub, terms: Terms | None = None, agent_home: Path | None = None) -> None:
        self.hub = hub
        self.agent_home = agent_home or hub.home / "agent"
        self.terms = terms or Terms()
        self.operators: list[Lilong] = []
        self.pool_id = self.provider_id = self.offer_id = self.programme_id = self.organisation_id = ""
        self._clients = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._clients.close()

    def connect(self, *, token: str = "") -> Lilong:
        """Return a client with this token; it lives as long as the stage."""
        return self._clients.enter_context(Lilong(url=self.hub.url, token=token))

    def appoint_operators(self, *, count: int = 3) -> None:
        """Let the first operator sign in with the one-time token and take in the others."""
        self.operators.append(self._exchange(self.hub.one_time_token))
        for number in range(2, count + 1):
            added = self.operators[0].members.add(
                email=f"operator{number}@hub.example", name=f"Operator {number}", role="operator"
            )
            self.operators.append(self._exchange(added.one_time_token.secret))

    def approve(self, case_id: str, *, reason: str) -> None:
        """Let the two operators who did not ask approve a case."""
        for operator in self.operators[1:3]:
            operator.cases.decide(case_id, decision="approve", reason=reason)

    def sign_up(self, *, name: str, person: str, email: str, kind: str = "resident") -> Lilong:
        """Return the owner of a fresh organisation as soon as it is admitted: residents by rule, others by a person."""
        made = self.connect().organisations.sign_up(name=name, owner_email=email, owner_name=person, kind=kind)
        owner = self.connect(token=made.token.secret)
        if kind != "resident":
            case_id = wait_for(lambda: self._find_admission(made.organisation_id), what=f"open a case on {name}")
            self.operators[0].cases.decide(case_id, decision="approve", reason="Their machines were visited.")
        wait_for(lambda: owner.organisations.get_me().organisation.state == "admitted", what=f"admit {name}")
        return owner

    def admit_provider(self) -> str:
        """Admit a provider, and return its organisation."""
        self.provider = self.sign_up(
            name="Lane Compute", person="Chen Gong", email="gong@lane-compute.example", kind="provider"
        )
        organisation_id = self.provider.organisations.get_me().organisation.id
        self.provider_id = self.operators[0].providers.register(
            organisation_id=organisation_id, fee_ppm=self.terms.fee_ppm
        )
        return organisation_id

    def connect_pool(self, *, local: LocalSettings | None = None, profiles: dict[str, Path] | None = None) -> Joined:
        """Admit a provider, create its pool, and let this machine's agent join it and report what it has."""
        organisation_id = self.admit_provider()
        self.pool_id = self.provider.pools.create(organisation_id=organisation_id, name="lane-1").id
        joined = join_pool(
            home=self.agent_home,
            hub_url=self.hub.url,
            join_token=self.provider.pools.create_join_token(self.pool_id).token,
            profiles=profiles,
            local=local or LocalSettings(),
        )
        wait_for(lambda: self.provider.pools.get(self.pool_id).inventory is not None, what="hear from the agent")
        return joined

    def open_shop(self) -> None:
        """Put an offer of single cores on the shelf, at the price of the terms."""
        self.offer_id = self.provider.offers.create(
            provider_id=self.provider_id,
            pool_id=self.pool_id,
            name="Cores by the second",
            unit="core_s",
            cores_per_unit=1,
            memory_mib_per_unit=4096,
        )
        self.provider.offers.add_price(self.offer_id, price_uc=self.terms.price_uc, source="Price list of today")

    def fund_programme(self) -> None:
        """Create a programme whose vouchers pay a part of each price, and enter its money with two approvals."""
        operator = self.operators[0]
        self.programme_id = operator.programmes.create(name="First steps", rule=self.terms.rule)
        case_id = operator.programmes.fund(
            self.programme_id, amount_uc=self.terms.fund_uc, reference="Grant letter 2026-07"
        )
        self.approve(case_id, reason="The grant is on the bank statement.")
        wait_for(
            lambda: next(operator.programmes.list()).available_uc >= self.terms.fund_uc,
            what="enter the programme's money",
        )

    def sign_up_engineer(self) -> Voucher:
        """Sign a start-up's engineer up, and return the starter voucher that she gets on being admitted."""
        self.engineer = self.sign_up(name="Shu Robotics", person="Lin Xia", email="lin@shu-robotics.example")
        self.organisation_id = self.engineer.organisations.get_me().organisation.id
        return wait_for(lambda: next(self.engineer.vouchers.list(), None), what="issue the starter voucher")

    def top_up(self) -> None:
        """Enter the engineer's own money into her wallet: an operator asks, two others approve."""
        wallet_uc = self.terms.wallet_uc
        case_id = self.operators[0].wallet.request_top_up(
            organisation_id=self.organisation_id, amount_uc=wallet_uc, reference="Transfer 4711"
        )
        self.approve(case_id, reason="The transfer is on the bank statement.")
        wait_for(lambda: self._read_wallet_uc() >= wallet_uc, what="enter the top-up")

    def set_up(self) -> None:
        """Play every scene until the engineer can buy."""
        self.appoint_operators()
        self.connect_pool()
        self.open_shop()
        self.fund_programme()
        self.sign_up_engineer()
        self.top_up()

    def _exchange(self, one_time_token: str) -> Lilong:
        return self.connect(token=self.connect().tokens.exchange(token=one_time_token, name="demo").secret)

    def _find_admission(self, organisation_id: str) -> str:
        cases = self.operators[0].cases.list(state="open")
        return next((case.id for case in cases if case.subject_id == organisation_id), "")

    def _read_wallet_uc(self) -> int:
        accounts = self.engineer.wallet.list_accounts()
        return sum(account.balance.available_uc for account in accounts if account.kind == "wallet")


def wait_for(condition: Callable[[], T | None], *, what: str, within_s: float = WAIT_S) -> T:
    """Return what the condition returns as soon as it is true; raises StageStuck that says what did not happen."""
    deadline_s = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline_s:
            raise StageStuck(detail=f"It did not {what} within {within_s:.0f} s.")
        time.sleep(WAIT_EVERY_S)
