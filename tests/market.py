"""A small market for tests: a provider with a pool whose agent the test plays, buyers with money, orders that run."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lilong.common.permissions import Actor
from lilong.foundation.ledger.public import AccountKind, open_account, post_many, require_posted
from lilong.foundation.members.public import OrganisationKind
from lilong.foundation.runs.services.pools import create_join_token, create_pool, join
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.models import Order
from lilong.platforms.supermarket.public import QuoteView, place_order, quote
from lilong.platforms.supermarket.services.shelf import add_price, add_service_level, create_offer, register_provider
from lilong.protocol.messages import PROTOCOL_VERSION, AttemptState, Cancel, JoinRequest, NodeInventory, Submit
from lilong.protocol.spec import RunSpec
from tests.books import link, post
from tests.people import NOW, act, found_operator, found_organisation, found_owner
from tests.pools import FOUR_CORES, NOON, ScriptedAgent, at, make_spec

CREDIT = 1_000_000
PRICE_UC = 250_000
"""Per 1 000 core-seconds: 0.9 credits a core-hour."""


@dataclass
class Seller:
    """A provider, its owner, its one pool's agent and its one offer."""

    owner: Actor
    provider_id: str
    agent: ScriptedAgent
    offer_id: str


def open_stall(
    *,
    name: str = "embedded",
    price_uc: int = PRICE_UC,
    fee_ppm: int = 50_000,
    credit_ppm: int = 0,
    accelerator: str | None = None,
    nodes: Sequence[NodeInventory] = FOUR_CORES,
    now: datetime = NOW,
) -> Seller:
    """Let a new provider join with a pool of four cores and put one offer on the shelf: by the core, or accelerator."""
    owner = act(found_organisation(kind=OrganisationKind.PROVIDER, now=now).token.secret, now=now)
    provider_id = register_provider(
        actor=found_operator(now=now), organisation_id=owner.organisation_id, fee_ppm=fee_ppm, now=now
    )
    agent = open_own_pool(owner, name=name, nodes=nodes, now=now)
    level = (
        add_service_level(actor=owner, provider_id=provider_id, name="gold", credit_ppm=credit_ppm, now=now)
        if credit_ppm
        else None
    )
    offer_id = create_offer(
        actor=owner,
        provider_id=provider_id,
        pool_id=agent.pool_id,
        name=name,
        accelerator=accelerator,
        shape=Shape(unit=Unit.ACCELERATOR if accelerator else Unit.CORE, cores=1, memory_mib=4096),
        service_level_id=level,
        now=now,
    )
    set_price(owner, offer_id, price_uc, now=now)
    return Seller(owner=owner, provider_id=provider_id, agent=agent, offer_id=offer_id)


def open_own_pool(
    owner: Actor, *, name: str, nodes: Sequence[NodeInventory] = FOUR_CORES, now: datetime = NOW
) -> ScriptedAgent:
    """Create a pool of the owner's organisation and let its agent report once."""
    pool_id = create_pool(
        actor=owner, provider_organisation_id=owner.organisation_id, name=name, engine="local", now=now
    )
    token = create_join_token(actor=owner, pool_id=pool_id, now=now).token
    request = JoinRequest(protocol_version=PROTOCOL_VERSION, join_token=token, agent_version="0.1.0", hostname="login1")
    joined = join(request=request, now=now)
    agent = ScriptedAgent(pool_id=pool_id, pool_token=joined.pool_token, boot_id=f"boot-{name}", nodes=tuple(nodes))
    agent.sync(seconds=(now - NOON).total_seconds())
    return agent


def set_price(owner: Actor, offer_id: str, price_uc: int, *, now: datetime = NOW, until: datetime | None = None) -> str:
    """Add a price row that begins now."""
    return add_price(
        actor=owner,
        offer_id=offer_id,
        price_uc=price_uc,
        valid_from=now,
        valid_until=until,
        source="price list",
        now=now,
    )


def found_buyer(*, wallet_uc: int = 100 * CREDIT, now: datetime = NOW) -> Actor:
    """Make an admitted organisation with money in its wallet."""
    owner = found_owner(now=now)
    pay_in(wallet_of(owner), wallet_uc)
    return owner


def wallet_of(actor: Actor) -> str:
    """Return the wallet of the actor's organisation."""
    return open_account(kind=AccountKind.WALLET, owner_id=actor.organisation_id, purpose="", now=NOW)


def pay_in(account: str, amount_uc: int) -> None:
    """Move money from outside into an account."""
    if amount_uc:
        outside = open_account(kind=AccountKind.OUTSIDE, owner_id="hub", purpose="", now=NOW)
        require_posted(results=post_many(groups=[link(post(outside, account, amount_uc))], now=NOW))


def ask(
    actor: Actor,
    *,
    spec: RunSpec | None = None,
    max_cost_uc: int | None = None,
    request_name: str | None = None,
    seconds: float = 0,
) -> QuoteView:
    """Ask for a quote."""
    return quote(
        actor=actor,
        spec=spec or make_spec(),
        max_cost_uc=max_cost_uc,
        request_name=request_name,
        now=at(seconds),
    )


def buy(actor: Actor, *, spec: RunSpec | None = None, seconds: float = 0) -> Order:
    """Ask for a quote and take it."""
    order_id = place_order(actor=actor, quote_id=ask(actor, spec=spec, seconds=seconds).id, now=at(seconds))
    return Order.objects.get(id=order_id)


def finish(
    agent: ScriptedAgent,
    *,
    ms: int,
    state: AttemptState = AttemptState.SUCCEEDED,
    seconds: float = 1,
    submit: Submit | None = None,
    **fields: Any,
) -> None:
    """Let the agent take the next attempt, unless it is given, and report its end after `ms`."""
    taken = submit or agent.take(seconds=seconds)
    ends = seconds + ms / 1000 + 1
    agent.sync(agent.see(taken, state, seconds=ends, ms=ms, **fields), seconds=ends)


def take_all(agent: ScriptedAgent, *, known: Container[str], seconds: float) -> list[Submit]:
    """Let the agent start every attempt but the known ones, and say of what it never knew that it is not there."""
    answer = agent.sync(seconds=seconds)
    started: dict[str, Submit] = {}
    for command in answer.commands:
        if isinstance(command, Submit) and command.attempt_id not in known:
            started[command.attempt_id] = command
            agent.sync(agent.see(command, AttemptState.RUNNING, seconds=seconds, ms=500), seconds=seconds)
    unheard_of = [
        command.attempt_id
        for command in answer.commands
        if isinstance(command, Cancel) and command.attempt_id not in known and command.attempt_id not in started
    ]
    if unheard_of:
        agent.sync(seconds=seconds, absent=unheard_of)
    return list(started.values())
