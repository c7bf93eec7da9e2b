"""Commands from a file to a running job: check, quote, run."""

from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import hub_session
from lilong.cli.following import AWAITING, follow_order, print_outcome, wait_for_approval
from lilong.cli.job_files import read_job_file, send_working_folder
from lilong.cli.output import (
    EXIT_RUN_FAILED,
    AsJson,
    credits_text,
    errors_as_exit_codes,
    messages,
    print_fields,
    print_json,
    print_next_step,
    print_table,
)
from lilong.cli.projects import find_project_id
from lilong.cli.waiting import Purpose, describe_estimate
from lilong.common.money import format_credits, parse_credits
from lilong.common.time import format_duration, utc_now
from lilong.protocol.spec import RunSpec
from lilong.protocol.spec_yaml import SpecInvalid, Verdict
from lilong.sdk.client import Lilong
from lilong.sdk.quotes import Quote, QuotedOffer

app = typer.Typer()

JobFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The job's YAML file.")]
MaxCost = Annotated[str, typer.Option(metavar="CREDITS", help="Most that may be held for it, vouchers included.")]
Project = Annotated[str, typer.Option(help="Name or id of the project that it is ordered for.")]
QUOTE_MARGIN = timedelta(seconds=10)
QUOTES_LOOKED_AT = 20
_COLOURS = {Verdict.HONOURED: "green", Verdict.TRANSLATED: "cyan", Verdict.IGNORED: "dim", Verdict.REFUSED: "red"}


@app.command()
def check(file: JobFileArgument, as_json: AsJson = False) -> None:
    """Say of every field of a job's file what becomes of it. Asks no hub."""
    with errors_as_exit_codes(as_json=as_json):
        report = read_job_file(file).check()
        if as_json:
            fields = [{"path": field.path, "verdict": field.verdict, "remark": field.remark} for field in report.fields]
            print_json({"fields": fields, "ok": report.spec is not None})
        else:
            for field in report.fields:
                colour = _COLOURS[field.verdict]
                messages.print(f"[{colour}]{field.verdict:<10}[/] {escape(field.path)} [dim]{escape(field.remark)}[/]")
        if report.spec is None:
            raise SpecInvalid(fields=report.problems)
        if not as_json:
            print_next_step(f"`lilong quote {file}` says what it costs.")


@app.command()
def quote(file: JobFileArgument, max_cost: MaxCost = "", project: Project = "", as_json: AsJson = False) -> None:
    """Ask what a job costs: a signed price that is honoured until it expires."""
    with hub_session(as_json=as_json) as hub:
        project_id = find_project_id(hub, project) if project else None
        spec = _bring(hub, file, quiet=as_json)
        limit_uc = parse_credits(max_cost) if max_cost else None
        offered = hub.quotes.create(spec=spec, max_cost_uc=limit_uc, project_id=project_id)
        if as_json:
            print_json(offered)
            return
        print_quote(offered, spec=spec, providers=_name_providers(hub))
        after = "After that, " if any(note.path == "funds" for note in offered.notes) else ""
        wanted = f"--max-cost {format_credits(offered.max_uc)}{f' --project {project}' if project else ''}"
        print_next_step(f"{after}`lilong run {file} {wanted}` takes this quote.")


@app.command()
def run(
    file: JobFileArgument,
    max_cost: MaxCost,
    *,
    project: Project = "",
    purpose: Purpose = "",
    detach: Annotated[bool, typer.Option("--detach", help="Return as soon as the order is placed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the folder of a job's file, quote it, order it and follow its log until it is paid.

    Ctrl-C stops following, not the job. Ends with 8 when the job did not succeed.
    """
    with hub_session(as_json=as_json) as hub:
        max_cost_uc = parse_credits(max_cost)
        project_id = find_project_id(hub, project) if project else None
        spec = _bring(hub, file, quiet=as_json)
        offered = _find_quote(hub, spec, max_cost_uc, project_id) or hub.quotes.create(
            spec=spec, max_cost_uc=max_cost_uc, project_id=project_id
        )
        if not as_json:
            print_quote(offered, spec=spec, providers=_name_providers(hub))
        order = hub.orders.place(quote_id=offered.quote_id, purpose=purpose)
        waits = order.state == AWAITING
        if not as_json:
            awaits = "waits for an approval"
            messages.print(f"Ordered as [bold]{order.id}[/bold], {awaits if waits else f'run {order.run_id}'}.")
            if waits:
                print_next_step(f"`lilong order {order.id}` says whose, and by when.")
        if detach:
            if as_json:
                print_json(order)
            else:
                print_next_step(f"`lilong logs -f {order.id}` follows it, `lilong cancel {order.id}` ends it.")
            return
        if waits:
            wait_for_approval(hub, order_id=order.id)
        settled = follow_order(hub, order_id=order.id, quiet=as_json)
        if as_json:
            print_json(settled)
        else:
            print_outcome(hub, settled)
        if settled.order.run_state != "succeeded":
            raise typer.Exit(EXIT_RUN_FAILED)


def print_quote(offered: Quote, *, spec: RunSpec, providers: dict[str, str]) -> None:
    """Show what the buyer has to know: net price, expected and maximum, who pays what, who sees which secrets."""
    best = offered.offers[0]
    sellers = list(dict.fromkeys(providers.get(offer.provider_id, offer.provider_id) for offer in offered.offers))
    voucher_uc = offered.voucher_max_uc
    print_fields(
        {
            "Quote": offered.quote_id,
            "From": ", then ".join(sellers),
            "Price": f"{credits_text(best.price_uc)} per 1 000 {best.unit.removesuffix('_s')}-seconds × {best.units}",
            "Expected": f"{credits_text(offered.quoted_uc)} for {_duration(offered.expected_ms)}"
            f" (basis: {offered.expected_basis})",
            "Maximum": f"{credits_text(offered.max_uc)} for {_duration(offered.max_ms)}: held now, the rest comes back",
            "Of it vouchers": f"{credits_text(voucher_uc)} of the maximum; from your wallet at most "
            f"{credits_text(offered.wallet_max_uc)}",
            "Starts": _describe_start(best),
            "Secrets": f"{', '.join(spec.secrets)} will be seen by {', '.join(sellers)}" if spec.secrets else "none",
            "Valid until": f"{offered.expires_at:%Y-%m-%d %H:%M:%S} UTC",
        }
    )
    if offered.notes:
        rows = [(note.path, note.message) for note in offered.notes]
        print_table(title="Good to know", columns=("About", "What"), rows=rows, right=frozenset())


def _describe_start(best: QuotedOffer) -> str:
    rests = f" (from {best.wait.waits} earlier waits)" if best.wait else ""
    return f"{describe_estimate(best.starts, best.wait)}{rests}"


def _bring(hub: Lilong, file: Path, *, quiet: bool) -> RunSpec:
    """Read the job and bring its folder to the hub."""
    spec = read_job_file(file).parse()
    manifest_sha256 = send_working_folder(hub, folder=file.resolve().parent, quiet=quiet)
    return spec.model_copy(update={"workdir_sha256": manifest_sha256})


def _find_quote(hub: Lilong, spec: RunSpec, max_cost_uc: int, project_id: str | None) -> Quote | None:
    """Return the newest quote that was given for this very job and project, while there is time to take it."""
    soon = utc_now() + QUOTE_MARGIN
    for known in islice(hub.quotes.list(), QUOTES_LOOKED_AT):
        is_same = (known.spec_sha256, known.project_id) == (spec.digest, project_id)
        if is_same and known.max_uc <= max_cost_uc and known.state == "quoted" and known.expires_at > soon:
            return known
    return None


def _name_providers(hub: Lilong) -> dict[str, str]:
    return {provider.id: provider.name for provider in hub.providers.list()}


def _duration(milliseconds: int) -> str:
    return format_duration(-(-milliseconds // 1000))
