"""Commands about what was ordered: orders with repeat and take, order, runs, logs, cancel, artefacts."""

import sys
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import hub_session
from lilong.cli.following import find_order, print_outcome, wait_until_over, write_log
from lilong.cli.output import (
    AsJson,
    byte_progress,
    credits_text,
    format_bytes,
    format_time,
    messages,
    print_fields,
    print_json,
    print_next_step,
    print_table,
)
from lilong.cli.waiting import Purpose, describe_review, describe_wait
from lilong.common.errors import Conflict, InputInvalid
from lilong.common.time import utc_now
from lilong.protocol.manifest import is_safe_path
from lilong.sdk.client import Lilong
from lilong.sdk.runs import Artefact

app = typer.Typer()
listing = typer.Typer(invoke_without_command=True)

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many to show, newest first.")]
OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="Id of an order or its run; the newest if left out.")]


class CancelUnconfirmed(InputInvalid):
    """Cancelling costs money, and nobody said yes."""

    code = "cli.cancel_unconfirmed"
    title = "Nothing was cancelled"
    next_step = "Add `--yes` where nobody can be asked."


class FileInTheWay(Conflict):
    """A file that is to be fetched is there already."""

    code = "cli.file_in_the_way"
    title = "There is a file of this name already"
    next_step = "Name another folder with `--to`."


@listing.callback()
def orders(context: typer.Context, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List orders with their money; `repeat` quotes the job of one again."""
    if context.invoked_subcommand:
        return
    with hub_session(as_json=as_json) as hub:
        found = list(islice(hub.orders.list(), limit))
        if as_json:
            print_json(found)
            return
        rows = [
            (
                order.id,
                order.name,
                order.state,
                credits_text(order.max_uc),
                credits_text(order.charged_uc),
                credits_text(order.refunded_uc),
                format_time(order.placed_at),
            )
            for order in found
        ]
        columns = ("Order", "Name", "State", "Held", "Charged", "Given back", "Placed")
        print_table(title="Orders", columns=columns, rows=rows, right=frozenset({"Held", "Charged", "Given back"}))


@listing.command()
def repeat(order_id: OrderId = "", as_json: AsJson = False) -> None:
    """Quote the job of an earlier order at today's prices, for the same project; nothing is ordered."""
    with hub_session(as_json=as_json) as hub:
        before = find_order(hub, order_id).order
        offered = hub.orders.repeat(before.id)
        if as_json:
            print_json(offered)
            return
        print_fields(
            {
                "Quote": offered.quote_id,
                "Expected": credits_text(offered.quoted_uc),
                "Maximum": f"{credits_text(offered.max_uc)}; of {before.id} it was {credits_text(before.max_uc)}",
                "From the wallet": f"at most {credits_text(offered.wallet_max_uc)}",
                "Valid until": f"{offered.expires_at:%Y-%m-%d %H:%M:%S} UTC",
            }
        )
        for note in offered.notes:
            messages.print(escape(note.message))
        print_next_step(f"`lilong orders take {offered.quote_id}` orders it at this price.")


@listing.command()
def take(
    quote_id: Annotated[str, typer.Argument(metavar="QUOTE", help="Id of a quote that lives.")],
    purpose: Purpose = "",
    as_json: AsJson = False,
) -> None:
    """Order what a quote promises: its maximum is held, and what is not used comes back."""
    with hub_session(as_json=as_json) as hub:
        placed = hub.orders.place(quote_id=quote_id, purpose=purpose)
        if as_json:
            print_json(placed)
            return
        messages.print(f"Ordered as [bold]{placed.id}[/bold], {placed.state}.")
        print_next_step(f"`lilong logs -f {placed.id}` follows it, `lilong cancel {placed.id}` ends it.")


@app.command()
def order(order_id: OrderId = "", as_json: AsJson = False) -> None:
    """Show an order: what happened to it, with the money beside each step."""
    with hub_session(as_json=as_json) as hub:
        detail = find_order(hub, order_id)
        if as_json:
            print_json(detail)
            return
        fields: dict[str, object] = {
            "Order": detail.order.id,
            "Run": f"{detail.order.run_id} {detail.order.run_state}",
            "State": detail.order.state,
            "Held": credits_text(detail.order.max_uc),
            "Charged": f"{credits_text(detail.order.charged_uc)}, vouchers {credits_text(detail.order.voucher_uc)}",
            "Given back": credits_text(detail.order.refunded_uc),
        }
        if detail.so_far_uc is not None:
            fields["Until now"] = credits_text(detail.so_far_uc)
        if detail.review is not None:
            fields["Review"] = describe_review(detail.review)
        if detail.drawn_from:
            fields["Ordered from"] = f"what was approved for {detail.drawn_from}"
        if detail.waiting_reason:
            fields["Waiting"] = describe_wait(detail, now=utc_now())
        print_fields(fields)
        rows = [
            (format_time(step.at), step.step, step.state, step.money, credits_text(step.amount_uc), step.detail)
            for step in detail.timeline
        ]
        columns = ("At", "Step", "State", "Money", "Amount", "Detail")
        print_table(title="Timeline", columns=columns, rows=rows, right=frozenset({"Amount"}))


@app.command()
def runs(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List runs with their attempts, why each waits, and when it is expected to start."""
    with hub_session(as_json=as_json) as hub:
        found, now = list(islice(hub.runs.list(), limit)), utc_now()
        if as_json:
            print_json(found)
            return
        rows = [
            (
                run.id,
                run.name,
                run.state,
                len(run.attempts),
                f"{run.billable_ms / 1000:.3f}",
                format_time(run.started_at),
                describe_wait(run, now=now) or run.detail,
            )
            for run in found
        ]
        columns = ("Run", "Name", "State", "Attempts", "Billable s", "Started", "Remark")
        print_table(title="Runs", columns=columns, rows=rows, right=frozenset({"Attempts", "Billable s"}))


@app.command()
def logs(
    order_id: OrderId = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run is over.")] = False,
    rank: Annotated[int, typer.Option(min=0, help="Which process of a gang.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print the log of a run, byte for byte: of its newest attempt, or with -f of all as they come."""
    with hub_session(as_json=as_json) as hub:
        run_id = find_order(hub, order_id).order.run_id
        if follow and not as_json:
            write_log(hub, run_id=run_id, rank=rank, target=sys.stdout.buffer)
            return
        number = len(hub.runs.get(run_id).attempts)
        content = b"".join(_read_log(hub, run_id=run_id, number=number, rank=rank))
        if as_json:
            print_json({"run_id": run_id, "attempt": number, "rank": rank, "log": content.decode(errors="replace")})
        else:
            sys.stdout.buffer.write(content)


@app.command()
def cancel(
    order_id: OrderId = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Stop a job after saying what that costs; what was used until then is charged, the rest comes back."""
    with hub_session(as_json=as_json) as hub:
        detail = find_order(hub, order_id)
        if not as_json:
            held, most = detail.order.max_uc or 0, detail.cancel_costs_at_most_uc
            messages.print(
                f"{detail.order.id} {detail.order.name}: {credits_text(detail.so_far_uc or 0)} until now. Cancelling "
                f"costs at most {credits_text(most)}; at least {credits_text(held - most)} come back."
            )
        if not yes and (as_json or not sys.stdin.isatty() or not typer.confirm("Cancel it?", err=True)):
            raise CancelUnconfirmed
        hub.orders.cancel(detail.order.id)
        ended = wait_until_over(hub, order_id=detail.order.id)
        if as_json:
            print_json(ended)
        elif ended.order.run_id:
            print_outcome(hub, ended)


@app.command()
def artefacts(
    order_id: OrderId = "",
    to: Annotated[Path | None, typer.Option(help="Fetch the files into this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the files that a run made, or fetch them; each is checked against its digest."""
    with hub_session(as_json=as_json) as hub:
        run = hub.runs.get(find_order(hub, order_id).order.run_id)
        newest = {artefact.path: artefact for artefact in run.artefacts if is_safe_path(artefact.path)}
        if to is not None:
            _fetch(hub, tuple(newest.values()), folder=to, quiet=as_json)
        if as_json:
            print_json(list(newest.values()))
            return
        rows = [(found.path, format_bytes(found.size_bytes), found.sha256) for found in newest.values()]
        print_table(title="Artefacts", columns=("Path", "Size", "SHA-256"), rows=rows, right=frozenset({"Size"}))
        if rows and to is None:
            print_next_step("`--to FOLDER` fetches them.")


def _read_log(hub: Lilong, *, run_id: str, number: int, rank: int) -> list[bytes]:
    parts: list[bytes] = []
    offset = 0
    while True:
        piece = hub.runs.read_log(run_id, attempt_number=number, rank=rank, offset=offset)
        if not piece.content:
            return parts
        parts.append(piece.content)
        offset = piece.end


def _fetch(hub: Lilong, files: tuple[Artefact, ...], *, folder: Path, quiet: bool) -> None:
    taken = [artefact.path for artefact in files if (folder / artefact.path).exists()]
    if taken:
        raise FileInTheWay(detail=", ".join(taken))
    with byte_progress(title="Fetching", quiet=quiet) as progress:
        task = progress.add_task("Fetching", total=sum(artefact.size_bytes for artefact in files))
        for artefact in files:
            hub.objects.download(
                artefact.sha256,
                target=folder / artefact.path,
                on_bytes=lambda count: progress.advance(task, count),
            )
