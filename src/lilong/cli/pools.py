"""Commands of a provider about its pools at the hub: create them, let agents join, drain them, announce maintenance."""

from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, format_time, messages, print_fields, print_json, print_next_step, print_table
from lilong.common.errors import NotFound
from lilong.common.money import PPM
from lilong.common.time import DurationInvalid, MomentInvalid, parse_duration_s, utc_now
from lilong.sdk.client import Lilong
from lilong.sdk.pools import Pool

app = typer.Typer(help="For providers: machines that the hub may sell.", no_args_is_help=True)

MICRO = 1_000_000

PoolName = Annotated[str, typer.Argument(metavar="POOL", help="Name or id of a pool.")]


class NothingOnSale(NotFound):
    """No offer of the pool can be measured."""

    code = "cli.nothing_on_sale"
    title = "Nothing of this pool is on the shelf"
    next_step = "Put an offer with a price on the shelf first: a measurement is bought like any other work."


class PoolUnknown(NotFound):
    """No pool of this name can be seen, or several can."""

    code = "cli.pool_unknown"
    title = "It is not clear which pool is meant"
    next_step = "`lilong pools list` shows them; an id is always clear."


@app.command("list")
def list_pools(as_json: AsJson = False) -> None:
    """List the organisation's pools, and how they are."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.pools.list())
        if as_json:
            print_json(found)
            return
        rows = [
            (
                pool.id,
                pool.name,
                pool.engine,
                sum(node.cores_total for node in pool.inventory.nodes) if pool.inventory else 0,
                format_time(pool.last_sync_at),
                _describe(pool),
            )
            for pool in found
        ]
        columns = ("Pool", "Name", "Engine", "Cores", "Last heard of", "State")
        print_table(title="Pools", columns=columns, rows=rows, right=frozenset({"Cores"}))


@app.command("create")
def create_pool(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens; yours alone.")],
    *,
    engine: Annotated[
        str, typer.Option(help="What runs the jobs: local (one machine) or slurm (a cluster).")
    ] = "local",
    as_json: AsJson = False,
) -> None:
    """Create a pool of your organisation; the same again finds it."""
    with hub_session(as_json=as_json) as hub:
        organisation_id = hub.organisations.get_me().organisation.id
        pool = hub.pools.create(organisation_id=organisation_id, name=name, engine=engine)
        if as_json:
            print_json(pool)
            return
        messages.print(f"{pool.id} is there.")
        print_next_step(f"`lilong pools join-token {name}` makes the token with which an agent joins it.")


@app.command("join-token")
def create_join_token(pool: PoolName, as_json: AsJson = False) -> None:
    """Make a token with which one agent may join a pool, once, within a day; it is shown this once."""
    with hub_session(as_json=as_json) as hub:
        made = hub.pools.create_join_token(_find(hub, pool).id)
        if as_json:
            print_json(made.model_dump(mode="json"))
            return
        print_fields({"Token": made.token, "Expires": format_time(made.expires_at)})
        print_next_step("On the pool's machine: `lilong agent join URL TOKEN`.")


@app.command("drain")
def drain_pool(pool: PoolName, as_json: AsJson = False) -> None:
    """Let a pool take no new work; what it has goes on to its end, what waits moves to other pools."""
    with hub_session(as_json=as_json) as hub:
        _report(hub.pools.drain(_find(hub, pool).id), as_json=as_json)


@app.command("resume")
def resume_pool(pool: PoolName, as_json: AsJson = False) -> None:
    """Let a drained pool take work again."""
    with hub_session(as_json=as_json) as hub:
        _report(hub.pools.resume(_find(hub, pool).id), as_json=as_json)


@app.command("maintenance")
def announce_maintenance(
    pool: PoolName,
    begin: Annotated[str, typer.Argument(metavar="FROM", help="2026-12-01T18:00 (here), …Z (UTC), or in 12h.")],
    end: Annotated[str, typer.Argument(metavar="UNTIL", help="The same; a duration counts from FROM.")],
    *,
    reason: Annotated[str, typer.Option(help="What members read of it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Announce maintenance in place of what was announced: from now on nothing begins that could reach into it.

    Afterwards the pool takes work again by itself.
    """
    with hub_session(as_json=as_json) as hub:
        starts_at = _read_moment(begin, since=utc_now())
        ends_at = _read_moment(end, since=starts_at)
        pool_id = _find(hub, pool).id
        changed = hub.pools.announce_maintenance(pool_id, starts_at=starts_at, ends_at=ends_at, reason=reason)
        _report(changed, as_json=as_json)


@app.command("cancel-maintenance")
def cancel_maintenance(pool: PoolName, as_json: AsJson = False) -> None:
    """Take back the maintenance that was announced."""
    with hub_session(as_json=as_json) as hub:
        _report(hub.pools.cancel_maintenance(_find(hub, pool).id), as_json=as_json)


@app.command("benchmark")
def benchmark_pool(pool: PoolName, as_json: AsJson = False) -> None:
    """Buy a measurement of one unit of each offer of a pool from your organisation's wallet, at the posted price."""
    with hub_session(as_json=as_json) as hub:
        pool_id = _find(hub, pool).id
        orders = [hub.offers.measure(offer.id) for offer in hub.offers.list() if offer.pool_id == pool_id]
        if not orders:
            raise NothingOnSale(detail=f"No offer of {pool[:80]!r} is on the shelf.")
        if as_json:
            print_json({"order_ids": orders})
            return
        messages.print(f"Ordered: {', '.join(orders)}.")
        print_next_step(f"`lilong pools measured {pool}` shows the figures once the runs are over.")


@app.command("measured")
def show_measured(pool: PoolName, as_json: AsJson = False) -> None:
    """Show what was measured of a pool: the middle of the repetitions, their spread and the date."""
    with hub_session(as_json=as_json) as hub:
        found = hub.offers.get_measured(pool if pool.startswith("pool_") else _find(hub, pool).id)
        if as_json:
            print_json(found)
            return
        rows = [
            (
                offer.name,
                each.metric,
                f"{each.micro / MICRO:.4g} {each.unit}",
                f"{each.lowest / MICRO:.4g} to {each.highest / MICRO:.4g} of {each.count}",
                format_time(each.measured_at),
                "differs from earlier" if each.drifted else "",
            )
            for offer in found.offers
            for each in offer.results
        ]
        columns = ("Offer", "Metric", "Measured", "Spread", "On", "Note")
        print_table(title=f"Measured on {found.name}", columns=columns, rows=rows, right=frozenset({"Measured"}))
        for each in found.history[:1]:
            for metric, why in each.not_measured.items():
                messages.print(f"Not measured: {metric}. {escape(why)}")


@app.command("reputation")
def show_reputation(pool: PoolName, as_json: AsJson = False) -> None:
    """Show what was counted of a pool in the last 90 days: k of n facts of each kind, and the interval of the share."""
    with hub_session(as_json=as_json) as hub:
        found = hub.offers.get_reputation(pool if pool.startswith("pool_") else _find(hub, pool).id)
        if as_json:
            print_json(found)
            return
        rows = [
            (
                each.share,
                f"{each.kept} of {each.count}",
                "too few to say"
                if each.lower_ppm is None or each.upper_ppm is None
                else f"{each.lower_ppm / PPM:.1%} to {each.upper_ppm / PPM:.1%}",
                ", ".join(f"{code} {count}" for code, count in each.parts.items()),
            )
            for each in found.shares
        ]
        title = f"Counted of {found.name} in {found.window_days} days"
        print_table(
            title=title,
            columns=("Share", "Counted", "95% interval", "Of these"),
            rows=rows,
            right=frozenset({"Counted"}),
        )


def _find(hub: Lilong, name: str) -> Pool:
    found = [pool for pool in hub.pools.list() if name in {pool.id, pool.name}]
    if len(found) != 1:
        raise PoolUnknown(detail=f"{len(found)} pools are called {name[:80]!r}.")
    return found[0]


def _report(pool: Pool, *, as_json: bool) -> None:
    if as_json:
        print_json(pool)
    else:
        messages.print(f"{pool.name} {_describe(pool)}.")


def _describe(pool: Pool) -> str:
    """Say how a pool is, as the rest of a sentence about it."""
    state = "takes no new work" if pool.draining else "takes work"
    state += ", its agent is silent" if pool.away else ""
    if pool.maintenance is None:
        return state
    window = pool.maintenance
    reason = f" ({window.reason})" if window.reason else ""
    return f"{state}; maintenance from {format_time(window.starts_at)} to {format_time(window.ends_at)}{reason}"


def _read_moment(text: str, *, since: datetime) -> datetime:
    """Return the moment that a person means: date and time, here unless a zone is named, or a duration from `since`."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        pass
    try:
        return since + timedelta(seconds=parse_duration_s(text))
    except (DurationInvalid, OverflowError) as error:
        raise MomentInvalid(detail=f"{text[:80]!r} is neither a moment nor a duration such as 12h.") from error
