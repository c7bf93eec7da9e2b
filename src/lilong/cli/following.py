"""Watching an order: its log as it grows, why it waits, what it cost in the end."""

import sys
import time
from functools import partial
from typing import BinaryIO

from rich.markup import escape

from lilong.cli.output import credits_text, messages, print_fields, print_next_step
from lilong.cli.waiting import describe_wait
from lilong.common.errors import Conflict, NotFound
from lilong.common.time import utc_now
from lilong.protocol.messages import Reason
from lilong.protocol.reasons import SENTENCES
from lilong.sdk.client import Lilong
from lilong.sdk.orders import OrderDetail
from lilong.sdk.patience import ask_patiently
from lilong.sdk.runs import POLL_S, Run

ENDED = frozenset({"settled", "disputed", "expired", "refused", "cancelled"})
AWAITING, APPROVED = "awaiting", "approved"


class NotApproved(Conflict):
    """Nobody approved the order in time, or somebody refused it."""

    code = "cli.not_approved"
    title = "The order was not approved"
    next_step = "Nothing was held. `lilong order ORDER` says why; `lilong orders repeat ORDER` quotes the job anew."


class QuoteExpiredMeanwhile(Conflict):
    """The order was approved after its quote had expired."""

    code = "cli.approved_late"
    title = "The order was approved after its quote had expired"
    next_step = "`lilong orders repeat ORDER` quotes it at today's price, at most for the maximum that was approved."


class NoOrder(NotFound):
    """No order of the organisation fits."""

    code = "cli.no_order"
    title = "There is no such order"
    next_step = "`lilong orders` lists what there is; `lilong run FILE --max-cost CREDITS` orders something."


def find_order(hub: Lilong, wanted: str) -> OrderDetail:
    """Return an order by its id, its run's or quote's id, or the newest one for an empty text; raises NoOrder."""
    if wanted and not wanted.startswith(("run_", "quo_")):
        return hub.orders.get(wanted)
    for order in hub.orders.list():
        if wanted in {"", order.run_id, order.quote_id}:
            return hub.orders.get(order.id)
    raise NoOrder(detail=f"None belongs to {wanted}." if wanted else "Your organisation has ordered nothing yet.")


def follow_order(hub: Lilong, *, order_id: str, quiet: bool) -> OrderDetail:
    """Copy the log of an order's run to standard output until the order is over, and return it then.

    quiet: the log goes to standard error, because standard output is for one document.
    """
    order = hub.orders.get(order_id).order
    if not quiet:
        _show_waiting(hub, order.run_id)
    write_log(hub, run_id=order.run_id, target=sys.stderr.buffer if quiet else sys.stdout.buffer)
    return wait_until_over(hub, order_id=order_id)


def wait_for_approval(hub: Lilong, *, order_id: str) -> None:
    """Return once an order that waits is approved and has a run.

    Raises NotApproved when it was refused or nobody approved it in time, and QuoteExpiredMeanwhile when it has to be
    quoted anew.
    """
    while True:
        detail = ask_patiently(partial(hub.orders.get, order_id))
        if detail.order.run_id:
            return
        if detail.order.state == APPROVED:
            raise QuoteExpiredMeanwhile(detail=f"{order_id} may be ordered now.")
        if detail.order.state != AWAITING:
            last = detail.timeline[-1]
            raise NotApproved(detail=f"{order_id} is {detail.order.state}. {last.detail}".strip())
        time.sleep(POLL_S)


def write_log(hub: Lilong, *, run_id: str, target: BinaryIO, rank: int = 0) -> None:
    """Copy a run's log to `target` as it grows, with a line on standard error before each further attempt."""
    number = 1
    for piece in hub.runs.follow_log(run_id, rank=rank):
        if piece.attempt_number != number:
            number = piece.attempt_number
            run = hub.runs.get(run_id)
            messages.print(f"[yellow]{escape(_explain_restart(run, number))}[/yellow]")
        target.write(piece.content)
        target.flush()


def wait_until_over(hub: Lilong, *, order_id: str) -> OrderDetail:
    """Return the order once nothing more happens to its money."""
    while True:
        detail = ask_patiently(partial(hub.orders.get, order_id))
        if detail.order.state in ENDED:
            return detail
        time.sleep(POLL_S)


def print_outcome(hub: Lilong, detail: OrderDetail) -> None:
    """Say how the run ended and what was paid."""
    order = detail.order
    run = hub.runs.get(order.run_id)
    fields: dict[str, object] = {
        "Run": f"{run.state} after {len(run.attempts)} attempts" if len(run.attempts) > 1 else run.state,
        "Billable": f"{run.billable_ms / 1000:.3f} s",
        "Charged": f"{credits_text(order.charged_uc)}, of it vouchers {credits_text(order.voucher_uc)}",
        "Given back": f"{credits_text(order.refunded_uc)} of {credits_text(order.max_uc)}",
    }
    if run.reason and run.state != "succeeded":
        fields["Why"] = " ".join(filter(None, (_describe_end(run.reason, fault=run.fault), run.detail)))
    print_fields(fields)
    if run.artefacts:
        print_next_step(f"`lilong artefacts {order.id} --to FOLDER` fetches {len(run.artefacts)} files.")


def _show_waiting(hub: Lilong, run_id: str) -> None:
    """Say why nothing runs yet and when it is expected to, each reason and moment once, until something runs."""
    shown: tuple[object, ...] = ()
    while True:
        run = ask_patiently(partial(hub.runs.get, run_id))
        if run.started_at is not None or run.finished:
            return
        said = (run.waiting_reason, run.expected_start_at, run.expected_start_basis)
        if run.waiting_reason and said != shown:
            shown = said
            messages.print(f"[dim]Waiting: {escape(describe_wait(run, now=utc_now()))}[/dim]")
        time.sleep(POLL_S)


def _explain_restart(run: Run, number: int) -> str:
    before = run.attempts[number - 2]
    where = " from its checkpoint" if run.attempts[number - 1].resumed else " from the beginning"
    ended = _describe_end(before.reason or "no reason told", fault=before.fault)
    return f"Attempt {before.number} ended. {ended} Attempt {number} goes on{where}."


def _describe_end(code: str, *, fault: str | None) -> str:
    """Return what the code of an end says, with the code, which documents and searches are by."""
    said = SENTENCES[Reason(code)] if code in {*Reason} else ""
    return " ".join(filter(None, (said, f"({code}, fault: {fault})" if fault else f"({code})")))
