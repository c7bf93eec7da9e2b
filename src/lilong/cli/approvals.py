"""Commands about orders that wait for the approval of somebody else: approvals list, approve, refuse."""

from typing import Annotated

import typer

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, messages, print_json, print_next_step, print_table

app = typer.Typer(help="Orders that wait for the approval of another owner or admin.", no_args_is_help=True)

OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="Id of the order.")]
Reason = Annotated[str, typer.Option(help="Why; whoever ordered reads it, and the record keeps it.")]


@app.command("list")
def list_approvals(as_json: AsJson = False) -> None:
    """List the orders that wait for an approval, newest first."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.orders.list_waiting())
        if as_json:
            print_json(found)
            return
        rows = [(order.id, order.name, credits_text(order.max_uc), format_time(order.created_at)) for order in found]
        columns = ("Order", "Name", "At most", "Quoted")
        print_table(title="Waiting for approval", columns=columns, rows=rows, right=frozenset({"At most"}))
        if found:
            print_next_step(f"`lilong approvals approve {found[0].id} --reason WHY`, or `refuse`.")


@app.command()
def approve(order_id: OrderId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Approve an order that somebody else placed: it is held and submitted at the price of its quote."""
    with hub_session(as_json=as_json) as hub:
        detail = hub.orders.approve(order_id, reason=reason)
        if as_json:
            print_json(detail)
        else:
            messages.print(f"{detail.order.id} is ordered, run {detail.order.run_id}.")


@app.command()
def refuse(order_id: OrderId, *, reason: Reason, as_json: AsJson = False) -> None:
    """Refuse an order that waits for an approval; nothing is held."""
    with hub_session(as_json=as_json) as hub:
        detail = hub.orders.refuse(order_id, reason=reason)
        if as_json:
            print_json(detail)
        else:
            messages.print(f"{detail.order.id} is refused; nothing was held.")
