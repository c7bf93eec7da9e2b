"""The command `invoices`: an organisation's invoices, and for operators issuing those of a month."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from lilong.cli.credentials import hub_session
from lilong.cli.output import AsJson, credits_text, format_time, messages, print_json, print_next_step, print_table
from lilong.cli.wallet import PaperNotWritten
from lilong.common.canonical import sha256_hex
from lilong.common.errors import NotFound
from lilong.common.files import write_durably

app = typer.Typer(no_args_is_help=True, help="Invoices of closed months.")


class PaperLanguage(StrEnum):
    """Languages of papers."""

    EN = "en"
    ZH_HANS = "zh-hans"


class InvoiceUnknown(NotFound):
    """No invoice of this number is among those that the token sees."""

    code = "cli.invoice_unknown"
    title = "There is no invoice of this number"
    next_step = "`lilong invoices list` names them."


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show the organisation's invoices and credit notes, newest first."""
    with hub_session(as_json=as_json) as hub:
        found = list(hub.invoices.list())
        if as_json:
            print_json({"invoices": found})
            return
        rows = [
            (
                each.number,
                f"{each.month:%Y-%m}",
                credits_text(each.total_uc),
                f"{Decimal(each.total_minor).scaleb(-each.decimals):,} {each.currency}",
                format_time(each.issued_at),
            )
            for each in found
        ]
        columns = ("Number", "Month", "Credits", "Total", "Issued")
        print_table(title="Invoices", columns=columns, rows=rows, right=frozenset({"Credits", "Total"}))
        if found:
            print_next_step(f"`lilong invoices download {found[0].number} {found[0].number}.pdf`")


@app.command()
def download(
    number: Annotated[str, typer.Argument(help="Number of the invoice, such as INV-2026-000001.")],
    file: Annotated[Path, typer.Argument(help="PDF to write; one of this name is replaced.")],
    *,
    language: Annotated[PaperLanguage, typer.Option(help="Language of the paper.")] = PaperLanguage.EN,
    as_json: AsJson = False,
) -> None:
    """Write an invoice as PDF."""
    with hub_session(as_json=as_json) as hub:
        invoice = next((each for each in hub.invoices.list() if each.number == number), None)
        if invoice is None:
            raise InvoiceUnknown(detail=f"{number}.")
        content = hub.invoices.download_pdf(invoice.id, language=language.value)
        try:
            write_durably(path=file, content=content, mode=0o644)
        except OSError as error:
            raise PaperNotWritten(detail=f"{file}: {error.strerror}.") from error
        if as_json:
            print_json({"file": str(file), "sha256": sha256_hex(content), "size_bytes": len(content)})
            return
        messages.print(f"{len(content)} bytes are in {escape(str(file))}.")


@app.command()
def issue(
    month: Annotated[str, typer.Argument(help="Closed month, such as 2026-10.")],
    as_json: AsJson = False,
) -> None:
    """Issue the invoices of a closed month; for operators. Each is issued once, however often this is called."""
    with hub_session(as_json=as_json) as hub:
        parts = list(hub.invoices.issue(month=month))
        issued = [number for part in parts for number in part.issued]
        refused = [each for part in parts for each in part.refused]
        if as_json:
            print_json({"issued": issued, "refused": refused})
            return
        messages.print(f"{len(issued)} papers of {escape(month)} are issued now.")
        for each in refused:
            messages.print(escape(f"Not issued for {each.organisation_id}: {each.detail} {each.next_step}"))
        if refused:
            print_next_step(f"Mend that, then `lilong invoices issue {month}` again.")
