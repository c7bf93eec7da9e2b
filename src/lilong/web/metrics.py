"""The numbers of the hub for Prometheus: one table that is served, and that the reference page is made of.

All are gauges, read from the database when they are asked for, so that every web process says the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from lilong import __version__
from lilong.common.money import UC_PER_CREDIT
from lilong.foundation.cases.reactions import OpenCases, count_open_cases
from lilong.foundation.ledger.public import AccountKind
from lilong.foundation.ledger.reactions import KindTotal, sum_accounts
from lilong.foundation.members import reactions as members
from lilong.foundation.members.public import OrganisationState
from lilong.foundation.notices import reactions as notices
from lilong.foundation.objects.reactions import sum_used_bytes
from lilong.foundation.outbox.reactions import OutboxBacklog, is_leased, measure_backlog
from lilong.foundation.record.reactions import RecordGrowth, measure_record
from lilong.foundation.runs.reactions import PoolLoad, RunCounts, count_runs, list_pool_loads
from lilong.platforms.supermarket.reactions import OrderCounts, count_orders
from lilong.web.rounds import LEASE

Sample: TypeAlias = tuple[tuple[str, ...], float]
StateT = TypeVar("StateT", bound=str)


@dataclass(frozen=True, slots=True)
class HubNumbers:
    """All that is told, as it was at one moment."""

    at: datetime
    organisations: Mapping[OrganisationState, int]
    cases: OpenCases
    orders: OrderCounts
    runs: RunCounts
    pools: Sequence[PoolLoad]
    accounts: Mapping[AccountKind, KindTotal]
    backlog: OutboxBacklog
    has_worker: bool
    sign_in_mails: members.MailBacklog
    notice_mails: notices.MailBacklog
    webhooks: notices.WebhookBacklog
    record: RecordGrowth
    used_bytes: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table: what a gauge is called, what it means, and how its samples come out of the numbers.

    grows_with: what the time to read it grows with.
    """

    name: str
    labels: tuple[str, ...]
    meaning: str
    grows_with: str
    read: Callable[[HubNumbers], Iterable[Sample]]


def read_numbers(*, now: datetime) -> HubNumbers:
    """Return the numbers. Fifteen queries, none of which reads what is over for longer than a day."""
    return HubNumbers(
        at=now,
        organisations=members.count_organisations(),
        cases=count_open_cases(now=now),
        orders=count_orders(now=now),
        runs=count_runs(now=now),
        pools=list_pool_loads(),
        accounts=sum_accounts(),
        backlog=measure_backlog(),
        has_worker=is_leased(name=LEASE, now=now),
        sign_in_mails=members.measure_mails(),
        notice_mails=notices.measure_mails(),
        webhooks=notices.measure_webhooks(),
        record=measure_record(),
        used_bytes=sum_used_bytes(),
    )


def render_metrics(*, numbers: HubNumbers, accept: str) -> tuple[bytes, str]:
    """Return the text that Prometheus reads and its content type, in the newest form that `accept` names."""
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Told(numbers))
    return encode(registry), content_type


class _Told(Collector):
    """Hands the numbers of one scrape to the library."""

    def __init__(self, numbers: HubNumbers) -> None:
        self._numbers = numbers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every row of the table with its samples."""
        for metric in METRICS:
            family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for labels, value in metric.read(self._numbers):
                family.add_metric(labels, value)
            yield family


def _one(value: float) -> list[Sample]:
    return [((), value)]


def _by_state(counts: Mapping[StateT, int]) -> list[Sample]:
    return [((str(state),), count) for state, count in counts.items()]


def _since(then: datetime, numbers: HubNumbers) -> float:
    return max(0.0, (numbers.at - then).total_seconds())


def _credits(amount_uc: int) -> float:
    return amount_uc / UC_PER_CREDIT


def _age(then: datetime | None, numbers: HubNumbers) -> float:
    return _since(then, numbers) if then else 0.0


def _mails(
    read: Callable[[members.MailBacklog | notices.MailBacklog, HubNumbers], float],
) -> Callable[[HubNumbers], list[Sample]]:
    return lambda numbers: [
        (("sign-in",), read(numbers.sign_in_mails, numbers)),
        (("notices",), read(numbers.notice_mails, numbers)),
    ]


def _head_age(numbers: HubNumbers) -> list[Sample]:
    return _one(_since(numbers.record.published_at, numbers)) if numbers.record.published_at else []


def _accelerators(read: Callable[[PoolLoad, str], int]) -> Callable[[HubNumbers], list[Sample]]:
    return lambda numbers: [
        ((pool.pool_id, name), read(pool, name)) for pool in numbers.pools for name in pool.accelerators
    ]


def _pools(read: Callable[[PoolLoad], float]) -> Callable[[HubNumbers], list[Sample]]:
    return lambda numbers: [((pool.pool_id,), read(pool)) for pool in numbers.pools]


METRICS: Sequence[Metric] = (
    Metric(
        "lilong_build_info",
        ("version",),
        "Always 1; the label says which version of Lilong answers.",
        "",
        lambda _: [((__version__,), 1)],
    ),
    Metric(
        "lilong_worker_running",
        (),
        "1 while a worker holds the lease that it renews every few seconds, 0 when none does.",
        "",
        lambda numbers: _one(numbers.has_worker),
    ),
    Metric(
        "lilong_organisations",
        ("state",),
        "Organisations by state.",
        "organisations",
        lambda numbers: _by_state(numbers.organisations),
    ),
    Metric("lilong_cases_open", (), "Cases that wait for people.", "open cases", lambda n: _one(n.cases.open)),
    Metric(
        "lilong_cases_overdue",
        (),
        "Open cases whose time is over.",
        "open cases",
        lambda numbers: _one(numbers.cases.overdue),
    ),
    Metric(
        "lilong_orders",
        ("state",),
        "Orders and quotes that are not over, by state; disputed ones, too.",
        "live orders",
        lambda numbers: _by_state(numbers.orders.live),
    ),
    Metric(
        "lilong_orders_settled_last_day",
        (),
        "Orders that settled in the last 24 hours, without those in dispute.",
        "orders settled in the last day",
        lambda numbers: _one(numbers.orders.settled),
    ),
    Metric(
        "lilong_charged_last_day_credits",
        (),
        "What the orders that settled in the last 24 hours are charged, after corrections, without those in dispute.",
        "orders settled in the last day",
        lambda numbers: _one(_credits(numbers.orders.charged_uc)),
    ),
    Metric(
        "lilong_runs",
        ("state",),
        "Runs that have not ended, by state.",
        "open runs",
        lambda numbers: _by_state(numbers.runs.open),
    ),
    Metric(
        "lilong_runs_ended_last_day",
        ("state",),
        "Runs that ended in the last 24 hours, by how they ended.",
        "runs that ended in the last day",
        lambda numbers: _by_state(numbers.runs.ended),
    ),
    Metric(
        "lilong_pool_attempts",
        ("pool", "state"),
        "Live attempts by pool and state.",
        "live attempts",
        lambda n: [((p.pool_id, state), count) for p in n.pools for state, count in p.attempts.items()],
    ),
    Metric(
        "lilong_pool_oldest_queued_attempt_seconds",
        ("pool",),
        "How long the oldest attempt has waited that is created, submitted or queued; 0 when none is.",
        "live attempts",
        lambda n: [((pool.pool_id,), _age(pool.queued_since, n)) for pool in n.pools],
    ),
    Metric(
        "lilong_pool_info",
        ("pool", "name", "engine"),
        "Always 1; the labels say what a pool is called and what runs its jobs.",
        "pools",
        lambda numbers: [((pool.pool_id, pool.name, pool.engine), 1) for pool in numbers.pools],
    ),
    Metric(
        "lilong_pool_draining",
        ("pool",),
        "1 while the pool takes no new work.",
        "pools",
        _pools(lambda pool: pool.draining),
    ),
    Metric(
        "lilong_pool_silence_seconds",
        ("pool",),
        "Time since the pool's agent last called; missing until it has.",
        "pools",
        lambda n: [((pool.pool_id,), _since(pool.last_sync_at, n)) for pool in n.pools if pool.last_sync_at],
    ),
    Metric(
        "lilong_pool_cores",
        ("pool",),
        "CPU cores of the pool, as its agent last said.",
        "nodes of all pools",
        _pools(lambda pool: pool.cores.total),
    ),
    Metric(
        "lilong_pool_cores_free",
        ("pool",),
        "CPU cores that are free on healthy nodes, as the agent last said.",
        "nodes of all pools",
        _pools(lambda pool: pool.cores.free),
    ),
    Metric(
        "lilong_pool_accelerators",
        ("pool", "accelerator"),
        "Accelerators of the pool by kind, as its agent last said.",
        "nodes of all pools",
        _accelerators(lambda pool, name: pool.accelerators[name].total),
    ),
    Metric(
        "lilong_pool_accelerators_free",
        ("pool", "accelerator"),
        "Accelerators that are free on healthy nodes, as the agent last said.",
        "nodes of all pools",
        _accelerators(lambda pool, name: pool.accelerators[name].free),
    ),
    Metric(
        "lilong_accounts_posted_credits",
        ("kind",),
        "What all accounts of a kind hold together, with what is held for something; escrows are left out.",
        "organisations and vouchers",
        lambda numbers: [((kind,), _credits(total.posted_uc)) for kind, total in numbers.accounts.items()],
    ),
    Metric(
        "lilong_accounts_held_credits",
        ("kind",),
        "What of it is held: for orders, quotes and pay-outs that are not settled yet.",
        "organisations and vouchers",
        lambda numbers: [((kind,), _credits(total.held_uc)) for kind, total in numbers.accounts.items()],
    ),
    Metric(
        "lilong_outbox_events",
        (),
        "Events that wait for a delivery.",
        "waiting events",
        lambda numbers: _one(numbers.backlog.events),
    ),
    Metric(
        "lilong_outbox_oldest_event_seconds",
        (),
        "How long ago the oldest waiting event happened; 0 when none waits.",
        "waiting events",
        lambda numbers: _one(_age(numbers.backlog.oldest_at, numbers)),
    ),
    Metric(
        "lilong_outbox_dead_letters",
        (),
        "Deliveries that were given up.",
        "dead letters",
        lambda numbers: _one(numbers.backlog.dead),
    ),
    Metric(
        "lilong_mails_waiting",
        ("queue",),
        "Mails that the mail server has not taken yet, those of signing in and those of notices.",
        "waiting mails",
        _mails(lambda queue, _: queue.waiting),
    ),
    Metric(
        "lilong_mails_oldest_waiting_seconds",
        ("queue",),
        "How long ago the oldest mail of the queue was written that waits; 0 when none does.",
        "waiting mails",
        _mails(lambda queue, numbers: _age(queue.oldest_at, numbers)),
    ),
    Metric(
        "lilong_mails_undelivered",
        (),
        "Mails of notices that were given up and kept; of signing in none is kept, the desk shows what was refused.",
        "mails given up",
        lambda numbers: _one(numbers.notice_mails.dead),
    ),
    Metric(
        "lilong_webhook_deliveries_waiting",
        (),
        "Deliveries to webhooks that were not taken yet.",
        "waiting deliveries",
        lambda numbers: _one(numbers.webhooks.waiting),
    ),
    Metric(
        "lilong_webhook_deliveries_oldest_waiting_seconds",
        (),
        "How long ago the oldest of them was made; 0 when none waits. Tries go on for over a day.",
        "waiting deliveries",
        lambda numbers: _one(_age(numbers.webhooks.oldest_at, numbers)),
    ),
    Metric(
        "lilong_webhooks_failing",
        (),
        "Webhooks whose last try failed; tries go on.",
        "webhooks",
        lambda numbers: _one(numbers.webhooks.failing),
    ),
    Metric(
        "lilong_webhooks_disabled",
        (),
        "Webhooks that the hub has switched off, as nothing was taken for days or they answered that they are gone.",
        "webhooks",
        lambda numbers: _one(numbers.webhooks.disabled),
    ),
    Metric("lilong_record_entries", (), "Leaves in the record's open log.", "", lambda n: _one(n.record.size)),
    Metric(
        "lilong_record_entries_unsealed",
        (),
        "Entries that are not in the log yet.",
        "unsealed entries",
        lambda numbers: _one(numbers.record.waiting),
    ),
    Metric(
        "lilong_record_entries_published",
        (),
        "Leaves under the newest head that enough witnesses cosigned.",
        "heads since then",
        lambda numbers: _one(numbers.record.published_size),
    ),
    Metric(
        "lilong_record_head_age_seconds",
        (),
        "Time since that head was signed; a quiet hub signs none. Missing before the first.",
        "heads since then",
        _head_age,
    ),
    Metric(
        "lilong_objects_used_bytes",
        (),
        "What counts against all organisations' quotas; bytes that several have count for each.",
        "organisations",
        lambda numbers: _one(numbers.used_bytes),
    ),
)
