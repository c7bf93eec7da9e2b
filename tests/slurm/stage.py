"""A hub whose pools are real clusters: each of a provider of its own, served by an agent of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lilong.agent.join import join_pool
from lilong.cli.demo.stage import Stage, Terms, wait_for
from lilong.cli.local_hub import LocalHub
from lilong.common.money import UC_PER_CREDIT
from lilong.sdk.client import Lilong
from tests.hub import keeping_agent, running_hub
from tests.slurm.site import Site

PRICE_UC, PRICE_STEP_UC = 30 * UC_PER_CREDIT, UC_PER_CREDIT


@dataclass(frozen=True, slots=True)
class Pool:
    """A cluster that the hub sells: its site, pool, offer and provider, and where its agent lives."""

    site: Site
    pool_id: str
    offer_id: str
    provider: Lilong
    agent_home: Path


class SlurmStage(Stage):
    """The stage with clusters for the engineer's orders; the first is the cheapest."""

    def __init__(self, *, hub: LocalHub, terms: Terms, agents: Sequence[Path], sites: Sequence[Site]) -> None:
        super().__init__(hub=hub, terms=terms)
        self._homes = dict(zip([site.cluster.name for site in sites], agents, strict=True))
        self._sites = sites
        self.pools: list[Pool] = []
        self.hub_id = ""
        self._cheapest: Pool | None = None

    def set_up(self) -> None:
        """Play every scene until the engineer can buy on every cluster."""
        self.appoint_operators()
        for rank, site in enumerate(self._sites):
            self.pools.append(self.connect_cluster(site, price_uc=PRICE_UC + rank * PRICE_STEP_UC))
        self.fund_programme()
        self.sign_up_engineer()
        self.top_up()

    def connect_cluster(self, site: Site, *, price_uc: int) -> Pool:
        """Admit a provider, let an agent join with the cluster, and sell its cores one by one."""
        name, home = site.cluster.name, self._homes[site.cluster.name]
        provider = self.sign_up(name=f"Cluster {name}", person="Chen", email=f"chen@{name}.example", kind="provider")
        organisation_id = provider.organisations.get_me().organisation.id
        provider_id = self.operators[0].providers.register(organisation_id=organisation_id, fee_ppm=self.terms.fee_ppm)
        pool_id = provider.pools.create(organisation_id=organisation_id, name=name, engine="slurm").id
        token = provider.pools.create_join_token(pool_id).token
        joined = join_pool(home=home, hub_url=self.hub.url, join_token=token, slurm=site.settings)
        self.hub_id = joined.hub_id
        wait_for(lambda: provider.pools.get(pool_id).inventory is not None, what=f"hear from the agent of {name}")
        offer_id = provider.offers.create(
            provider_id=provider_id,
            pool_id=pool_id,
            name=f"Cores of {name}",
            unit="core_s",
            cores_per_unit=1,
            memory_mib_per_unit=4096,
        )
        provider.offers.add_price(offer_id, price_uc=price_uc, source="Price list of today")
        return Pool(site=site, pool_id=pool_id, offer_id=offer_id, provider=provider, agent_home=home)

    def prefer(self, name: str) -> None:
        """Make one cluster's cores the cheapest from now on."""
        rest = [pool for pool in self.pools if pool.site.cluster.name != name]
        [preferred] = [pool for pool in self.pools if pool not in rest]
        if preferred is not self._cheapest:
            for rank, pool in enumerate([preferred, *rest]):
                price_uc = PRICE_UC + rank * UC_PER_CREDIT
                pool.provider.offers.add_price(pool.offer_id, price_uc=price_uc, source="Price list of the hour")
            self._cheapest = preferred


@contextmanager
def running_stage(
    folder: Path,
    *,
    sites: Sequence[Site],
    wallet_uc: int = 10_000 * UC_PER_CREDIT,
    environment: Mapping[str, str] | None = None,
) -> Iterator[SlurmStage]:
    """Run a hub in `folder` with an agent for each cluster, and an engineer who has money.

    environment: over ours for all processes of hub and agents.
    """
    with ExitStack() as stack:
        agents = [
            stack.enter_context(keeping_agent(folder / site.cluster.name, environment=environment)) for site in sites
        ]
        hub = stack.enter_context(running_hub(folder / "hub", environment=environment))
        terms = Terms(wallet_uc=wallet_uc)
        stage = stack.enter_context(SlurmStage(hub=hub, terms=terms, agents=agents, sites=sites))
        stage.set_up()
        yield stage
